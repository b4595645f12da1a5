"""Number formats of a network's layers from one line of text, and the weight pools that layers share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from slipstick.compress.pool_choice import _choose_pools
from slipstick.core.errors import SlipstickError
from slipstick.core.format import Format
from slipstick.formats import format_of
from slipstick.formats.layer_patterns import PatternLayer, formats_of
from slipstick.trained.network import TrainedNetwork, Values, WeightLayer

if TYPE_CHECKING:
    from slipstick.core.progress import Progress

_PLAIN = "fp32"  # the text that leaves a layer as it is
_UNPOOLED = "int8:axis=0"  # for layers that a pool does not take
_FP32_BYTES = 4


def layer_formats(
    network: TrainedNetwork, formats: str, *, budget: int | None = None, progress: Progress | None = None
) -> dict[str, Format]:
    """Return the number format of each layer by its name; layers in ``fp32`` are left out.

    Parameters
    ----------
    formats : ``swis:2``, or by patterns: ``swis:2;first=fp32;last=int8:axis=0``. All layers of one pool format share a
        pool; those that it does not take (`Encoding.takes`) stay int8 with a scale of each filter. An integer network
        keeps its scales of each filter in every format.
    budget : bytes of all weights: indices, scales, pools, and the other layers as they are stored (4 bytes a weight in
        ``fp32``), no biases. Every pool then gets, for the layers that it takes, the size and the vector of least error
        that fit; its kind stays. Pools that come out alike are one.
    progress : called with the pools tried under a budget.

    Errors
    ------
    SlipstickError for what is no such text, and, path "budget", without a pool or if none fits, naming the smallest.

    Examples
    --------
    >>> from slipstick.trained import open_network
    >>> forms = layer_formats(open_network("examples/data/small.tflite"), "swis:3;depthwise=int8")
    >>> [form.name for form in forms.values()][:2]
    ['swis:3,group=4', 'int8:axis=0']
    """
    layers = network.layers()
    texts = formats_of(formats, [PatternLayer(layer.name, layer.kind) for layer in layers])
    if network.integers:
        forms = {layer.name: format_of(text) for layer, text in zip(layers, texts, strict=True)}
        return {name: replace(form, encoding=form.encoding.per_filter) for name, form in forms.items()}
    forms = {}
    for place, (layer, text) in enumerate(zip(layers, texts, strict=True)):
        if text == _PLAIN:
            continue
        form, last = format_of(text), place == len(layers) - 1
        depthwise = layer.kind == "depthwise"
        taken = form.encoding.takes(layer.weights.shape, depthwise=depthwise, first=place == 0, last=last)
        forms[layer.name] = form if taken else format_of(_UNPOOLED)
    return forms if budget is None else _within(layers, forms, budget, progress)


def _shared_sides(network: TrainedNetwork, forms: Mapping[str, Format]) -> dict[str, Values]:
    """Return the arrays that layers share, such as a pool fitted to all layers of a format, by layer name."""
    weights = {layer.name: layer.weights for layer in network.layers()}
    sides: dict[str, Values] = {}
    for form in {form for form in forms.values() if form.encoding.shared_bytes}:
        names = [name for name, other in forms.items() if other == form]
        side = form.encoding.shared_side([weights[name].astype(np.float32) for name in names])
        sides |= dict.fromkeys(names, side)
    return sides


def bias_bytes(network: TrainedNetwork) -> int:
    """Return the bytes of all layers' fp32 biases, one per filter, into which batch norms are folded."""
    return sum(_FP32_BYTES * layer.filters for layer in network.layers())


def _within(
    layers: Sequence[WeightLayer], forms: Mapping[str, Format], budget: int, progress: Progress | None
) -> dict[str, Format]:
    """Return the formats with pools chosen to fit a budget for the bytes of all weights."""
    groups: dict[Format, list[np.ndarray]] = {}
    unpooled_bytes = 0
    for layer in layers:
        form = forms.get(layer.name)
        if form is None:
            unpooled_bytes += _FP32_BYTES * layer.weights.size
        elif form.encoding.shared_bytes:
            groups.setdefault(form, []).append(layer.weights.astype(np.float32))
        else:
            unpooled_bytes += form.encoding.storage_bytes(layer.weights.shape)
    if not groups:
        raise SlipstickError("no layer is in a pool", path="budget", value=budget, allowed="such as pool:size=64")
    pools = _choose_pools(list(groups.items()), budget, unpooled_bytes=unpooled_bytes, progress=progress)
    pool_of = dict(zip(groups, pools, strict=True))
    return {name: pool_of.get(form, form) for name, form in forms.items()}
