"""Number formats assigned to layers under a limit of energy: by measured sensitivities, or by gates that learned.

Every layer has a score in each format (lower is better): the loss that the network gains when this layer alone is in
the format, measured on training images, or the gates' probability. The assignment of least total score within the limit
is found exactly. Scores are added up as if layers did not influence each other: the chosen network is measured as a
whole. Learned selection after Li, UCLA dissertation "Learned Approximate Computing for Machine Learning" (2023; its
abstract was seen), which chooses multipliers by gradient; gates over whole formats and their training are our own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.core.units import format_quantity
from slipstick.report.metric import Metric, Table

if TYPE_CHECKING:
    from slipstick.compress.adapt_options import ShiftSchedule
    from slipstick.core.arrays import FloatArray
    from slipstick.core.format import Format
    from slipstick.core.progress import Progress
    from slipstick.datasets.images import Images
    from slipstick.engines.question import SystemSpec
    from slipstick.trained.network import TrainedNetwork

_COLUMNS = {"layer": "", "format": "", "score": "", "energy": "J"}
_ENERGY = "energy.step"
_LEAST = 1e-12  # probability of a gate, below which its score stays finite


@dataclass(frozen=True)
class LayerAssignment:
    """Assignment of formats to layers: the text that `slipstick adapt` takes, its energy, and the scores behind it.

    `tables` are the assignment, and all candidates: the score of each layer in each format is the loss that it adds
    [nat], or minus the logarithm of its gate's share.
    """

    formats: str
    energy: float
    limit: float
    tables: Mapping[str, Table]

    def metrics(self) -> dict[str, Metric]:
        """Return the energy of the assignment beside its limit."""
        return {
            "energy": Metric(self.energy, "J", "estimated", "of the system, layer by layer"),
            "limit": Metric(self.limit, "J", "given"),
        }


def assign_formats(
    network: TrainedNetwork,
    candidates: Sequence[str],
    images: Images,
    schedule: ShiftSchedule,
    system: SystemSpec | None,
    progress: Progress | None = None,
) -> LayerAssignment:
    """Return the formats of a network's layers, each of the candidates, within the schedule's limit of energy.

    Parameters
    ----------
    candidates : formats, each for any layer; layers that one does not take are left to its replacement.
    images : training images on which sensitivities are measured, or gates learn.
    system : computes the energy of each layer in each format.

    Errors
    ------
    SlipstickError without a system or a limit, for a limit that no assignment keeps (naming the least), and for formats
    that the system does not compute.
    """
    kind, limit = schedule.assign, schedule.energy_limit()
    if system is None or limit is None:
        message = "formats are assigned to layers within a limit of energy on a system"
        raise SlipstickError(message, path="assign", value=kind, allowed="energy, such as 80 uJ, and a system")
    forms, energies, moves = _candidate_costs(network, candidates, system)
    if kind == "learned":
        scores = _gate_scores(network, forms, energies, limit - moves, images, progress)
    else:
        scores = _loss_gains(network, forms, images, progress)
    places = least_within(scores, energies, limit - moves)
    if places is None:
        least = format_quantity(float(energies.min(axis=1).sum()) + moves, "J")
        raise SlipstickError(
            "no assignment keeps the limit", path="energy", value=schedule.energy, allowed=f"from {least}"
        )
    names = list(forms[0])
    rows = [
        [(name, form[name].name, scores[row, column], energies[row, column]) for column, form in enumerate(forms)]
        for row, name in enumerate(names)
    ]
    tables = {
        "assignment": Table.of(_COLUMNS, [row[place] for row, place in zip(rows, places, strict=True)]),
        "candidates": Table.of(_COLUMNS, [cell for row in rows for cell in row]),
    }
    text = ";".join(f"{name}={forms[place][name].name}" for name, place in zip(names, places, strict=True))
    energy = float(energies[np.arange(len(places)), places].sum()) + moves
    return LayerAssignment(text, energy, limit, tables)


def least_within(scores: FloatArray, costs: FloatArray, limit: float) -> list[int] | None:
    """Return the column chosen in each row, of least total score among those of total cost within a limit; or None.

    Exact: row by row, the sums that no other beats in both figures are kept (Nemhauser and Ullmann, Management Science
    1969, as recollected).

    Parameters
    ----------
    scores, costs : [rows, columns].

    Examples
    --------
    >>> least_within(np.array([[0.0, 5.0], [0.0, 1.0]]), np.array([[3.0, 1.0], [3.0, 1.0]]), 4.0)
    [0, 1]
    """
    sums_kept: list[tuple[float, float, tuple[int, ...]]] = [(0.0, 0.0, ())]
    for own, spent in zip(scores.tolist(), costs.tolist(), strict=True):
        sums = [
            (cost + more, score + gain, (*path, column))
            for cost, score, path in sums_kept
            for column, (gain, more) in enumerate(zip(own, spent, strict=True))
            if cost + more <= limit
        ]
        sums_kept, best = [], np.inf
        for point in sorted(sums):
            if point[1] < best:
                sums_kept.append(point)
                best = point[1]
        if not sums_kept:
            return None
    return list(sums_kept[-1][2])


def _candidate_costs(
    network: TrainedNetwork, candidates: Sequence[str], system: SystemSpec
) -> tuple[list[dict[str, Format]], FloatArray, float]:
    """Return each candidate's formats by layer, the energy of layers in them [layers, candidates], and of the rest."""
    from slipstick.compress.layer_formats import layer_formats
    from slipstick.engines.adapted_array import _product_names
    from slipstick.engines.answer import answer
    from slipstick.engines.question import ask

    graph = network.graph()
    forms = [layer_formats(network, text) for text in candidates]
    for form, text in zip(forms, candidates, strict=True):
        if len(form) < len(network.layers()):
            message = "leaves layers in fp32, which no array multiplies"
            raise SlipstickError(message, path="formats", value=text, allowed="formats for all layers")
    products = _product_names(ask(graph, system), forms[0])
    columns, moves = [], 0.0
    for form in forms:
        text = ";".join(f"{products[name]}={layer.name}" for name, layer in form.items())
        report = answer("estimate", graph, system, {"formats.layers": text})
        if _ENERGY not in report:
            raise SlipstickError("its energy on the system is unknown", path="formats", value=text)
        table = report.breakdowns["ops"]
        places = [[column.name for column in table.columns].index(name) for name in ("op", "energy")]
        rows = {str(row[places[0]]): float(str(row[places[1]])) for row in table.rows}
        columns.append([rows[products[name]] for name in form])
        moves = max(moves, report.value(_ENERGY) - sum(rows.values()))
    return forms, np.array(columns).T, moves


def _loss_gains(
    network: TrainedNetwork, forms: Sequence[Mapping[str, Format]], images: Images, progress: Progress | None
) -> FloatArray:
    """Return the cross-entropy that the network gains with one layer alone in a format, [layers, candidates]."""
    from slipstick.compress.compression import compress
    from slipstick.compress.hardware_layers import hardware_layers, on_hardware

    names = list(forms[0])
    plain = _loss(network, images)
    gains = np.zeros((len(names), len(forms)))
    for column, form in enumerate(forms):
        changed = {layer.name: layer.weights for layer in compress(network, form, correct=False).network.layers()}
        for row, name in enumerate(names):
            if progress is not None:
                progress(column * len(names) + row, gains.size, f"{name} in {form[name].name}")
            changed_network = network.with_weights({name: changed[name]})
            hardware = hardware_layers(network, {name: form[name]}, images)
            gains[row, column] = _loss(on_hardware(changed_network, hardware), images) - plain
    return gains


def _loss(network: TrainedNetwork, images: Images) -> float:
    """Return the mean cross-entropy of a network's outputs on labelled images [nat]."""
    outputs = np.asarray(network.logits(images), np.float64)
    outputs -= outputs.max(axis=1, keepdims=True)
    logarithms = outputs - np.log(np.exp(outputs).sum(axis=1, keepdims=True))
    return float(-logarithms[np.arange(len(images)), images.labels].mean())


def _gate_scores(
    network: TrainedNetwork,
    forms: Sequence[Mapping[str, Format]],
    energies: FloatArray,
    limit: float,
    images: Images,
    progress: Progress | None,
) -> FloatArray:
    """Return minus the logarithm of the learned probability of each format in each layer, [layers, candidates]."""
    from slipstick.compress.compression import compress
    from slipstick.compress.hardware_layers import hardware_layers

    if network.module is None:
        message = "gates learn by gradients, and a network of 8-bit integers has none"
        raise SlipstickError(message, path="assign", value="learned", allowed="sensitivity")
    gates: Any = require("slipstick.training.format_gates", "torch")
    choices = [(compress(network, form, correct=False), hardware_layers(network, form, images)) for form in forms]
    candidates = [
        gates.FormatChoice(
            form if hardware is None else {**form, **hardware.formats}, compression.sides,
            {} if hardware is None else hardware.sides, {} if hardware is None else hardware.input_scales,
        )
        for form, (compression, hardware) in zip(forms, choices, strict=True)
    ]  # fmt: skip
    shares: FloatArray = gates.learned_gates(network, candidates, energies, limit, images, progress)
    return np.asarray(-np.log(np.maximum(shares, _LEAST)))
