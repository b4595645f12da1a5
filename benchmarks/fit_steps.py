"""Fit constants of data/steps on training rows of one device generation, and print the errors by source.

    python benchmarks/fit_steps.py GENERATION FIELD [FIELD ...] --reference FOLDER [--sources TEXT ...] [--write]

Rows that give tp, pp and dp count (a missing microbatch is the fastest that fits); each source weighs as much as the
square root of its rows. A few fields at a time, the rest stay as the file has them: the file's `sources` say what each
stands on.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from slipstick.cluster.constants.step_constants import _StepConstants
from slipstick.cluster.validation.llm_rows import SUITE as LLM
from slipstick.cluster.validation.nanotron_rows import SUITE as NANOTRON
from slipstick.report.published import Row, read_csv

STEPS = Path(__file__).parent.parent / "src" / "slipstick" / "data" / "steps"
GPUS = {"ampere": "A100", "hopper": "H100", "blackwell": "B200"}
MOST_HEAT = 1.25  # a slowdown of 16-bit products beyond it is something else, but for Blackwell's at 1000 W
OF_GENERATION = _StepConstants.of_generation  # of the files
CLIP = 0.7  # of |log(ours / measured)|: rows that something else slowed down must not pull


def use(constants: _StepConstants) -> None:
    """Make every estimate use these constants for their generation."""

    def load(generation: str) -> _StepConstants:
        return constants if generation == constants.name else OF_GENERATION(generation)

    _StepConstants.of_generation = staticmethod(load)


def training_rows(reference: Path, generation: str, sources: list[str]) -> Callable[[], list[Row]]:
    gpu = GPUS[generation]
    complete = ("tp", "pp", "dp")
    _, table = read_csv(reference / "llm_validation.csv")
    rows = [r for r in table if r["kind"] == "train" and gpu in r["gpu"] and all(r[c] for c in complete)]
    rows = [r for r in rows if not sources or any(s in r["source"] for s in sources)]
    sweep = []
    if generation == "hopper" and (not sources or any("nanotron" in s for s in sources)):
        _, sweep = read_csv(reference / "llm_nanotron_h100.csv")
    measured = [r for r in sweep if r["status"] != "OOM"]

    def replay() -> list[Row]:
        return [*LLM.replay(rows).rows, *(r for r in NANOTRON.replay(measured).rows if r.kind == "train")]

    return replay


def by_source(rows: list[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.source, []).append(row)
    return groups


def loss(rows: list[Row]) -> float:
    total, weight = 0.0, 0.0
    for group in by_source(rows).values():
        errors = np.minimum(CLIP, np.abs(np.log([r.ours / r.published for r in group])))
        total += np.sqrt(len(group)) * errors.mean()
        weight += np.sqrt(len(group))
    return total / weight


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("generation", choices=GPUS)
    parser.add_argument("fields", nargs="*")
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--sources", nargs="*", default=[])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    start = OF_GENERATION(arguments.generation)
    replay = training_rows(arguments.reference, arguments.generation, arguments.sources)

    def constants(vector: np.ndarray) -> _StepConstants:
        values = {name: float(v) for name, v in zip(arguments.fields, np.exp(vector), strict=True)}
        for name in values:
            if "efficiency" in name or name.startswith("attention_"):
                values[name] = min(values[name], 1.0)
            if name in ("matmul_slowdown", "narrow_slowdown", "unfused_traffic", "unfused_host"):
                values[name] = max(values[name], 1.0)
            if name == "matmul_slowdown" and arguments.generation != "blackwell":
                values[name] = min(values[name], MOST_HEAT)
        return start.model_copy(update=values)

    def objective(vector: np.ndarray) -> float:
        use(constants(vector))
        return loss(replay())

    vector = np.log([getattr(start, name) for name in arguments.fields])
    print("before", round(objective(vector), 4), flush=True)
    if arguments.fields:
        options = {"maxiter": arguments.rounds, "xtol": 0.02, "ftol": 1e-3}
        vector = minimize(objective, vector, method="Powell", options=options).x
    print("after ", round(objective(vector), 4))
    final = constants(vector)
    for name in arguments.fields:
        print(f"  {name}: {getattr(start, name):.4g} -> {getattr(final, name):.4g}")
    for source, group in by_source(replay()).items():
        errors = np.array([r.error for r in group])
        print(
            f"  {np.abs(errors).mean():6.1%} mean {np.median(errors):+6.1%} median {len(group):4} rows  {source[:90]}"
        )
    if arguments.write:
        write(arguments.generation, {name: getattr(final, name) for name in arguments.fields})


def write(generation: str, values: dict[str, float]) -> None:
    path = STEPS / f"{generation}.yaml"
    text = path.read_text()
    for name, value in values.items():
        text = re.sub(rf"(?m)^{name}:.*$", f"{name}: {value:.4g}", text)
    path.write_text(text)


if __name__ == "__main__":
    main()
