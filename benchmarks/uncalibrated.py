"""Constants and error bands of a device that nobody measured, from measured generations treated as if nobody had.

    python benchmarks/uncalibrated.py REFERENCE_FOLDER [--write]

1. One set of physically bounded kernel constants, fitted over all generations and formats of gemm_measured.csv at once;
   every format differs by its element alone (data/kernels/generic.yaml).
2. The same fit without one generation, asked about that generation: what it misses its products by, and, with the
   generic step constants, its training, prefill and decode rows of llm_validation.csv. Rows from memory are left out.
   The TPU rows of the same file, a device that has no constants, are answered by the fit over all.
3. The tenth and ninetieth percentile of measured over ours, every generation with the same weight: the band that
   reports of uncalibrated devices print (data/uncalibrated/bands.yaml). No row is written, only these figures.
4. How many TPU rows of llm_validation_2.csv, which nothing was fitted to, lie in the band.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import yaml
from fit_gemm import KERNELS, READS, read
from scipy.optimize import minimize

from slipstick.cluster.constants.matmul import _KernelConstants, _MatmulConstants
from slipstick.cluster.constants.step_constants import _StepConstants, step_constants
from slipstick.cluster.kernels.chip import Chip
from slipstick.cluster.kernels.gemm import _gemm
from slipstick.cluster.kernels.precision import element_bytes
from slipstick.cluster.validation.gemm_rows import _rotating_weights
from slipstick.cluster.validation.llm_rows import SUITE as LLM
from slipstick.core.catalogue import resolve_system
from slipstick.core.files import write_text
from slipstick.report.published import RowDict, read_csv

BANDS = KERNELS.parent / "uncalibrated" / "bands.yaml"
FORMATS = ("bf16", "fp8", "nvfp4")
HELD = {"largest_tile": 256.0 * 128.0, "sharpness": 3.5, "eviction": 0.1}  # as in fit_gemm
# name: (least, start, most). The bounds are physical: kernels reach 0.6 to 0.95 of a data sheet's rate before clocks
# sag under power and 0.5 to 0.95 of its DRAM bandwidth; a kernel starts within 1.5 to 4 us; a quantising kernel reads 1
# to 8 elements a clock and core. `fill` and `draw` are in bytes, so that formats differ by their element alone.
BOUNDS = {
    "launch": (1.5e-6, 2.3e-6, 4e-6),
    "efficiency": (0.6, 0.9, 0.95), "half_area": (200.0, 1500.0, 8192.0),
    "fill": (64.0, 330.0, 1024.0), "dram": (0.5, 0.78, 0.95), "l2": (0.8, 1.4, 3.0), "capacity": (0.4, 0.69, 1.0),
    "draw": (32.0, 75.0, 128.0), "sag": (0.02, 0.15, 0.3), "sag_narrow": (0.02, 0.2, 0.4),
    "sag_flops": (1e11, 4e11, 1e12), "split": (1e-6, 3e-6, 6e-6), "whole_waves": (0.05, 0.45, 1.0),
    "partial_sums": (0.05, 0.6, 2.0), "quantise_launch": (2e-6, 5e-6, 8e-6), "quantise_rate": (1.0, 3.0, 8.0),
}  # fmt: skip
PRIOR = 1e-3  # weight of the squared distance from the start, in logarithms
ROUNDS = 4  # of Powell's method; the loss moves by less than 0.001 in the last
LOW, HIGH = 0.1, 0.9  # quantiles of the band
PHASES = ("train", "prefill", "decode")
RATES = ("tok", "flop")  # units that hold these are rates, of which a larger one is a shorter time


@dataclass(frozen=True)
class Group:
    """Measured products of one device and format: m, n, k and time [us]."""

    chip: Chip
    generation: str
    format: str
    rows: np.ndarray

    def ratio(self, constants: _MatmulConstants) -> np.ndarray:
        """Return our time over the measured one for every row."""
        chip = _with_kernels(self.chip, {self.format: constants})
        times = _gemm(
            tuple(self.rows[:, :3].T),
            format=self.format,
            chip=chip,
            quantise_activations=self.format in READS,
            reuse=_rotating_weights(chip.l2_capacity),
        ).time
        return np.asarray(times / (self.rows[:, 3] * 1e-6))


def _with_kernels(chip: Chip, formats: Mapping[str, _MatmulConstants]) -> Chip:
    return replace(chip, constants=_KernelConstants(calibrated=False, formats=dict(formats)))


def groups(path: Path) -> list[Group]:
    """Return the measured products by device and format."""
    systems = {gpu: resolve_system(gpu) for gpu, _ in read(path)}
    return [
        Group(Chip.of(systems[gpu]), systems[gpu].generation, name, rows) for (gpu, name), rows in read(path).items()
    ]


def constants(values: Mapping[str, float], name: str) -> _MatmulConstants:
    """Return the constants of one format from those that all formats share."""
    own = {key: value for key, value in values.items() if key in _MatmulConstants.model_fields}
    own["fill"] = values["fill"] / element_bytes(name)
    if name in READS:  # a scale of the whole tensor takes two kernels, one to find it and one to apply it
        own |= {"sag": values["sag_narrow"], "quantise_reads": READS[name]}
        own["quantise_launch"] = values["quantise_launch"] * READS[name]
    else:
        own |= {"quantise_launch": 0.0, "quantise_rate": 1.0}
    return _MatmulConstants(**own, **HELD)


def joint(measured: Sequence[Group], every: int = 3) -> dict[str, _MatmulConstants]:
    """Return the constants of every format that miss all groups least; each generation has the same weight."""
    least, start, most = (np.log([bound[place] for bound in BOUNDS.values()]) for place in range(3))
    sample = [Group(group.chip, group.generation, group.format, group.rows[::every]) for group in measured]
    names = sorted({group.generation for group in measured})

    def values(vector: np.ndarray) -> dict[str, float]:
        return dict(zip(BOUNDS, np.exp(np.clip(vector, least, most)).tolist(), strict=True))

    def loss(vector: np.ndarray) -> float:
        chosen = values(vector)
        errors: dict[str, list[float]] = {name: [] for name in names}
        for group in sample:
            ratio = group.ratio(constants(chosen, group.format))
            errors[group.generation].append(float(np.abs(np.log(ratio)).mean()))
        beyond = np.maximum(0.0, np.maximum(vector - most, least - vector)).sum()
        return float(
            np.mean([np.mean(own) for own in errors.values()]) + PRIOR * ((vector - start) ** 2).mean() + beyond
        )

    vector = start
    for _ in range(ROUNDS):
        options = {"maxiter": 1, "xtol": 1e-2, "ftol": 1e-4}
        vector = minimize(loss, vector, method="Powell", options=options).x
    return {name: constants(values(vector), name) for name in FORMATS}


@contextmanager
def as_if_unmeasured(formats: Mapping[str, _MatmulConstants]) -> Iterator[None]:
    """Let every device have these kernel constants and the generic step constants."""
    kernels, steps = _KernelConstants(calibrated=False, formats=dict(formats)), step_constants.entry("generic")
    with (
        mock.patch.object(_KernelConstants, "of_generation", return_value=kernels),
        mock.patch.object(_StepConstants, "of_generation", return_value=steps),
    ):
        yield


def time_ratios(rows: Sequence[RowDict]) -> dict[str, np.ndarray]:
    """Return measured time over ours of training, prefill and decode rows; of a rate it is ours over the measured."""
    ratios: dict[str, list[float]] = {phase: [] for phase in PHASES}
    for row in LLM.replay(list(rows)).rows:
        rate = any(word in row.unit.lower() for word in RATES)
        ratios[row.kind].append(row.ours / row.published if rate else row.published / row.ours)
    return {phase: np.array(values) for phase, values in ratios.items()}


def seen_rows(path: Path) -> dict[str, list[RowDict]]:
    """Return the rows with a measured time by generation of their device; recollected ones are left out."""
    by_generation: dict[str, list[RowDict]] = {}
    for row in read_csv(path)[1]:
        if row["kind"] in PHASES and row["seen_or_memory"] == "seen":
            by_generation.setdefault(resolve_system(row["gpu"]).generation, []).append(row)
    return by_generation


def quantile(parts: Sequence[np.ndarray], share: float) -> float:
    """Return a quantile of several samples together, each with the same weight."""
    values = np.concatenate(parts)
    weights = np.concatenate([np.full(len(part), 1 / len(part)) for part in parts])
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][min(int(np.searchsorted(reached, share)), len(values) - 1)])


def band(kind: str, parts: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return one row of bands.yaml from the ratios measured / ours by generation."""
    samples = list(parts.values())
    error = float(np.mean([np.abs(1 / part - 1).mean() for part in samples]))
    low, high = quantile(samples, LOW), quantile(samples, HIGH)
    print(f"{kind:8} band {low:.3f} to {high:.3f}, mean error {error:.1%}, {sum(map(len, samples))} rows")
    for generation, part in parts.items():
        inside = float(((part >= low) & (part <= high)).mean())
        own = np.abs(1 / part - 1).mean()
        print(f"         {generation:10} {len(part):5} rows: error {own:.1%}, in the band {inside:.0%}")
    return {
        "low": float(f"{low:.3g}"),
        "high": float(f"{high:.3g}"),
        "error": float(f"{error:.3g}"),
        "rows": int(sum(map(len, samples))),
        "generations": list(parts),
    }


def main() -> None:
    """Fit, leave each generation out, print what is missed by, and write the two files if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reference", type=Path)
    parser.add_argument("--write", action="store_true", help="write data/kernels/generic.yaml and data/uncalibrated")
    arguments = parser.parse_args()
    measured = groups(arguments.reference / "gemm_measured.csv")
    rows = seen_rows(arguments.reference / "llm_validation.csv")
    kernels: dict[str, np.ndarray] = {}
    phases: dict[str, dict[str, np.ndarray]] = {phase: {} for phase in PHASES}
    for generation in sorted({group.generation for group in measured}):
        others = joint([group for group in measured if group.generation != generation])
        own = [group for group in measured if group.generation == generation]
        ratios = [group.ratio(others[group.format]) for group in own]
        for group, ratio in zip(own, ratios, strict=True):
            print(
                f"{generation:10} {group.format:6} by the other generations: {np.abs(ratio - 1).mean():.1%}", flush=True
            )
        kernels[generation] = 1 / np.concatenate(ratios)
        with as_if_unmeasured(others):
            for phase, values in time_ratios(rows.get(generation, [])).items():
                if len(values):
                    phases[phase][generation] = values
    generic = joint(measured)
    with as_if_unmeasured(generic):
        for generation in sorted(rows.keys() - kernels.keys()):
            for phase, values in time_ratios(rows[generation]).items():
                if len(values):
                    phases[phase][generation] = values
    for group in measured:
        error = np.abs(group.ratio(generic[group.format]) - 1).mean()
        print(f"{group.generation:10} {group.format:6} by the fit over all: {error:.1%}")
    one_generation(measured, generic)
    bands = {"gemm": band("gemm", kernels), **{phase: band(phase, phases[phase]) for phase in PHASES}}
    held_out(arguments.reference / "llm_validation_2.csv", generic, bands, set(kernels))
    if arguments.write:
        write(generic, bands)


def one_generation(measured: Sequence[Group], generic: Mapping[str, _MatmulConstants]) -> None:
    """Print what Blackwell's own four-bit constants, once those of every unmeasured device, miss fp8 products by."""
    quantise = {key: getattr(generic["fp8"], key) for key in ("quantise_launch", "quantise_rate", "quantise_reads")}
    narrow = _KernelConstants.of_generation("blackwell").formats["nvfp4"].model_copy(update=quantise)
    errors = {g.generation: np.abs(g.ratio(narrow) - 1).mean() for g in measured if g.format == "fp8"}
    each = ", ".join(f"{name} {error:.0%}" for name, error in errors.items())
    print(f"Blackwell's nvfp4 constants on fp8 products: {each}, mean {np.mean(list(errors.values())):.0%}")


def held_out(
    path: Path, generic: Mapping[str, _MatmulConstants], bands: Mapping[str, Mapping[str, Any]], measured: set[str]
) -> None:
    """Print how many rows of a file that nothing was fitted to lie in the band, of generations without constants."""
    rows = seen_rows(path)
    with as_if_unmeasured(generic):
        for generation in sorted(rows.keys() - measured):
            for phase, values in time_ratios(rows[generation]).items():
                if len(values):
                    inside = (values >= bands[phase]["low"]) & (values <= bands[phase]["high"])
                    error = np.abs(1 / values - 1).mean()
                    counts = f"{inside.sum()} of {len(values)} rows in the band"
                    print(f"held out: {generation} {phase}: {counts}, error {error:.1%}")


def write(generic: Mapping[str, _MatmulConstants], bands: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the constants and the bands."""
    head = "# Written by: python benchmarks/uncalibrated.py REFERENCE_FOLDER --write\n"
    data = {
        "calibrated": False,
        "source": "assumed: one physically bounded set, fitted over all measured generations and formats at once; "
        "formats differ by their element alone",
        "formats": {
            name: {key: float(f"{value:.5g}") for key, value in own.model_dump().items()}
            for name, own in generic.items()
        },
    }
    meaning = "# Units and meaning of each constant: slipstick show kernels NAME.\n"
    write_text(KERNELS / "generic.yaml", head + meaning + yaml.safe_dump(data, sort_keys=False))
    files = {"gemm": "gemm_measured.csv"}
    table = {
        kind: {
            **own,
            "source": f"calculated: {files.get(kind, 'llm_validation.csv, rows seen')}; each generation answered by "
            "kernel constants fitted on the others and generic step constants, 10th and 90th percentile of measured "
            "over ours",
        }
        for kind, own in bands.items()
    }
    BANDS.parent.mkdir(exist_ok=True)
    write_text(BANDS, head + yaml.safe_dump(table, sort_keys=False, width=1000))


if __name__ == "__main__":
    main()
