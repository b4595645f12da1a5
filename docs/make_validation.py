"""Write docs/validation/index.md from `slipstick validate --json`: published beside ours, by source.

    SLIPSTICK_DATA=... python docs/make_validation.py

The peers' errors and the rows that circulate as measurements are in docs/validation/peers.yaml, with where they are
from.
"""

from __future__ import annotations

import json
import platform
import re
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import slipstick
from slipstick import __version__
from slipstick.core.files import load_yaml
from slipstick.engines.validation_suites import reference_files
from slipstick.report.published import Validation, read_csv
from slipstick.report.rank_correlation import spearman

HERE = Path(__file__).parent / "validation"
ROWS = 40  # of one source are printed; of larger ones the summary and the worst
WORST = 10
Rows = list[dict[str, Any]]
_NONE_SEEN = "no row was seen"


def main() -> int:
    """Write the page."""
    peers = load_yaml(HERE / "peers.yaml")
    targets = load_yaml(HERE / "targets.yaml")["targets"]
    files = reference_files()
    validations = {path: slipstick.validate(path).detail[path.stem] for paths in files.values() for path in paths}
    data = {path: json.loads(validation.json()) for path, validation in validations.items()}
    fitted = {suite: data[paths[0]] for suite, paths in files.items()}  # further files of a suite are held out
    parts = [_head(), _overview(validations), _targets(targets, fitted, _groups(files))]
    parts += [_peers(peers), _circulating(peers)]
    parts += [part for path, validation in validations.items() for part in _suite(data[path], path, validation)]
    (HERE / "index.md").write_text("\n".join(parts), "utf-8")
    return 0


def _head() -> str:
    return f"""# Validation: published beside ours

Every row of the reference files, replayed by slipstick {__version__} (Python {platform.python_version()}). One set of
constants for each generation of devices; no constant for a row or a model. `error` is (ours - published) / published.
This page is written by `docs/make_validation.py`; `slipstick validate` prints the same.

`llm_validation_2.csv` and `llm_serving_h200_b200.csv` were held out: nothing is fitted on them. Rows that the
constants were fitted on are no proof of the model; `data/kernels`, `data/steps` and `data/collectives`
name the rows that each constant comes from. The suite `fred` has one calibrated efficiency a workload
(`data/wafer/fred.yaml`); its sources say which rows are in sample.

A published figure that nobody of this project looked up is marked "from memory": it is no evidence of its own, and
every error that rests on such rows is also given without them.
"""


def _overview(validations: dict[Path, Validation]) -> str:
    """Return the table of rows answered and skipped, file by file, with the reasons."""
    cells = []
    for path, validation in validations.items():
        total = validation.summary().get("all")
        error = "" if total is None else _percent(total.mean_absolute_error)
        reasons = "; ".join(f"{len(cases)} x {reason}" for reason, cases in validation.reasons().items())
        cells.append((path.name, validation.suite, validation.answered, validation.left_out, error, reasons))
    heads = ("file", "suite", "rows answered", "rows skipped", "mean error", "skipped, since")
    about = "A row is answered as itself, or skipped for a stated reason; the errors are those of the answered rows.\n"
    return "## Rows answered and skipped\n\n" + about + "\n" + _table(heads, cells)


def _groups(files: dict[str, tuple[Path, ...]]) -> dict[str, str]:
    """Return the model and the number of devices of every case of the sweeps: within them plans are put in order."""
    if "nanotron" not in files:
        return {}
    return {row["case_id"]: f"{row['model']} {row['n_gpus']}" for row in read_csv(files["nanotron"][0])[1]}


def _targets(targets: Rows, found: dict[str, dict[str, Any]], groups: dict[str, str]) -> str:
    """Return the table of what was to be reached and what is."""
    cells = []
    for target in targets:
        rows = [
            row
            for row in found.get(target["suite"], {"rows": []})["rows"]
            if re.search(target["source"], row["source"]) and target.get("kind", row["kind"]) == row["kind"]
        ]
        if not rows:
            continue
        statistic = target["statistic"]
        value = STATISTICS[statistic](rows, groups)
        high = statistic in ("recall", "precision", "rank", "lowest rank")
        met = value >= target["limit"] if high else value <= target["limit"]
        shown = (f"{number:.3f}" if "rank" in statistic else _percent(number) for number in (value, target["limit"]))
        reached, limit = shown
        wanted = f"at {'least' if high else 'most'} {limit}"
        memory, rest = _from_memory(rows, statistic, groups)
        answer = ("yes" if met else "**no**") + (", on memory alone" if rest == _NONE_SEEN else "")
        cells.append((target["what"] + memory, statistic, len(rows), wanted, reached, rest, answer))
        cells[-1] += (target.get("why", ""),)
    heads = ("target", "statistic", "rows", "wanted", "reached", "without rows from memory", "met", "if not, why")
    return "## Targets\n\n" + _table(heads, cells)


def _from_memory(rows: Rows, statistic: str, groups: dict[str, str]) -> tuple[str, str]:
    """Return the mark of a target that rests on rows from memory, and its statistic without them; blank for others."""
    seen = [row for row in rows if not row["recollected"]]
    if len(seen) == len(rows):
        return "", ""
    mark = f" ({len(rows) - len(seen)} of {len(rows)} rows from memory)"
    if not seen:
        return mark, _NONE_SEEN
    value = STATISTICS[statistic](seen, groups)
    return mark, f"{value:.3f}" if "rank" in statistic else _percent(value)


def _worst_group(rows: Rows, _: dict[str, str]) -> float:
    return max(_mean([r for r in rows if r["source"] == source]) for source in {row["source"] for row in rows})


def _mean(rows: Rows, _: object = None) -> float:
    return statistics.fmean(abs(row["error"]) for row in rows)


def _rank(rows: Rows, groups: dict[str, str]) -> float:
    return statistics.fmean(_ranks(rows, groups))


def _ranks(rows: Rows, groups: dict[str, str]) -> list[float]:
    members: dict[str, Rows] = {}
    for row in rows:
        members.setdefault(groups.get(row["case_id"], ""), []).append(row)
    found = [
        spearman([r["published"] for r in own], [r["ours"] for r in own]) for own in members.values() if len(own) >= 5
    ]
    return [value for value in found if value is not None]


def _hits(rows: Rows) -> tuple[int, int, int]:
    """Return runs out of memory, those called so, and both (1 stands for a run that fits)."""
    called = [(row["published"] == 0, row["ours"] == 0) for row in rows]
    return sum(was for was, _ in called), sum(said for _, said in called), sum(was and said for was, said in called)


def _recall(rows: Rows, _: object) -> float:
    was, _said, both = _hits(rows)
    return both / max(1, was)


def _precision(rows: Rows, _: object) -> float:
    _was, said, both = _hits(rows)
    return both / max(1, said)


STATISTICS: dict[str, Callable[[Rows, dict[str, str]], float]] = {
    "mean": _mean,
    "worst": lambda rows, _: max(abs(row["error"]) for row in rows),
    "worst group": _worst_group,
    "rank": _rank,
    "lowest rank": lambda rows, groups: min(_ranks(rows, groups)),
    "recall": _recall,
    "precision": _precision,
}


def _suite(data: dict[str, Any], path: Path, validation: Validation) -> list[str]:
    summary, rows = data["summary"], data["rows"]
    if not rows:
        return []
    total = summary["all"]
    seen = summary["seen"]
    recollected = total["recollected"] if seen else 0
    rest = f" Without the {recollected} rows from memory: {_error(seen)}." if recollected else ""
    about = f"`{path.name}`: {validation.answered} rows answered with {total['rows']} figures, {_error(total)}; "
    parts = [f"## {summary['suite']}: {path.stem}\n", f"{about}{validation.left_out} rows skipped.{rest}\n"]
    parts.append(_sources(summary["sources"]))
    by_source: dict[str, Rows] = {}
    for row in rows:
        by_source.setdefault(row["source"] or "no source given", []).append(row)
    for source, own in by_source.items():
        parts.append(_fits(source, own) if own[0]["kind"] == "fits" else _rows(source, own))
    if summary["skipped"]:
        parts.append(_skipped(validation))
    return parts


def _sources(sources: dict[str, Any]) -> str:
    cells = []
    for name, s in sources.items():
        rank = "" if s["rank_correlation"] is None else f"{s['rank_correlation']:.3f}"
        errors = (_percent(s["mean_absolute_error"]), _signed(s["mean_error"]), _signed(s["worst_error"]))
        cells.append((name, s["rows"], *errors, s["worst_case"], rank, s["recollected"] or ""))
    heads = ("source", "rows", "mean error", "mean signed", "worst", "case", "rank correlation", "from memory")
    return _table(heads, cells)


def _rows(source: str, rows: Rows) -> str:
    many = len(rows) > ROWS
    shown = sorted(rows, key=lambda row: -abs(row["error"]))[:WORST] if many else rows
    what = f"the {WORST} worst of {len(rows)} rows" if many else f"{len(rows)} rows"
    recollected = sum(row["recollected"] for row in rows)
    what += f", {recollected} from memory" if recollected else ""
    cells = [
        (
            r["case_id"],
            r["kind"],
            f"{r['published']:.4g}",
            f"{r['ours']:.4g}",
            r["unit"],
            _signed(r["error"]),
            "; ".join(filter(None, ("from memory" if r["recollected"] else "", r["note"]))),
        )
        for r in shown
    ]
    median = _percent(statistics.median(abs(row["error"]) for row in rows))
    inside = _table(("case", "kind", "published", "ours", "unit", "error", "note"), cells)
    indented = "\n".join(f"    {line}".rstrip() for line in inside.splitlines())
    return f'??? note "{_plain(source)}: {what}, median error {median}"\n\n{indented}\n'


def _fits(source: str, rows: Rows) -> str:
    """Return how often a run that did not fit was called so: 1 stands for a run that fits, 0 for out of memory."""
    was, said, both = _hits(rows)
    heads = ("", "called out of memory", "called fitting")
    cells = [("ran out of memory", both, was - both), ("ran", said - both, len(rows) - was - said + both)]
    rates = f"recall {_percent(_recall(rows, None))}, precision {_percent(_precision(rows, None))}"
    title = f"**{_plain(source)}**: out of memory with {rates}\n"
    return f"{title}\n{_table(heads, cells)}"


def _skipped(validation: Validation) -> str:
    reasons = validation.reasons()
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
