"""Write docs/validation/index.md from `slipstick validate --json`: published beside ours, by source.

    SLIPSTICK_DATA=... python docs/make_validation.py

The peers' errors and the rows that circulate as measurements are in docs/validation/peers.yaml, with where they are
from.
"""

from __future__ import annotations

import json
import platform
import statistics
import sys
from pathlib import Path
from typing import Any

from slipstick import __version__
from slipstick.core.files import load_yaml
from slipstick.verbs.truth import reference_files, validate

HERE = Path(__file__).parent / "validation"
ROWS = 40  # of one source are printed; of larger ones the summary and the worst
WORST = 10
Rows = list[dict[str, Any]]


def main() -> int:
    """Write the page."""
    peers = load_yaml(HERE / "peers.yaml")
    found = [json.loads(validate(path).json()) for path in reference_files().values()]
    parts = [_head(), *(part for data in found for part in _suite(data)), _peers(peers), _circulating(peers)]
    (HERE / "index.md").write_text("\n".join(parts), "utf-8")
    return 0


def _head() -> str:
    return f"""# Validation: published beside ours

Every row of the reference files, replayed by slipstick {__version__} (Python {platform.python_version()}). One set of
constants for each generation of devices; no constant for a row or a model. `error` is (ours - published) / published.
This page is written by `docs/make_validation.py`; `slipstick validate` prints the same.

Rows that the constants were fitted on are no proof of the model; `data/kernels`, `data/steps` and `data/collectives`
name the rows that each constant comes from.
"""


def _suite(data: dict[str, Any]) -> list[str]:
    summary, rows = data["summary"], data["rows"]
    if not rows:
        return []
    total = summary["all"]
    parts = [f"## {summary['suite']}\n", f"{total['rows']} rows, {_error(total)}.\n", _sources(summary["sources"])]
    by_source: dict[str, Rows] = {}
    for row in rows:
        by_source.setdefault(row["source"] or "no source given", []).append(row)
    for source, own in by_source.items():
        parts.append(_fits(source, own) if own[0]["kind"] == "fits" else _rows(source, own))
    if summary["skipped"]:
        parts.append(_skipped(summary["skipped"]))
    return parts


def _sources(sources: dict[str, Any]) -> str:
    cells = []
    for name, s in sources.items():
        rank = "" if s["rank_correlation"] is None else f"{s['rank_correlation']:.3f}"
        errors = (_percent(s["mean_absolute_error"]), _signed(s["mean_error"]), _signed(s["worst_error"]))
        cells.append((name, s["rows"], *errors, s["worst_case"], rank))
    return _table(("source", "rows", "mean error", "mean signed", "worst", "case", "rank correlation"), cells)


def _rows(source: str, rows: Rows) -> str:
    many = len(rows) > ROWS
    shown = sorted(rows, key=lambda row: -abs(row["error"]))[:WORST] if many else rows
    what = f"the {WORST} worst of {len(rows)} rows" if many else f"{len(rows)} rows"
    cells = [
        (
            r["case_id"],
            r["kind"],
            f"{r['published']:.4g}",
            f"{r['ours']:.4g}",
            r["unit"],
            _signed(r["error"]),
            r["note"],
        )
        for r in shown
    ]
    median = _percent(statistics.median(abs(row["error"]) for row in rows))
    inside = _table(("case", "kind", "published", "ours", "unit", "error", "note"), cells)
    indented = "\n".join(f"    {line}".rstrip() for line in inside.splitlines())
    return f'??? note "{_plain(source)}: {what}, median error {median}"\n\n{indented}\n'


def _fits(source: str, rows: Rows) -> str:
    """Return how often a run that did not fit was called so: 1 stands for a run that fits, 0 for out of memory."""
    called = [(row["published"] == 0, row["ours"] == 0) for row in rows]
    hits = sum(1 for was, said in called if was and said)
    recall = hits / max(1, sum(was for was, _ in called))
    precision = hits / max(1, sum(said for _, said in called))
    heads = ("", "called out of memory", "called fitting")
    cells = [
        ("ran out of memory", hits, sum(1 for was, said in called if was and not said)),
        ("ran", sum(1 for was, said in called if said and not was), sum(1 for was, said in called if not was | said)),
    ]
    title = f"**{_plain(source)}**: out of memory with recall {_percent(recall)}, precision {_percent(precision)}\n"
    return f"{title}\n{_table(heads, cells)}"


def _skipped(skipped: Rows) -> str:
    reasons: dict[str, list[str]] = {}
    for row in skipped:
        reasons.setdefault(row["reason"], []).append(row["case_id"])
    cells = [(len(cases), reason, ", ".join(cases[:5])) for reason, cases in reasons.items()]
    return "Rows that were not replayed:\n\n" + _table(("rows", "reason", "such as"), cells)


def _peers(peers: dict[str, Any]) -> str:
    parts = ["## What others reach\n", peers["note"] + "\n"]
    for table in peers["tables"]:
        parts += [f"**{table['title']}**\n", _table(tuple(table["columns"]), [tuple(row) for row in table["rows"]])]
    return "\n".join(parts)


def _circulating(peers: dict[str, Any]) -> str:
    table = peers["circulating"]
    return "\n".join(
        [
            "## Eleven rows that circulate as measurements but are not\n",
            table["note"] + "\n",
            _table(tuple(table["columns"]), [tuple(row) for row in table["rows"]]),
        ]
    )


def _table(heads: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    lines += ["| " + " | ".join(_plain(str(cell)) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _error(summary: dict[str, Any]) -> str:
    return f"mean error {_percent(summary['mean_absolute_error'])}, worst {_signed(summary['worst_error'])}"


def _percent(value: float) -> str:
    return f"{100 * value:.2f} %"


def _signed(value: float) -> str:
    return f"{100 * value:+.1f} %"


def _plain(text: str) -> str:
    """Leave nothing in a cell that Markdown would read."""
    return text.replace("|", "/").replace("\n", " ").replace('"', "'").replace("<", "&lt;")


if __name__ == "__main__":
    sys.exit(main())
