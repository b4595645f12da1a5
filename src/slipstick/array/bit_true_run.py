"""The layers of a network on a simulated SWIS array, element by element, beside the closed form and exact products.

Every layer is cut to one corner: a simulation in Python of whole layers would take hours, and a fold of output
stationary folds is like any other. What was left out stands in the report.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from slipstick.array.bit_serial import layer
from slipstick.array.estimate import run
from slipstick.array.layer_cost import LayerCost
from slipstick.array.simulate import BitWeights, simulate
from slipstick.core.arrays import IntArray
from slipstick.core.errors import SlipstickError
from slipstick.core.question import Question
from slipstick.formats.decompose import decompose, position_sets
from slipstick.report.report import Metric, Report, Table

MAX_PIXELS = 16  # of a layer's corner: two folds of an array of 8 rows
MAX_FILTERS = 8  # of a layer's corner
MAX_GROUPS = 8  # groups of weights of each filter
SEED = 0
PAPERS = ("li2021swis", "samajdar2020")
_SOURCE = f"SWIS elements on whole numbers, random weights and activations (seed {SEED})"
_COLUMNS = {
    "op": "", "kind": "", "format": "", "pixels": "", "filters": "", "groups": "", "simulated": "cycle",
    "closed form": "cycle", "outputs right": "fraction", "share of layer": "fraction",
}  # fmt: skip


@dataclass(frozen=True)
class LayerRun:
    """A layer's simulated corner: its sizes, cycles simulated and in closed form, outputs, and those that are exact.

    `steps` are groups of weights taken in by single elements; `all_steps` those of the whole layer.
    """

    cost: LayerCost
    pixels: int
    filters: int
    groups: int
    cycles: int
    closed_cycles: int
    outputs: int
    exact: int

    @property
    def steps(self) -> int:
        """Groups of weights that single elements took in."""
        return self.pixels * self.filters * self.groups


def simulate_layers(question: Question) -> Report:
    """Return the Report of a network's layers on a simulated array: cycles, and agreement with the closed form.

    Errors
    ------
    SlipstickError for an array whose elements or dataflow are not those of SWIS.
    """
    costed = run(question.workload, question.system, question.plan)
    if costed.array.dataflow != "os":
        raise SlipstickError(
            "not simulated", path="system.array.dataflow", value=costed.array.dataflow, allowed="os (output stationary)"
        )
    random = np.random.default_rng(SEED)
    runs = tuple(_simulated(cost, random) for cost in costed.layers)
    corners = f"corners of at most {MAX_PIXELS} pixels, {MAX_FILTERS} filters and {MAX_GROUPS} groups"
    return Report.of(
        question,
        _metrics(runs, costed.cycles, corners),
        {"layers": Table.of(_COLUMNS, map(_row, runs))},
        title=f"{question.workload.name} on {question.system.name}, simulated in {corners}",
        papers=PAPERS,
    ).with_detail(runs)


def _simulated(cost: LayerCost, random: np.random.Generator) -> LayerRun:
    """Simulate the corner of one layer, and compute its outputs and its cycles in the other way."""
    product, array = cost.product, cost.array
    pixels = min(product.pixels, MAX_PIXELS)
    filters = min(product.filters, MAX_FILTERS)
    groups = min(-(-product.reduction // array.group), MAX_GROUPS)
    shifts = cost.held.shifts[:filters] if product.groups == 1 else np.repeat(cost.held.shifts[:1], filters)
    activations = random.integers(-128, 128, (pixels, groups, array.group))
    weights, values = _decomposed(random.integers(-127, 128, (filters, groups, array.group)), shifts)
    sizes = array.rows, array.columns
    simulated = simulate(activations, weights, *sizes, array.element, overlap=array.overlap)
    closed = layer(
        pixels, groups * array.group, filters, *sizes, group=array.group, shifts=shifts, element=array.element,
        overlap=array.overlap,
    )  # fmt: skip
    exact = np.einsum("pgm,fgm->pf", activations, values) == simulated.outputs
    return LayerRun(
        cost, pixels, filters, groups, simulated.cycles, int(closed.cycles), exact.size, int(np.count_nonzero(exact))
    )


def _decomposed(codes: IntArray, shifts: IntArray) -> tuple[BitWeights, IntArray]:
    """Return codes [filters, groups, M] as the array reads them, and the values that their shifts leave of them."""
    masks, values = np.zeros(codes.shape, np.int64), np.zeros(codes.shape, np.int64)
    positions = np.zeros((*codes.shape[:2], int(shifts.max())), np.int64)
    for place, count in enumerate(shifts.tolist()):
        parts = decompose(codes[place], shifts=count)
        masks[place] = parts.masks
        positions[place, :, :count] = np.array(position_sets(8, count))[parts.sets]
        values[place] = parts.magnitudes * np.sign(codes[place])
    return BitWeights(np.where(codes < 0, -1, 1).astype(np.int64), masks, positions, shifts), values


def _metrics(runs: tuple[LayerRun, ...], network_cycles: float, corners: str) -> dict[str, Any]:
    def metric(value: float, unit: str, note: str = "") -> Metric:
        return Metric(value, unit, "simulated", _SOURCE, note)

    simulated, closed = sum(run.cycles for run in runs), sum(run.closed_cycles for run in runs)
    steps = sum(run.steps for run in runs)
    whole = sum(run.cost.steps * run.cost.product.count for run in runs)
    return {
        "cycles": {
            "simulated": metric(simulated, "cycle", corners),
            "closed_form": Metric(closed, "cycle", "estimated", "closed forms of slipstick.array", "the same corners"),
            "network": Metric(network_cycles, "cycle", "estimated", "closed forms of slipstick.array", "all layers"),
        },
        "agreement": {
            "cycles": metric(simulated / closed, "", "simulated over closed form"),
            "outputs": metric(sum(run.exact for run in runs) / sum(run.outputs for run in runs), "fraction", "exact"),
        },
        "work": {"share": metric(steps / whole, "fraction", "of the network's groups were simulated; others left out")},
    }


def _row(run: LayerRun) -> tuple[object, ...]:
    product = run.cost.product
    return (
        product.name, product.kind, run.cost.held.text, run.pixels, run.filters, run.groups, run.cycles,
        run.closed_cycles, run.exact / run.outputs, run.steps / (run.cost.steps * product.count),
    )  # fmt: skip
