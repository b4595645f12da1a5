"""Shift schedule under a budget: more shifts for those filters whose noise changes the network's output most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from slipstick.compress.adapt_options import Weighing
from slipstick.compress.encoded_layers import _kept_weights, _noise, _signal
from slipstick.core.arrays import FloatArray, IntArray
from slipstick.core.errors import SlipstickError
from slipstick.core.format import Format
from slipstick.formats.shift_schedule import average, errors_by_shifts, schedule
from slipstick.trained.network import ObservedInputs, TrainedNetwork, WeightLayer


def _schedule_shifts(
    network: TrainedNetwork,
    forms: Mapping[str, Format],
    observed: Mapping[str, ObservedInputs],
    budget: float,
    *,
    sensitivity: Mapping[str, float] | None = None,
    costs: Mapping[str, FloatArray] | None = None,
    columns: int = 1,
) -> dict[str, IntArray]:
    """Return the shifts per filter [filters] of each layer whose format has shifts, `budget` on average.

    Parameters
    ----------
    observed : statistics of the layers' inputs (`TrainedNetwork.observe`).
    sensitivity : of each layer: what one share of noise in it does to the network's output. Default: alike in all.
    costs : by layer, what one shift of each filter counts [filters]. Default: its groups, which is bytes.
    columns : filters that share their shifts.

    Errors
    ------
    SlipstickError if no layer's format has shifts, or for a budget that no schedule keeps.
    """
    layers = [layer for layer in network.layers() if layer.name in forms and _most(forms[layer.name])]
    if not layers:
        names = [form.name for form in forms.values()][:1]
        raise SlipstickError("no layer's format has shifts", path="formats", value=names, allowed="such as swis:3")
    counted = costs or shift_costs(network, forms)
    errors = [
        (sensitivity or {}).get(layer.name, 1.0) * _errors(layer, forms[layer.name], observed[layer.name])
        for layer in layers
    ]
    scheduled = schedule(errors, [counted[layer.name] for layer in layers], budget, columns=columns)
    return {layer.name: shifts for layer, shifts in zip(layers, scheduled, strict=True)}


def shift_costs(
    network: TrainedNetwork, forms: Mapping[str, Format], weighed: Weighing = "bytes"
) -> dict[str, FloatArray]:
    """Return by layer the cost of one shift per filter [filters]: its groups, or groups times positions.

    An integer network counts the groups of its first format with shifts in all layers, others each format's own.

    Errors
    ------
    SlipstickError for cycles of a network whose layers do not say their positions.
    """
    groups = [form.encoding.group for form in forms.values() if _most(form)]
    costs = {}
    for layer in network.layers():
        own = forms[layer.name].encoding.group if layer.name in forms else 1
        count = -(-layer.weights[0].size // (groups[0] if network.integers and groups else own))
        if weighed == "cycles" and layer.positions is None:
            raise SlipstickError("needs an array", path="weighed", value="cycles", allowed="a system, or bytes")
        positions = layer.positions if weighed == "cycles" and layer.positions is not None else 1
        costs[layer.name] = np.full(layer.filters, float(count * positions))
    return costs


def average_shifts(
    layers: Sequence[WeightLayer],
    forms: Mapping[str, Format],
    shifts: Mapping[str, IntArray],
    costs: Mapping[str, FloatArray],
) -> float | None:
    """Return the average shifts per filter over some layers, weighted by `costs`; None without shifts.

    Parameters
    ----------
    shifts : of each filter, for scheduled layers; the others have those of their format.
    """
    counts = []
    for layer in layers:
        each_filter = forms[layer.name].encoding.weight_shifts
        if layer.name not in shifts and each_filter is None:
            return None
        counts.append(shifts[layer.name] if layer.name in shifts else np.full(layer.filters, each_filter))
    return average(counts, [costs[layer.name] for layer in layers]) if counts else None


def _most(form: Format) -> int:
    """Return the largest number of shifts per filter that a schedule may choose; 0 for a format without shifts."""
    return form.encoding.max_shifts or 0


def _errors(layer: WeightLayer, form: Format, inputs: ObservedInputs) -> FloatArray:
    """Return every filter's noise at every number of shifts, relative to the layer's signal power."""
    whole = _signal(layer, inputs)
    return errors_by_shifts(
        lambda count: _kept_weights(layer, form, {"shifts": np.full(layer.filters, count)}),
        lambda weights: _noise(layer, weights.astype(np.float64) - layer.weights, inputs) / whole,
        _most(form),
    )
