"""Bit-true simulation of a network's layers on a SWIS array, compared with the closed form and exact products.

Every layer is cut to one corner: a simulation in Python of whole layers would take hours, and a fold of output
stationary folds is like any other. What was left out stands in the report.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from slipstick.array.estimate import _array_run
from slipstick.array.layer_cost import LayerCost
from slipstick.array.layer_cycles import _layer_pass
from slipstick.array.simulate import _simulate_layer
from slipstick.core.errors import SlipstickError
from slipstick.core.question import Question
from slipstick.formats.swis import Swis
from slipstick.report.report import Metric, Report, Table

MAX_PIXELS = 16  # of a layer's corner: two folds of an array of 8 rows
MAX_FILTERS = 8  # of a layer's corner
MAX_GROUPS = 8  # groups of weights of each filter
_SEED = 0
_PAPERS = ("li2021swis", "samajdar2020")
_SOURCE = f"SWIS elements on whole numbers, random weights and activations (seed {_SEED})"
_COLUMNS = {
    "op": "", "kind": "", "format": "", "pixels": "", "filters": "", "groups": "", "simulated": "cycle",
    "closed form": "cycle", "outputs right": "fraction", "share of layer": "fraction",
}  # fmt: skip


@dataclass(frozen=True)
class LayerRun:
    """Bit-true simulation of a corner of one layer: its first `pixels`, `filters` and `groups` of weights.

    `cost` is the layer's in closed form; `cycles` are the simulated ones of the corner, `closed_cycles` those of the
    closed form; of its `outputs` numbers `exact` agree with the integer matrix product.
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
        """Number of steps of the simulated corner: weight groups taken in by processing elements, over all elements."""
        return self.pixels * self.filters * self.groups


def simulate_layers(question: Question) -> Report:
    """Return the report of a bit-true simulation of a network's layers: cycles, and agreement with the closed form.

    Errors
    ------
    SlipstickError for an array whose elements or dataflow are not those of SWIS.
    """
    costed = _array_run(question.workload, question.system, question.plan)
    if costed.array.dataflow != "os":
        raise SlipstickError(
            "not simulated", path="system.array.dataflow", value=costed.array.dataflow, allowed="os (output stationary)"
        )
    random = np.random.default_rng(_SEED)
    runs = tuple(_simulated(cost, random) for cost in costed.layers)
    corners = f"corners of at most {MAX_PIXELS} pixels, {MAX_FILTERS} filters and {MAX_GROUPS} groups"
    return Report.of(
        question,
        _metrics(runs, costed.cycles, corners),
        {"layers": Table.of(_COLUMNS, map(_row, runs))},
        title=f"{question.workload.name} on {question.system.name}, simulated in {corners}",
        papers=_PAPERS,
    ).with_detail(runs)


def _simulated(cost: LayerCost, random: np.random.Generator) -> LayerRun:
    """Simulate the corner of one layer, and compute its outputs and its cycles in the other way."""
    product, array = cost.product, cost.array
    pixels = min(product.pixels, MAX_PIXELS)
    filters = min(product.filters, MAX_FILTERS)
    groups = min(-(-product.reduction // array.group), MAX_GROUPS)
    shifts = cost.stored.shifts[:filters] if product.groups == 1 else np.repeat(cost.stored.shifts[:1], filters)
    reduction = groups * array.group
    activations = random.integers(-128, 128, (pixels, reduction))
    # 127: the largest magnitude of the elements, which hold a sign beside seven bits
    codes = random.integers(-127, 128, (filters, reduction))
    weights = Swis(group=array.group, bits=8).encode(codes, {"scale": np.ones(filters), "shifts": shifts})
    simulated = _simulate_layer(activations, weights, array)
    closed = _layer_pass(pixels, reduction, filters, shifts, array)
    exact = activations @ weights.encoding.integers(weights).T == simulated.outputs
    return LayerRun(
        cost, pixels, filters, groups, simulated.cycles, int(closed.cycles), exact.size, int(np.count_nonzero(exact))
    )


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
        product.name, product.kind, run.cost.stored.format, run.pixels, run.filters, run.groups, run.cycles,
        run.closed_cycles, run.exact / run.outputs, run.steps / (run.cost.steps * product.count),
    )  # fmt: skip
