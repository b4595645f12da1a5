"""Goals of the study of accuracy on approximate hardware, from its rows alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from accuracy_cells import (
    BY_SUM,
    FORMATS,
    NETS,
    OTHERS,
    STREAMS,
    TREATMENTS,
    Cell,
    Row,
    of_recipe,
    predicted,
    seeds_wanted,
    treatments,
)
from scipy import stats

from slipstick.pictures.heatmap import heatmap_svg

COLLAPSE = 20.0  # per cent: below it a float-trained network is called collapsed; chance is 10 % of ten classes
SHARE, MARGIN = 0.85, 2.0  # of float's accuracy; points that fine-tuning may lose against exact training
WANTED = f"bound above -{MARGIN:g}"
COLUMNS = (*TREATMENTS, *BY_SUM)
AIMED = ("tiny-conv", "sc32-or1")  # that the share is an aim of


@dataclass(frozen=True)
class Spread:
    """Mean over seeds and its two-sided 95 % interval by Student's t; without an interval for one seed."""

    mean: float
    half: float
    count: int
    below: float  # one-sided 95 % lower bound

    def __str__(self) -> str:
        if self.count < 2:
            return f"{self.mean:+.2f} (1 seed)"
        return f"{self.mean:+.2f} [{self.mean - self.half:+.2f}, {self.mean + self.half:+.2f}] ({self.count} seeds)"


def spread(values: Sequence[float]) -> Spread:
    """Return the mean of values over seeds with its interval.

    Examples
    --------
    >>> str(spread([1.0, 2.0, 3.0]))
    '+2.00 [-0.48, +4.48] (3 seeds)'
    """
    count = len(values)
    mean = sum(values) / count
    if count < 2:
        return Spread(mean, math.inf, count, -math.inf)
    error = math.sqrt(sum((value - mean) ** 2 for value in values) / (count - 1) / count)
    within, under = (float(stats.t.ppf(share, count - 1)) for share in (0.975, 0.95))
    return Spread(mean, within * error, count, mean - under * error)


def goal(name: str, reached: str, wanted: str, met: bool | str) -> None:
    """Print a goal's line; a text says why it was not run."""
    verdict = f"not run: {met}" if isinstance(met, str) else "met" if met else "missed"
    print(f"goal: {name} | reached {reached} | wanted {wanted} | {verdict}")


def print_goals(rows: Sequence[Row], missing: Sequence[Cell]) -> None:
    """Print the table of accuracies, every goal, and the cells without a row."""
    known = of_recipe(rows)
    for what, study in (("stochastic", STREAMS), ("all else", OTHERS)):
        print(
            f"{what}: {study.start_images:,} of 50,000 training images, {study.start_epochs} epochs as float "
            f"(rate {study.start_rate:g}); then {study.train_images:,}, {study.epochs} epochs on the hardware "
            f"(rate {study.rate:g}); all 10,000 test images"
        )
    print_table(known)
    for network in NETS:
        for form in FORMATS:
            cells = {treatment: _of(known, network, form, treatment) for treatment in treatments(form)}
            if any(cells.values()):
                format_goals(network, form, cells, _of(known, network, "-", "longer"))
            seeds_goal(
                network, form, cells, sum(predicted(cell, rows) for cell in missing if cell.is_of(network, form))
            )


def print_table(known: Mapping[Cell, Row]) -> None:
    """Print the mean accuracy over seeds [%] of every treatment, with the number of seeds in brackets."""
    print(
        f"{'network':10} {'format':14} {'float':>7}" + "".join(f"{treatment:>16}" for treatment in ("longer", *COLUMNS))
    )
    for network in NETS:
        for form in FORMATS:
            cells = [_of(known, network, form, treatment) for treatment in COLUMNS]
            if not any(cells):
                continue
            starts = {row.seed: row.start for by_seed in cells for row in by_seed.values()}
            texts = [f"{sum(starts.values()) / len(starts):7.2f}"]
            cells = [_longer(known, network, starts), *cells]
            for by_seed in cells:
                values = [row.accuracy for row in by_seed.values()]
                texts.append(f"{sum(values) / len(values):.2f} ({len(values)})" if values else "-")
            print(f"{network:10} {form:14} {texts[0]}" + "".join(f"{text:>16}" for text in texts[1:]))


def accuracies_svg(rows: Sequence[Row]) -> str:
    """Return the picture of the mean accuracies over seeds, by network and format, and by treatment."""
    known, names, values = of_recipe(rows), [], []
    for network in NETS:
        for form in FORMATS:
            cells = [_of(known, network, form, treatment) for treatment in COLUMNS]
            if any(cells):
                starts = {row.seed: row.start for by_seed in cells for row in by_seed.values()}
                cells = [_longer(known, network, starts), *cells]
                means = [_mean(row.accuracy for row in by_seed.values()) for by_seed in cells]
                names.append(f"{network} {form}")
                values.append([_mean(starts.values()), *means])
    title = "Test accuracy on CIFAR-10 (JPEG copies), mean over seeds"
    return heatmap_svg(names, ["float", "longer", *COLUMNS], values, title, unit="%", best="high")


def format_goals(network: str, form: str, cells: Mapping[str, Mapping[int, Row]], longer: Mapping[int, Row]) -> None:
    """Print the goals of one network on one format; `longer` are float networks trained on for as long."""
    name = f"{network} {form}"
    untrained = [row.accuracy for row in cells["untrained"].values()]
    if untrained and (network, form) == AIMED:
        mean = sum(untrained) / len(untrained)
        goal(f"{name}: float-trained network collapses", f"{mean:.2f} %", f"<= {COLLAPSE:g} %", mean <= COLLAPSE)
    elif untrained:
        print(f"measured: {name}: float-trained network on the hardware {sum(untrained) / len(untrained):.2f} %")
    exact = cells["exact"]
    if exact:
        share = spread([100 * row.right / row.start_right for row in exact.values()])
        aim = "aim" if (network, form) == AIMED else "the same of"
        reached = f"{share.mean:.2f} % {_bounds(share)} of float"
        reached += f", short by {100 * SHARE - share.mean:.2f}" if share.mean < 100 * SHARE else ""
        goal(
            f"{name}: exact training ({aim} 85 % of float)", reached, f">= {100 * SHARE:g} %", share.mean >= 100 * SHARE
        )
    pairs = paired_rows(exact, longer)
    if pairs:
        change = spread([row.accuracy - other.accuracy for row, other in pairs])
        print(f"measured: {name}: exact training against float trained on for as long {change} points")
    for treatment in list(cells)[3:]:
        pairs = paired_rows(cells[treatment], exact)
        if pairs:
            against_exact(name, treatment, pairs)
    took(name, cells)


def paired_rows(rows: Mapping[int, Row], others: Mapping[int, Row]) -> list[tuple[Row, Row]]:
    """Return the pairs of rows of one seed that started from the same float network."""
    pairs = [(row, others[seed]) for seed, row in rows.items() if seed in others]
    return [(row, other) for row, other in pairs if row.start_right == other.start_right]


def seeds_goal(network: str, form: str, cells: Mapping[str, Mapping[int, Row]], seconds: float) -> None:
    """Print whether every treatment has its seeds, and the predicted time of those that are missing."""
    wanted, counts = seeds_wanted(network, form), {treatment: len(found) for treatment, found in cells.items()}
    name, fewest = f"{network} {form}: seeds of each treatment", min(counts.values())
    reached = f"{fewest}" if fewest == max(counts.values()) else f"{fewest} to {max(counts.values())}"
    goal(name, reached, f"{wanted}", fewest >= wanted or f"about {seconds / 60:.0f} min of a core, which --time gives")


def against_exact(name: str, treatment: str, pairs: Sequence[tuple[Row, Row]]) -> None:
    """Print a treatment's difference from exact training, in points, paired by seed; over images too where known."""
    change = spread([row.accuracy - other.accuracy for row, other in pairs])
    images = over_images([row for row, _ in pairs])
    if treatment.endswith("+finetune"):
        met, bound = change.below > -MARGIN, f", one-sided 95 % bound {change.below:+.2f}"
        if change.count < 2:
            goal(
                f"{name}: {treatment} not inferior to exact",
                f"{change} points{images}",
                WANTED,
                "one seed decides nothing",
            )
            return
        short = "" if met else f", short by {-MARGIN - change.below:.2f}"
        goal(f"{name}: {treatment} not inferior to exact", f"{change} points{bound}{images}{short}", WANTED, met)
    else:
        print(f"measured: {name}: {treatment} against exact {change} points{images}")


def over_images(rows: Iterable[Row]) -> str:
    """Return the same change over the pooled images of all seeds, with the interval of given networks."""
    known = [row for row in rows if row.lost >= 0]
    if not known:
        return ""
    lost, won, images = (sum(getattr(row, name) for row in known) for name in ("lost", "won", "images"))
    half = 1.96 * math.sqrt(max(lost + won - (won - lost) ** 2 / images, 0)) / images
    return f" (over images {100 * (won - lost) / images:+.2f} +- {100 * half:.2f})"


def took(name: str, cells: Mapping[str, Mapping[int, Row]]) -> None:
    """Print each training's processor time for 1,000 images and its ratio to exact training; the least of seeds."""
    times = {}
    for treatment in list(cells)[2:]:
        seconds = [1000 * row.seconds / (row.train_images * row.epochs) for row in cells[treatment].values()]
        if seconds:
            times[treatment] = min(seconds)
    if times:
        exact = times.get("exact", math.nan)
        texts = [f"{treatment} {value:.2f} s ({value / exact:.2f})" for treatment, value in times.items()]
        print(f"measured: {name}: processor time of a pass over 1,000 images (ratio to exact): " + ", ".join(texts))


def _of(known: Mapping[Cell, Row], network: str, form: str, treatment: str) -> dict[int, Row]:
    return {
        cell.seed: row
        for cell, row in known.items()
        if (cell.network, cell.form, cell.treatment) == (network, form, treatment)
    }


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return sum(found) / len(found) if found else None


def _longer(known: Mapping[Cell, Row], network: str, seeds: Iterable[int]) -> dict[int, Row]:
    rows = _of(known, network, "-", "longer")
    return {seed: rows[seed] for seed in seeds if seed in rows}


def _bounds(found: Spread) -> str:
    return "(1 seed)" if found.count < 2 else f"[{found.mean - found.half:.2f}, {found.mean + found.half:.2f}]"
