"""The layers of a torch network in formats by one line of text, for retraining; one pool for all that share it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slipstick.core.extras import require
from slipstick.core.format import Format
from slipstick.formats import Int, format_of
from slipstick.formats.patterns import Layer, formats_of
from slipstick.formats.pool import Pool, fit_pool, poolable
from slipstick.formats.whole import channels_last

if TYPE_CHECKING:
    from torch import nn

Side = Mapping[str, NDArray[Any]]
PLAIN = "fp32"  # the text that leaves a layer as it is


def weight_layers(net: nn.Module) -> dict[str, Layer]:
    """Return the layers whose weights have formats, by their module's name: convolutions and dense layers, in order."""
    nn_ = require("torch.nn", "torch")
    found = {}
    for name, module in net.named_modules():
        if isinstance(module, nn_.Conv2d):
            found[name] = Layer(name, _kind(module))
        elif isinstance(module, nn_.Linear):
            found[name] = Layer(name, "linear")
    return found


def attach(net: nn.Module, formats: str) -> dict[str, Format]:
    """Hold the weights of a network in formats; returns them by the layers' names. Layers in ``fp32`` are left alone.

    The parameters behind them stay what they were, and gradients reach them as if nothing had been rounded; what the
    formats keep is chosen anew after every step. `slipstick.formats.torch_module.detach` leaves that in the weights.

    Parameters
    ----------
    formats : ``swis:2``, or by patterns: ``swis:2;first=fp32;last=int8:axis=0``. All layers of one pool format share a
        pool; the first, the last and depth-wise ones stay out of it, in int8.
    """
    torch_module = require("slipstick.formats.torch_module", "torch")
    forms = _formats(net, formats)
    torch_module.attach(net, forms, sides=_pools(net, forms))
    return forms


def _formats(net: nn.Module, formats: str) -> dict[str, Format]:
    """Return the format of each layer; what a pool does not take is int8 with a scale of each filter."""
    layers = weight_layers(net)
    texts = formats_of(formats, list(layers.values()))
    forms = {name: format_of(text) for name, text in zip(layers, texts, strict=True) if text != PLAIN}
    ends = next(iter(layers), ""), next(reversed(layers), "")
    for name, form in forms.items():
        shape = _last(net.get_submodule(name).weight).shape
        taken = {"depthwise": layers[name].kind == "depthwise", "first": name == ends[0], "last": name == ends[1]}
        if isinstance(form, Pool) and not poolable(shape, form.vector, **taken):
            forms[name] = Int(axis=0)
    return forms


def _pools(net: nn.Module, forms: Mapping[str, Format]) -> dict[str, Side]:
    """Return one pool for all layers of each pool format, fitted to their weights as they are now."""
    found: dict[str, Side] = {}
    for form in {form for form in forms.values() if isinstance(form, Pool)}:
        names = [name for name, other in forms.items() if other == form]
        weights = [_last(net.get_submodule(name).weight) for name in names]
        pool = fit_pool(weights, form.size, form.vector, metric=form.metric)
        found |= {name: {"pool": pool} for name in names}
    return found


def _last(weight: Any) -> NDArray[np.float32]:
    """Return torch's weights as numpy, channels last."""
    return np.ascontiguousarray(channels_last(weight.detach().float().numpy()))


def plain_bytes(net: nn.Module, names: Iterable[str]) -> int:
    """Return the bytes of layers' weights in int8 with an fp32 scale of each filter."""
    shapes = [_last(net.get_submodule(name).weight).shape for name in names]
    return sum(math.prod(shape) + 4 * shape[0] for shape in shapes)


def bias_bytes(net: nn.Module) -> int:
    """Return the bytes of an fp32 bias of each filter of every layer, into which its batch norm is folded."""
    return sum(4 * net.get_submodule(name).weight.shape[0] for name in weight_layers(net))


def _kind(module: Any) -> str:
    if module.groups > 1:
        return "depthwise"
    return "pointwise" if set(module.kernel_size) == {1} else "conv"
