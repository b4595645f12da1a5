"""How much the tracker of heart rates mends published per-second estimates, and what it costs where they were good.

85,205 estimates with references: five methods, three ways of taking the face's patches, five data sets: 49 cells
(data set, patches, method), 1,428 series. A cell's error is the mean over its videos of the mean absolute error; the
macro mean is that over all cells. Fusion: all methods of a video and way of patches, 13 cells.

    python benchmarks/vitals_tracker.py [--cells] [--halves 12]

`--halves N`: the tracker's settings are chosen by a random search of N candidates on the videos of one half, and read
on the other half, both ways: what tuning brings that holds elsewhere. Needs the shared data (SLIPSTICK_DATA).
"""

from __future__ import annotations

import argparse
import csv
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from slipstick.core.spec import leaves, override
from slipstick.vitals import trackers
from slipstick.vitals.rate_errors import RateErrors, constant_guess
from slipstick.vitals.tracked_rates import TrackedRates, track_rates
from slipstick.vitals.tracker_settings import TrackerSettings

SHARED = Path(os.environ.get("SLIPSTICK_DATA") or Path(__file__).parents[2] / "shared")
GOOD = 3.0  # bpm: series whose estimates are better than this must not get worse
WORSE = 0.5  # bpm: by how much a single one of them may
GOALS = {"live": 5.4, "corrected": 5.0, "smoothed": 4.3}  # bpm: macro means that are wanted
FUSION_GOALS = {"live": 2.6, "smoothed": 2.3}
GOOD_CORRECTED = 1.02  # bpm: good series with the look-ahead
TUNED = {  # settings that the search over halves moves, and where it begins
    "sensor.0.width": 1.0, "sensor.1.width": 1.5, "sensor.2.width": 2.0, "sensor.0.misses": 0.02,
    "sensor.1.misses": 0.3, "sensor.2.misses": 0.9, "sensor.1.persistence": 0.3, "sensor.2.persistence": 0.5,
    "clutter.repeat_width": 2.0, "worsening": 0.05, "mending": 0.05, "drift.pace": 2.0, "drift.fast_pace": 8.0,
    "drift.fast_share": 0.05, "drift.jumps": 1e-3, "harmonics": 0.05,
}  # fmt: skip
MOST = {"sensor.0.misses": 0.2, "sensor.1.misses": 0.8, "sensor.2.misses": 0.97, "worsening": 0.3, "mending": 0.3}
SPREAD = 0.35  # of the logarithm of a candidate's settings

Series = tuple[str, str, str, str, str]  # data set, task, video, patches, method


@dataclass
class Estimates:
    """Published estimates: keys of the series, estimates and references [bpm]."""

    keys: list[Series]
    estimates: list[np.ndarray]
    references: list[np.ndarray]

    def part(self, places: Iterable[int]) -> Estimates:
        """Return some of the series."""
        chosen = list(places)
        return Estimates(*([values[place] for place in chosen] for values in vars(self).values()))  # type: ignore[arg-type]

    @property
    def halves(self) -> tuple[list[int], list[int]]:
        """Series of every other video, and the rest."""
        videos = sorted({key[:3] for key in self.keys})
        odd = [videos.index(key[:3]) % 2 for key in self.keys]
        return [i for i, other in enumerate(odd) if not other], [i for i, other in enumerate(odd) if other]


def read() -> Estimates:
    """Return the estimates of hr_series.csv."""
    rows: dict[Series, list[tuple[float, float]]] = defaultdict(list)
    with (SHARED / "data" / "heart_rate" / "hr_series.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            key = (row["dataset"], row["task"], row["video"], row["roi_mode"], row["method"])
            rows[key].append((float(row["hr_estimate_bpm"]), float(row["hr_reference_bpm"])))
    columns = [np.array(values).T for values in rows.values()]
    return Estimates(list(rows), [column[0] for column in columns], [column[1] for column in columns])


def tracked(stacks: list[np.ndarray], settings: TrackerSettings | None = None) -> list[TrackedRates]:
    """Return the tracked rates of stacks [methods, steps], those of one shape at once."""
    by_shape: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for place, stack in enumerate(stacks):
        by_shape[stack.shape].append(place)
    rates: dict[int, TrackedRates] = {}
    for places in by_shape.values():
        together = track_rates(np.array([stacks[place] for place in places]), settings)
        for row, place in enumerate(places):
            bands = (band.__class__(*(part[row : row + 1] for part in vars(band).values())) for band in
                     together.bands.values())  # fmt: skip
            rates[place] = TrackedRates(*bands)
    return [rates[place] for place in range(len(stacks))]


def macro(
    keys: list[tuple[str, ...]], errors: np.ndarray, cell: Callable[[tuple[str, ...]], tuple[str, ...]]
) -> dict[tuple[str, ...], float]:
    """Return the mean error of each cell."""
    cells: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for key, error in zip(keys, errors, strict=True):
        cells[cell(key)].append(float(error))
    return {name: float(np.mean(values)) for name, values in sorted(cells.items())}


def cell_of(key: tuple[str, ...]) -> tuple[str, ...]:
    return key[0], key[3], key[4]


def mean(cells: Mapping[tuple[str, ...], float]) -> float:
    return float(np.mean(list(cells.values())))


def errors_of(rates: list[TrackedRates], references: list[np.ndarray]) -> dict[str, list[RateErrors]]:
    """Return the errors of every series, by band."""
    bands: dict[str, list[RateErrors]] = defaultdict(list)
    for series, reference in zip(rates, references, strict=True):
        for name, band in series.bands.items():
            errors = RateErrors.of(band.value[0], reference, band)
            assert errors is not None
            bands[name].append(errors)
    return bands


def goal(name: str, reached: str, wanted: str, met: bool) -> None:
    """Print one line of a goal."""
    print(f"goal: {name} | reached {reached} | wanted {wanted} | {'met' if met else 'missed'}")


def at_most(name: str, reached: float, wanted: float, unit: str = " bpm") -> None:
    goal(name, f"{reached:.3f}{unit}", f"<= {wanted:g}{unit}", reached <= wanted)


def single(data: Estimates, cells: bool) -> None:
    """Print the goals of the tracker on one method at a time."""
    rates = tracked([estimates[None] for estimates in data.estimates])
    errors = errors_of(rates, data.references)
    raw = np.array([np.abs(z - r).mean() for z, r in zip(data.estimates, data.references, strict=True)])
    values = {name: np.array([error.error for error in found]) for name, found in errors.items()}
    keys: list[tuple[str, ...]] = list(data.keys)
    table = {name: macro(keys, found, cell_of) for name, found in ({"raw": raw} | values).items()}
    guess = np.array([constant_guess(reference) for reference in data.references])
    table["guess"] = macro(keys, guess, cell_of)
    if cells:
        print(f"{'cell':34}" + "".join(f"{name:>11}" for name in table))
        for cell in table["raw"]:
            print(f"{' '.join(cell):34}" + "".join(f"{found[cell]:11.2f}" for found in table.values()))
    print("macro mean of 49 cells: " + ", ".join(f"{name} {mean(found):.2f}" for name, found in table.items()) + " bpm")
    seconds = np.array([len(reference) for reference in data.references])
    for name, found in errors.items():
        coverage = np.average([error.coverage for error in found], weights=seconds)
        correlations = [error.correlation for error in found if error.correlation is not None]
        together = np.corrcoef(
            np.concatenate([rate.bands[name].value[0] for rate in rates]), np.concatenate(data.references)
        )[0, 1]
        inside = np.median(correlations)
        print(
            f"{name}: the interval covers {coverage:.1%} of the seconds, r {together:.3f}; {inside:.3f} within a series"
        )
    good = raw < GOOD
    print(f"{good.sum()} series below {GOOD:g} bpm: raw {raw[good].mean():.3f}, " + ", ".join(
        f"{name} {found[good].mean():.3f}" for name, found in values.items()) + " bpm")  # fmt: skip
    for name, wanted in GOALS.items():
        at_most(f"tracker, {name}, macro mean of 49 cells", mean(table[name]), wanted)
    at_most(
        "tracker, live, good series, against their raw mean",
        values["live"][good].mean(),
        float(raw[good].mean().round(3)),
    )
    worst = (values["live"] - raw)[good].max()
    at_most("tracker, live, the good series that gets worst, loss", worst, WORSE)
    at_most("tracker, corrected, good series", values["corrected"][good].mean(), GOOD_CORRECTED)


def fused(data: Estimates) -> None:
    """Print the goals of the fusion of all methods of a video."""
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for place, key in enumerate(data.keys):
        groups[key[:4]].append(place)
    keys = list(groups)
    references = [data.references[places[0]] for places in groups.values()]
    rates = tracked([np.array([data.estimates[place] for place in places]) for places in groups.values()])
    errors = errors_of(rates, references)
    raw = macro(
        list(data.keys),
        np.array([np.abs(z - r).mean() for z, r in zip(data.estimates, data.references, strict=True)]),
        cell_of,
    )
    best: dict[tuple[str, ...], float] = {}
    for (name, patches, _), error in raw.items():
        best[name, patches] = min(error, best.get((name, patches), np.inf))
    cells = {
        name: macro(keys, np.array([error.error for error in found]), lambda key: (key[0], key[3]))
        for name, found in errors.items()
    }
    print(f"best single method in hindsight: {mean(best):.2f} bpm over 13 cells")
    for name, found in cells.items():
        coverage = np.average([error.coverage for error in errors[name]], weights=[len(r) for r in references])
        print(f"fusion, {name}: {mean(found):.2f} bpm, the interval covers {coverage:.1%} of the seconds")
    for name, wanted in FUSION_GOALS.items():
        at_most(f"fusion of the methods of a video, {name}, mean of 13 cells", mean(cells[name]), wanted)
    for name in FUSION_GOALS:
        losses = {}
        for dataset in sorted({cell[0] for cell in best}):
            inside = [cell for cell in best if cell[0] == dataset]
            losses[dataset] = float(np.mean([cells[name][cell] - best[cell] for cell in inside]))
        worst = max(losses, key=losses.__getitem__)
        at_most(
            f"fusion, {name}, loss against the best single method in hindsight, worst data set ({worst})",
            losses[worst],
            0.0,
        )


def halves(data: Estimates, candidates: int) -> None:
    """Print the macro means on each half of settings that were searched on the other half."""
    base = override(trackers.entry("estimates"), TUNED)
    reached = []
    for seed, (ours, other) in enumerate((data.halves, data.halves[::-1])):
        rng, best, least = np.random.default_rng(seed), base, np.inf
        for number in range(candidates):
            settings = base if number == 0 else neighbour(best, rng)
            score = judge(data.part(ours), settings)
            if score < least:
                best, least = settings, score
        reached.append(figures(data.part(other), best))
        print(
            f"searched on half {seed}, read on the other: " + ", ".join(f"{n} {v:.2f}" for n, v in reached[-1].items())
        )
    for name, wanted in GOALS.items():
        value = float(np.mean([found[name] for found in reached]))
        at_most(f"tracker, {name}, videos that it was not tuned on ({candidates} candidates)", value, wanted)


def neighbour(settings: TrackerSettings, rng: np.random.Generator) -> TrackerSettings:
    """Return the settings with one to three of the tuned ones moved."""
    values = leaves(settings)
    moved = rng.choice(list(TUNED), rng.integers(1, 4), replace=False)
    changes = {str(n): min(MOST.get(str(n), np.inf), float(values[n] * np.exp(rng.normal(0, SPREAD)))) for n in moved}
    return override(settings, changes)


def figures(data: Estimates, settings: TrackerSettings) -> dict[str, float]:
    """Return the macro mean of each band, and the mean loss of the good series."""
    errors = errors_of(tracked([z[None] for z in data.estimates], settings), data.references)
    raw = np.array([np.abs(z - r).mean() for z, r in zip(data.estimates, data.references, strict=True)])
    keys: list[tuple[str, ...]] = list(data.keys)
    values = {name: np.array([error.error for error in found]) for name, found in errors.items()}
    means = {name: mean(macro(keys, found, cell_of)) for name, found in values.items()}
    return {**means, "loss of good series": float((values["live"] - raw)[raw < GOOD].mean())}


def judge(data: Estimates, settings: TrackerSettings) -> float:
    found = figures(data, settings)
    return found["live"] + found["corrected"] / 2 + 4 * max(0.0, found["loss of good series"])


def main() -> None:
    """Print the goals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", action="store_true", help="print every cell")
    parser.add_argument("--halves", type=int, default=0, help="candidates of the search on one half of the videos")
    asked = parser.parse_args()
    if not SHARED.is_dir():
        print(f"goal: tracker of heart rates | not run: no {SHARED}; set SLIPSTICK_DATA")
        return
    data = read()
    single(data, asked.cells)
    fused(data)
    if asked.halves:
        halves(data, asked.halves)


if __name__ == "__main__":
    main()
