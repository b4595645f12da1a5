"""The layers of a torch network in formats by one line of text, for retraining; one pool for all that share it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slipstick.compress.pool_choice import choose_pools
from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.core.format import Format
from slipstick.formats import format_of
from slipstick.formats.integer_rows import channels_last
from slipstick.formats.layer_patterns import PatternLayer, formats_of

if TYPE_CHECKING:
    from torch import nn

    from slipstick.compress.torch_parametrization import Policy
    from slipstick.core.progress import Progress

Side = Mapping[str, NDArray[Any]]
PLAIN = "fp32"  # the text that leaves a layer as it is


def weight_layers(net: nn.Module) -> dict[str, PatternLayer]:
    """Return the layers whose weights have formats, by their module's name: convolutions and dense layers, in order."""
    nn_ = require("torch.nn", "torch")
    found = {}
    for name, module in net.named_modules():
        if isinstance(module, nn_.Conv2d):
            found[name] = PatternLayer(name, _kind(module))
        elif isinstance(module, nn_.Linear):
            found[name] = PatternLayer(name, "linear")
    return found


def attach(net: nn.Module, formats: str, *, budget: int | None = None, policy: Policy = "step") -> dict[str, Format]:
    """Hold the weights of a network in formats; returns them by the layers' names. Layers in ``fp32`` are left alone.

    The parameters behind them stay what they were, and gradients reach them as if nothing had been rounded.
    `slipstick.compress.torch_parametrization.detach` leaves what the formats keep in the weights.

    Parameters
    ----------
    formats, budget : as `layer_formats` takes them.
    policy : choose anew what the formats keep after every "step", or when an "epoch" begins.

    Errors
    ------
    SlipstickError as `layer_formats` raises it, and for a network that is held in formats already.

    Examples
    --------
    >>> from slipstick.trained.torch import module
    >>> forms = attach(module("resnet-8", classes=10, shape=(32, 32, 3)), "pool:size=64,vector=9,kind=xy")
    >>> forms["layer1.0.conv1"].name, forms["fc"].name
    ('pool:size=64,vector=9,kind=xy', 'int8:axis=0')
    """
    forms = layer_formats(net, formats, budget=budget)
    hold(net, forms, policy=policy)
    return forms


def hold(
    net: nn.Module,
    forms: Mapping[str, Format],
    *,
    shifts: Mapping[str, NDArray[np.integer[Any]]] | None = None,
    policy: Policy = "step",
) -> None:
    """Hold the weights of layers in formats, a pool for all layers of each pool format fitted to them as they are now.

    Parameters
    ----------
    shifts : of each filter [filters], of the layers that a schedule gives them.
    policy : as `attach` takes it.
    """
    torch_module = require("slipstick.compress.torch_parametrization", "torch")
    sides = _pools(net, forms) | {name: {"shifts": found} for name, found in (shifts or {}).items()}
    torch_module.attach(net, forms, sides=sides, policy=policy)


def layer_formats(
    net: nn.Module, formats: str, *, budget: int | None = None, progress: Progress | None = None
) -> dict[str, Format]:
    """Return the format of each layer, by its name; layers in ``fp32`` are left out.

    Parameters
    ----------
    formats : ``swis:2``, or by patterns: ``swis:2;first=fp32;last=int8:axis=0``. All layers of one pool format share a
        pool; what it does not take stays out of it, in int8 with a scale of each filter: the first layer and the last,
        and those that `slipstick.formats.pool_vectors.poolable` names.
    budget : bytes of all weights: indices, scales, pools, and the other layers as they are stored (4 bytes a weight in
        ``fp32``), no biases. Every pool then gets, for the layers that it takes, the size and the vector of least error
        that fit; its kind stays. Pools that come out alike are one.
    progress : called with the pools tried under a budget.

    Errors
    ------
    SlipstickError for what is no such text, and, path "budget", without a pool or if none fits, naming the smallest.
    """
    layers = weight_layers(net)
    texts = formats_of(formats, list(layers.values()))
    forms = {name: format_of(text) for name, text in zip(layers, texts, strict=True) if text != PLAIN}
    ends = next(iter(layers), ""), next(reversed(layers), "")
    for name, form in forms.items():
        shape = _last(net.get_submodule(name).weight).shape
        taken = {"depthwise": layers[name].kind == "depthwise", "first": name == ends[0], "last": name == ends[1]}
        if not form.encoding.takes(shape, **taken):
            forms[name] = format_of("int8:axis=0")
    return forms if budget is None else _within(net, forms, budget, progress)


def _within(net: nn.Module, forms: Mapping[str, Format], budget: int, progress: Progress | None) -> dict[str, Format]:
    """Return the formats with the pools that fit a budget of bytes of all weights."""
    groups: dict[Format, list[NDArray[np.float32]]] = {}
    beside = 0
    for name in weight_layers(net):
        weight, form = _last(net.get_submodule(name).weight), forms.get(name)
        if form is not None and form.encoding.shared_bytes:
            groups.setdefault(form, []).append(weight)
        else:
            beside += weight.nbytes if form is None else form.encoding.storage_bytes(weight.shape)
    if not groups:
        raise SlipstickError("no layer is in a pool", path="budget", value=budget, allowed="such as pool:size=64")
    pools = choose_pools(list(groups.items()), budget, beside=beside, progress=progress)
    chosen = dict(zip(groups, pools, strict=True))
    return {name: chosen[form] if form.encoding.shared_bytes else form for name, form in forms.items()}


def _pools(net: nn.Module, forms: Mapping[str, Format]) -> dict[str, Side]:
    """Return one pool for all layers of each pool format, fitted to their weights as they are now."""
    found: dict[str, Side] = {}
    for form in {form for form in forms.values() if form.encoding.shared_bytes}:
        names = [name for name, other in forms.items() if other == form]
        weights = [_last(net.get_submodule(name).weight) for name in names]
        side = form.encoding.shared_side(weights)
        found |= dict.fromkeys(names, side)
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
    return sum(4 * len(_last(net.get_submodule(name).weight)) for name in weight_layers(net))


def _kind(module: Any) -> str:
    if module.groups > 1:
        return "depthwise"
    return "pointwise" if set(module.kernel_size) == {1} else "conv"
