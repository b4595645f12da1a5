"""Fit the constants of serving engines (data/stacks) and of inference (data/steps) on measured serving rows.

    python benchmarks/fit_stacks.py NAME.FIELD [NAME.FIELD ...] --reference FOLDER [--without TEXT] [--write]

NAME is an engine (vllm, sglang, tensorrt-llm) or a generation (hopper). Each engine and network weighs the same, as do
throughput and the time between tokens; the time to the first token weighs half. Rows whose concurrency is not stated,
whose steps are shorter than their bytes take, or whose clients were the limit (512 of them) do not count.
`--without 32B` leaves networks out of the fit and prints their errors: how well the constants carry over.
"""

from __future__ import annotations

import argparse
import re
from collections import defaultdict
from pathlib import Path

import numpy as np

from slipstick.cluster.constants.serving_stack import stacks
from slipstick.cluster.constants.step_constants import _StepConstants
from slipstick.cluster.validation.serving_rows import SUITE
from slipstick.report.published import Row, RowDict, read_csv

DATA = Path(__file__).parent.parent / "src" / "slipstick" / "data"
ENGINES = ("vllm", "sglang", "tensorrt-llm", "default")
WEIGHTS = {"throughput": 1.0, "decode": 1.0, "prefill": 0.5}
FACTORS = (1.25, 1.1, 1.04)  # by which one constant at a time is moved while that helps
CLIP = 1.0  # of an error: rows that something else slowed down must not pull
BOUNDS = {"peer_efficiency": 1.0, "memory_share": 1.0}

OF_GENERATION, STACK = _StepConstants.of_generation, stacks.entry  # of the files

Constants = dict[str, float]


def use(constants: Constants) -> None:
    """Make every estimate use these constants, ``name.field`` -> value, in the place of the files'."""

    def changes(name: str) -> dict[str, float]:
        return {key.rpartition(".")[2]: value for key, value in constants.items() if key.rpartition(".")[0] == name}

    _StepConstants.of_generation = staticmethod(lambda name: OF_GENERATION(name).model_copy(update=changes(name)))
    stacks.entry = lambda name: STACK(name).model_copy(update=changes(name))


def counted(row: RowDict) -> bool:
    """Return whether a row says what ran."""
    late = ("0.5.8", "1.2.0", "1.3.0")  # versions with a handful of rows each, at the edge of the memory
    return bool(row["concurrency"]) and row["concurrency"] != "512" and not row["backend_version"].startswith(late)


def by_source(rows: list[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if not row.note:
            groups[row.source].append(row)
    return groups


def mean_error(rows: list[Row]) -> float:
    return float(np.mean([min(CLIP, abs(row.error)) for row in rows]))


def loss(constants: Constants, rows: list[RowDict]) -> float:
    use(constants)
    done = SUITE.replay(rows).rows
    total = 0.0
    for kind, weight in WEIGHTS.items():
        groups = by_source([row for row in done if row.kind == kind]).values()
        total += weight * float(np.mean([mean_error(group) for group in groups]))
    return total


def fit(constants: Constants, rows: list[RowDict]) -> Constants:
    """Return the constants moved one by one, by smaller and smaller factors, as long as the loss falls."""
    found, best = dict(constants), loss(constants, rows)
    for factor in FACTORS:
        for key in constants:
            for step in (factor, 1 / factor):
                while True:
                    bound = BOUNDS.get(key.rpartition(".")[2], np.inf)
                    moved = found | {key: min(bound, found[key] * step)}
                    value = loss(moved, rows)
                    if value >= best - 1e-5:
                        break
                    found, best = moved, value
    return found


def print_errors(constants: Constants, rows: list[RowDict]) -> None:
    use(constants)
    for source, group in sorted(by_source(list(SUITE.replay(rows).rows)).items()):
        print(f"  {source:75s} {len(group):4d} rows  mean error {100 * mean_error(group):5.1f} %")


def write(constants: Constants) -> None:
    for key, value in constants.items():
        name, _, field = key.rpartition(".")
        file = DATA / ("stacks" if name in ENGINES else "steps") / f"{name}.yaml"
        text, count = re.subn(rf"^{field}: .*$", f"{field}: {value:.4g}", file.read_text("utf-8"), flags=re.M)
        if count != 1:
            raise SystemExit(f"{file.name} has no {field}")
        file.write_text(text, "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fields", nargs="+")
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--without", default="")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    _, table = read_csv(given.reference / "llm_serving_h100.csv")
    table = [row for row in table if counted(row)]
    left = [row for row in table if given.without and given.without in row["model_path"]]
    rows = [row for row in table if row not in left]
    start = {}
    for key in given.fields:
        name, _, field = key.rpartition(".")
        start[key] = float(
            getattr(stacks.entry(name) if name in ENGINES else _StepConstants.of_generation(name), field)
        )
    found = fit(start, rows)
    for key, value in found.items():
        print(f"{key}: {start[key]:.4g} -> {value:.4g}")
    print_errors(found, rows)
    if left:
        print("left out of the fit:")
        print_errors(found, left)
    if given.write:
        write(found)


if __name__ == "__main__":
    main()
