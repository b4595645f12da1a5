"""An integer network's weights in other formats, without training: schedules of shifts, and corrected biases.

What a changed weight does is weighed by what its layer sees: the noise that it makes in the layer's output, as a share
of the output's own power, times what the network's output makes of it (`integer_sensitivity`). The mean of that
noise goes into the bias; what is left is what schedules divide shifts by. Source: bias correction after Nagel et al.,
ICCV 2019, section 4.2; the weighing is our own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slipstick.core.arrays import FloatArray, IntArray
from slipstick.core.encoding import Encoded
from slipstick.core.errors import SlipstickError
from slipstick.core.format import Format
from slipstick.formats import format_of
from slipstick.formats.layer_patterns import PatternLayer, formats_of
from slipstick.formats.shift_schedule import average, errors_by_shifts, schedule
from slipstick.trained.integer.integer_network import IntegerNetwork
from slipstick.trained.integer.layer_statistics import LayerInputs, corrected_bias, mean_change, squared_change
from slipstick.trained.integer.layer_weights import LayerWeights

Weighed = Literal["bytes", "cycles"]


@dataclass(frozen=True, eq=False)
class LayerIn:
    """A layer in its format: the codes that remain, the shifts of each filter if they are scheduled, bytes."""

    layer: LayerWeights
    format: Format
    codes: IntArray
    shifts: IntArray | None = None

    @property
    def changed(self) -> bool:
        """Whether any weight is another one now."""
        return bool((self.codes != self.layer.codes).any())

    @cached_property
    def encoded(self) -> Encoded:
        """The weights packed in their format, with the file's scales and the schedule's shifts."""
        real = self.codes.astype(np.float64) * self.layer.scales.reshape(-1, *[1] * (self.codes.ndim - 1))
        side: dict[str, NDArray[Any]] = {"scale": self.layer.scales}
        if self.shifts is not None:
            side["shifts"] = self.shifts
        return self.format.encoding.encode(real, side)

    @property
    def storage_bytes(self) -> int:
        """Bytes of the packed weights, scales included."""
        return self.encoded.nbytes


@dataclass(frozen=True, eq=False)
class Compressed:
    """An integer network with some weights replaced, and the biases that make up for them."""

    network: IntegerNetwork
    layers: tuple[LayerIn, ...]
    biases: Mapping[int, NDArray[np.int32]]

    @cached_property
    def weights(self) -> dict[int, Any]:
        """Tensor -> codes as the file holds them, of every layer that changed: what `run` and `patch` take."""
        return {one.layer.tensor: one.layer.stored(one.codes) for one in self.layers if one.changed}

    def effective_shifts(self, costs: Sequence[FloatArray]) -> float | None:
        """Return the mean shifts over all layers, weighed by `costs`; None where a layer's format has none."""
        each = [_shifts_of(one) for one in self.layers]
        known = [shifts for shifts in each if shifts is not None]
        return average(known, costs) if len(known) == len(each) else None


def compress(
    network: IntegerNetwork,
    formats: str,
    *,
    inputs: Sequence[LayerInputs] | None = None,
    shifts: float | None = None,
    weighed: Weighed = "bytes",
    costs: Mapping[str, FloatArray] | None = None,
    sensitivity: ArrayLike | None = None,
    columns: int = 1,
    correct: bool = True,
) -> Compressed:
    """Put every layer's weights into its format.

    Parameters
    ----------
    formats : ``swis:3``, or by patterns: ``swis:3;depthwise=int8``; see `slipstick.formats.layer_patterns`.
    inputs : what each layer sees (`layer_inputs`), for schedules and biases.
    shifts : the average that a schedule divides over all filters of layers whose format has shifts.
    weighed : by groups (``bytes``) or by groups times positions (``cycles``).
    costs : by layer, what a shift of each filter counts in place of that, [filters]: an array's `shift_cycles`.
    sensitivity : of each layer: what one share of noise in it does to the network's output. Default: alike in all.
    columns : filters that share their shifts.
    correct : correct the biases of layers that changed; needs `inputs`.

    Errors
    ------
    SlipstickError for patterns and formats that are none, a schedule or corrections without `inputs`, a format that
    keeps no whole numbers at given scales.
    """
    layers = network.weights()
    forms = layer_formats(layers, formats)
    if inputs is None and (shifts is not None or correct):
        raise SlipstickError(
            "needs images", path="inputs", allowed="images to calibrate on, or no schedule and no correction"
        )
    chosen: list[IntArray | None] = [None] * len(layers)
    if shifts is not None and inputs is not None:
        counted = costs or {
            one.name: cost for one, cost in zip(layers, shift_costs(network, _group(forms), weighed), strict=True)
        }
        weights = np.ones(len(layers)) if sensitivity is None else np.asarray(sensitivity, np.float64)
        chosen = _scheduled(layers, forms, inputs, shifts, counted, weights, columns)
    found = [
        LayerIn(layer, form, form.encoding.recode(layer.codes, None if n is None else {"shifts": n}), n)
        for layer, form, n in zip(layers, forms, chosen, strict=True)
    ]
    biases = {}
    if correct and inputs is not None:
        biases = {
            one.layer.bias_tensor: corrected_bias(one.layer, one.codes, seen)
            for one, seen in zip(found, inputs, strict=True)
            if one.changed and one.layer.bias_tensor >= 0
        }
    return Compressed(network, tuple(found), biases)


def layer_formats(layers: Sequence[LayerWeights], formats: str) -> list[Format]:
    """Return each layer's format; errors as `slipstick.formats.layer_patterns.formats_of` raises them."""
    texts = formats_of(formats, [PatternLayer(one.name, kind_of(one)) for one in layers])
    return [_per_filter(format_of(text)) for text in texts]


def kind_of(layer: LayerWeights) -> str:
    """Return a layer's kind as patterns call it."""
    if layer.kind == "dense":
        return "linear"
    return "pointwise" if layer.kind == "conv" and layer.codes.shape[1:3] == (1, 1) else layer.kind


def shift_costs(network: IntegerNetwork, group: int, weighed: Weighed = "bytes") -> list[FloatArray]:
    """Return for every layer what one shift of each filter costs: its groups, or its groups times positions."""
    found = []
    for layer in network.weights():
        groups = -(-int(np.prod(layer.codes.shape[1:])) // group)
        shape = network.tensors[network.operators[layer.op].output].shape
        positions = shape[1] * shape[2] if weighed == "cycles" and len(shape) == 4 else 1
        found.append(np.full(len(layer.codes), float(groups * positions)))
    return found


def noise(layer: LayerWeights, codes: IntArray, inputs: LayerInputs) -> FloatArray:
    """Return the power of each filter's change when `codes` replace a layer's own, its mean taken out, [filters].

    In units of the input's scale, squared: filters of large scales weigh more, as they do in the layer's output.
    """
    power = squared_change(layer, codes, inputs) - mean_change(layer, codes, inputs) ** 2
    return np.asarray(np.maximum(power, 0.0) * layer.scales.astype(np.float64) ** 2)


def signal(layer: LayerWeights, inputs: LayerInputs) -> float:
    """Return the power of a layer's output before its bias, all filters, each one's mean taken out; never 0."""
    power = float(noise(layer, np.zeros_like(layer.codes), inputs).sum())
    return power or 1.0  # an output that never changes: nothing does more or less to it


def _per_filter(form: Format) -> Format:
    """Return integers with a scale of each filter, as the file has them."""
    return format_of(form.encoding.per_filter)


def _group(forms: Sequence[Format]) -> int:
    """Return the weights of a group where formats have groups."""
    return next((form.encoding.group for form in forms if form.encoding.max_shifts), 1)


def _scheduled(
    layers: Sequence[LayerWeights],
    forms: Sequence[Format],
    inputs: Sequence[LayerInputs],
    budget: float,
    counted: Mapping[str, FloatArray],
    weights: FloatArray,
    columns: int,
) -> list[IntArray | None]:
    """Return the shifts of every filter of the layers whose format has shifts, None for the others."""
    able = [(n, form) for n, form in enumerate(forms) if form.encoding.max_shifts]
    if not able:
        raise SlipstickError("no layer's format has shifts", path="formats", value=[form.name for form in forms[:1]])
    errors = [weights[n] * _errors(layers[n], form, inputs[n]) for n, form in able]
    costs = [counted[layers[n].name] for n, _ in able]
    found: list[IntArray | None] = [None] * len(layers)
    for (n, _), shifts in zip(able, schedule(errors, costs, budget, columns=columns), strict=True):
        found[n] = shifts
    return found


def _errors(layer: LayerWeights, form: Format, seen: LayerInputs) -> FloatArray:
    """Return the noise of every filter at every number of shifts, as a share of the layer's signal."""
    whole = signal(layer, seen)
    return errors_by_shifts(
        lambda count: form.encoding.recode(layer.codes, {"shifts": np.full(len(layer.codes), count)}),
        lambda codes: noise(layer, codes, seen) / whole,
        form.encoding.max_shifts or 0,
    )


def _shifts_of(one: LayerIn) -> IntArray | None:
    """Return the shifts of each filter of a layer, whatever its format calls them."""
    filters = len(one.codes)
    if one.shifts is not None:
        return one.shifts
    shifts = one.format.encoding.weight_shifts
    return None if shifts is None else np.full(filters, shifts)
