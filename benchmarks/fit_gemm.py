"""Fit the constants of data/kernels on measured kernels, and say how well they hold on shapes not fitted.

    python benchmarks/fit_gemm.py gemm_measured.csv [--write] [--quick]

The constants of devices that nobody measured are those of benchmarks/uncalibrated.py.

The benchmark behind the rows (AIConfigurator) repeats each product with rotating copies of the weights; the rows show
that there are as many copies as fill the L2, at most five.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml
from scipy.optimize import minimize

from slipstick.cluster.constants.matmul import _KernelConstants, _MatmulConstants
from slipstick.cluster.kernels.chip import Chip
from slipstick.cluster.kernels.gemm import _gemm
from slipstick.cluster.validation.gemm_rows import _rotating_weights
from slipstick.core.catalogue import resolve_system
from slipstick.core.files import write_text

KERNELS = Path(__file__).parents[1] / "src" / "slipstick" / "data" / "kernels"
FORMATS = {"bfloat16": "bf16", "fp8": "fp8", "nvfp4": "nvfp4"}
# one value for all GPUs and formats: near the optimum of each, and the errors hardly move with them
HELD = {"sharpness": 3.5, "eviction": 0.1, "largest_tile": 256.0 * 128.0}
PAIRED = {"largest_tile": 256.0 * 256.0}  # Blackwell's matrix units work in pairs of cores on one tile
READS = {"fp8": 2.0, "nvfp4": 1.0}  # the fp8 kernel scales by the tensor's maximum, the nvfp4 kernel block by block
# of bf16: rows of a narrow format show only the sum of two kernels' launches, and the L2 is the same L2
INHERITED = ("launch", "capacity")
START = {
    "launch": 2.5e-6, "efficiency": 0.9, "half_area": 1000.0, "fill": 150.0, "dram": 0.82, "l2": 1.3, "capacity": 0.8,
    "draw": 50.0, "sag": 0.2, "sag_flops": 2e11, "split": 2.5e-6, "whole_waves": 0.4, "partial_sums": 0.3,
}  # fmt: skip
QUANTISE = {"quantise_launch": 8e-6, "quantise_rate": 2.5}
ONE_TILE = {
    "half_area": 30000.0, "split": 1e-4, "fill": 20.0, "l2": 1.8, "draw": 128.0, "whole_waves": 0.05, "sag": 0.02,
    "efficiency": 0.8,
}  # fmt: skip
STARTS: tuple[dict[str, float], ...] = (
    {},
    ONE_TILE,
)  # the loss has several minima: kernels with small tiles and splits, one large tile without
# physical limits: a load path of 128 bytes a clock and core, an L2 not larger than it is but for MB against MiB
UPPER = {
    "efficiency": 1.0,
    "dram": 0.95,
    "sag": 0.7,
    "whole_waves": 1.0,
    "partial_sums": 2.0,
    "l2": 3.0,
    "capacity": 1.05,
    "draw": 128.0,
}
LOWER = {"capacity": 0.1, "partial_sums": 0.01, "split": 1e-7, "quantise_launch": 1e-7}
PRIOR = 1e-3  # weight of the squared distance from the start, in logarithms


class Fit:
    """Rows of one GPU and format, and the constants that they do not decide."""

    def __init__(self, chip: Chip, rows: np.ndarray, name: str, wide: _MatmulConstants | None, *, paired: bool) -> None:
        self.chip, self.rows, self.name, self.narrow = chip, rows, name, name in READS
        self.reuse = _rotating_weights(chip.l2_capacity)
        self.held = HELD | (PAIRED if paired else {})
        if self.narrow:
            self.held |= {"quantise_reads": READS[name]}
            self.held |= {key: getattr(wide, key) for key in INHERITED} if wide else {}
        free = START | (QUANTISE if self.narrow else {})
        self.start = {key: value for key, value in free.items() if key not in self.held}

    def constants(self, vector: np.ndarray) -> _MatmulConstants:
        """Return the constants from the logarithms of the free ones."""
        values = {key: float(np.exp(v)) for key, v in zip(self.start, vector, strict=True)}
        values = {key: min(max(v, LOWER.get(key, 0.0)), UPPER.get(key, np.inf)) for key, v in values.items()}
        return _MatmulConstants(**values, **self.held)

    def ratio(self, constants: _MatmulConstants, chosen: np.ndarray) -> np.ndarray:
        """Return our time over the measured one for the chosen rows."""
        known = _KernelConstants(calibrated=True, formats={self.name: constants})
        chip, rows = replace(self.chip, constants=known), self.rows[chosen]
        found = _gemm(
            tuple(rows[:, :3].T), format=self.name, chip=chip, quantise_activations=self.narrow, reuse=self.reuse
        )
        return np.asarray(found.time / (rows[:, 3] * 1e-6))

    def best(self, chosen: np.ndarray, rounds: int, known: _MatmulConstants | None = None) -> _MatmulConstants:
        """Return the constants with the least mean absolute relative error, which outliers pull only linearly.

        `known` is one more place to start from: the optimum of some of the rows.
        """
        origin = np.log(list(self.start.values()))

        def loss(vector: np.ndarray) -> float:
            error = self.error(self.constants(vector), chosen)
            return float(error + PRIOR * ((vector - origin) ** 2).mean())

        def descend(vector: np.ndarray, times: int) -> np.ndarray:
            for _ in range(times):
                options = {"maxiter": 1, "xtol": 1e-2, "ftol": 1e-4}
                vector = minimize(loss, vector, method="Powell", options=options).x
            return vector

        tried = [descend(np.log([s.get(key, v) for key, v in self.start.items()]), 2) for s in STARTS]
        if known:
            tried.append(np.log([getattr(known, key) for key in self.start]))
        return self.constants(descend(min(tried, key=loss), rounds))

    def error(self, constants: _MatmulConstants, chosen: np.ndarray) -> float:
        """Return the mean absolute relative error."""
        return float(np.abs(self.ratio(constants, chosen) - 1).mean())


def halves(rows: np.ndarray) -> np.ndarray:
    """Return a mask of the rows of a random half of the (n, k) pairs."""
    pairs, index = np.unique(rows[:, 1:3], axis=0, return_inverse=True)
    return np.asarray(np.random.default_rng(0).permutation(len(pairs))[index.reshape(-1)] % 2 == 0)


def read(path: Path) -> dict[tuple[str, str], np.ndarray]:
    """Return m, n, k, latency [us] by GPU and format, bf16 before the narrow formats."""
    table: dict[tuple[str, str], list[list[float]]] = {}
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            key = (row["gpu"], FORMATS[row["dtype"]])
            table.setdefault(key, []).append([float(row[c]) for c in ("m", "n", "k", "latency_us")])
    return {key: np.array(table[key]) for key in sorted(table)}


def main() -> None:
    """Fit every GPU and format of the file, print the errors, and write the YAML files if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", type=Path)
    parser.add_argument("--write", action="store_true", help="write data/kernels/*.yaml")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, no held-out half")
    arguments = parser.parse_args()
    found: dict[str, dict[str, _MatmulConstants]] = {}
    for (gpu, name), rows in read(arguments.csv).items():
        system = resolve_system(gpu)
        formats = found.setdefault(system.generation, {})
        fit = Fit(Chip.of(system), rows, name, formats.get("bf16"), paired=system.generation == "blackwell")
        every, half = np.ones(len(rows), dtype=bool), halves(rows)
        held_out = None if arguments.quick else fit.best(half, 3)
        formats[name] = fit.best(every, 0 if arguments.quick else 3, held_out)
        text = f"{gpu:10} {name:6} {len(rows)} rows: {fit.error(formats[name], every):.2%}"
        if held_out:
            text += f"; fitted on half of the (n, k): {fit.error(held_out, half):.2%}"
            text += f", on the other half {fit.error(held_out, ~half):.2%}"
        print(text, flush=True)
    if arguments.write:
        for generation, formats in found.items():
            write(generation, formats, f"calibrated on {arguments.csv.name} ({generation} rows)")


def write(generation: str, formats: Mapping[str, _MatmulConstants], source: str) -> None:
    """Write the constants of one generation."""
    data = {
        "calibrated": True,
        "source": source,
        "formats": {name: {k: float(f"{v:.5g}") for k, v in c.model_dump().items()} for name, c in formats.items()},
    }
    text = "# Written by: python benchmarks/fit_gemm.py gemm_measured.csv --write\n"
    text += "# Units and meaning of each constant: slipstick show kernels NAME.\n"
    write_text(KERNELS / f"{generation}.yaml", text + yaml.safe_dump(data, sort_keys=False))


if __name__ == "__main__":
    main()
