"""Fit the constants of data/kernels on measured kernels, and say how well they hold on shapes not fitted.

    python benchmarks/fit_gemm.py gemm_measured.csv [--write]

The benchmark behind the rows (AIConfigurator) repeats each product with rotating copies of the weights; the rows show
that there are as many copies as fill the L2, at most five.
"""

from __future__ import annotations

import argparse
import csv
import statistics
from pathlib import Path

import numpy as np
import yaml
from scipy.optimize import minimize

from slipstick.cluster.chip import Chip
from slipstick.cluster.device import device_of
from slipstick.cluster.gemm import gemm
from slipstick.cluster.kernels import KernelConstants, MatmulConstants
from slipstick.cluster.validation.kernels import rotating_weights
from slipstick.core.registry import resolve_system

KERNELS = Path(__file__).parent.parent / "src" / "slipstick" / "data" / "kernels"
FORMATS = {"bfloat16": "bf16", "fp8": "fp8", "nvfp4": "nvfp4"}
START = {
    "launch": 2e-6, "efficiency": 0.95, "half_area": 700.0, "fill": 200.0, "dram": 0.8, "l2": 1.3, "core_share": 1.5,
    "sag": 0.15, "sag_flops": 1.5e11, "split": 2e-6, "sharpness": 4.0, "whole_waves": 0.5, "eviction": 0.05,
}  # fmt: skip
QUANTISE = {"quantise_launch": 6e-6, "quantise_traffic": 2.5}
UPPER = {"efficiency": 1.0, "dram": 1.0, "sag": 0.7, "whole_waves": 1.0, "eviction": 1.0, "sharpness": 12.0}
LOWER = {"sharpness": 1.0}


def constants_of(names: list[str], vector: np.ndarray) -> MatmulConstants:
    values = {name: float(np.exp(v)) for name, v in zip(names, vector, strict=True)}
    for name, bound in UPPER.items():
        values[name] = min(values[name], bound)
    for name, bound in LOWER.items():
        values[name] = max(values[name], bound)
    return MatmulConstants(**values)


def predict(chip: Chip, constants: MatmulConstants, rows: np.ndarray, name: str) -> np.ndarray:
    fitted = KernelConstants(generation="", calibrated=True, source="", formats={name: constants})
    chip = Chip(**{**chip.__dict__, "constants": fitted})
    reuse = rotating_weights(chip.l2_capacity)
    narrow = name not in ("bf16", "fp16")
    return gemm(*rows[:, :3].T, format=name, chip=chip, quantise_activations=narrow, reuse=reuse).time


def fit(chip: Chip, rows: np.ndarray, name: str, rounds: int = 4) -> MatmulConstants:
    start = {**START, **(QUANTISE if name not in ("bf16", "fp16") else {})}
    names, origin = list(start), np.log(list(start.values()))
    measured = rows[:, 3] * 1e-6

    def loss(vector: np.ndarray) -> float:
        ours = predict(chip, constants_of(names, vector), rows, name)
        return float(np.abs(np.log(ours / measured)).mean() + 1e-3 * ((vector - origin) ** 2).mean())

    vector = origin
    for _ in range(rounds):
        vector = minimize(loss, vector, method="Powell", options={"maxiter": 2, "xtol": 1e-2, "ftol": 1e-4}).x
    return constants_of(names, vector)


def error(chip: Chip, constants: MatmulConstants, rows: np.ndarray, name: str) -> float:
    return float(np.abs(predict(chip, constants, rows, name) / (rows[:, 3] * 1e-6) - 1).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("csv", type=Path)
    parser.add_argument("--write", action="store_true", help="write data/kernels/*.yaml")
    arguments = parser.parse_args()
    table: dict[tuple[str, str], list[list[float]]] = {}
    for row in csv.DictReader(arguments.csv.open()):
        key = (row["gpu"], FORMATS[row["dtype"]])
        table.setdefault(key, []).append([float(row[c]) for c in ("m", "n", "k", "latency_us")])
    found: dict[str, dict[str, MatmulConstants]] = {}
    for (gpu, name), listed in sorted(table.items()):
        system = resolve_system(gpu)
        chip, rows = device_of(system).chip, np.array(listed)
        half = (rows[:, 1].astype(int) // 32 + rows[:, 2].astype(int) // 32) % 2 == 0
        held_out = fit(chip, rows[half], name)
        constants = fit(chip, rows, name)
        found.setdefault(system.generation, {})[name] = constants
        print(
            f"{gpu:10} {name:6} {len(rows)} rows: {error(chip, constants, rows, name):.1%}; fitted on half of the (n, k): "
            f"{error(chip, held_out, rows[half], name):.1%}, on the other half {error(chip, held_out, rows[~half], name):.1%}",
            flush=True,
        )
    if arguments.write:
        for generation, formats in found.items():
            write(generation, formats, f"calibrated on {arguments.csv.name} ({generation} rows)", calibrated=True)
        write("generic", medians(found), "assumed: medians of the calibrated generations", calibrated=False)


def medians(found: dict[str, dict[str, MatmulConstants]]) -> dict[str, MatmulConstants]:
    middle = {}
    for name in ("bf16", "fp8", "nvfp4"):
        sets = [formats[name].model_dump() for formats in found.values() if name in formats]
        middle[name] = MatmulConstants(**{key: statistics.median(s[key] for s in sets) for key in sets[0]})
    return middle


def write(generation: str, formats: dict[str, MatmulConstants], source: str, *, calibrated: bool) -> None:
    data = {
        "generation": generation,
        "calibrated": calibrated,
        "source": source,
        "formats": {name: {k: float(f"{v:.4g}") for k, v in c.model_dump().items()} for name, c in formats.items()},
    }
    text = "# Written by: python benchmarks/fit_gemm.py gemm_measured.csv --write\n"
    (KERNELS / f"{generation}.yaml").write_text(text + yaml.safe_dump(data, sort_keys=False))


if __name__ == "__main__":
    main()
