"""Weighted layers of a torch module as number formats act on them, and the batch norms behind them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.formats.integer_rows import channels_last
from slipstick.trained.network import LayerKind, Values, WeightLayer

if TYPE_CHECKING:
    from torch import Tensor, nn

    from slipstick.datasets.images import Shape


def _module_layers(net: nn.Module, norms: Mapping[str, str]) -> tuple[WeightLayer, ...]:
    """Return the convolutions and dense layers of a module by name, in the module's order.

    Parameters
    ----------
    norms : layer -> the batch norm that corrects it (`_norms_behind`), where the layer has no bias.
    """
    return tuple(
        WeightLayer(name, _kind(layer), _weights(layer), bias=_bias(net, layer, norms.get(name)), label=name)
        for name, layer in _layers(net).items()
    )


def _norms_behind(net: nn.Module, shape: Shape) -> dict[str, str]:
    """Return by layer the batch norm that is the only reader of its output; other layers are left out.

    One black image is computed: which module reads which tensor is told by the tensors' identity.

    Parameters
    ----------
    shape : height, width and channels of an image.
    """
    torch = require("torch", "torch")
    made: dict[int, str] = {}  # identity of an output -> the layer that made it
    alive: list[Tensor] = []  # so that no identity is used twice
    readers: dict[str, set[str]] = {}

    def writer(name: str) -> Any:
        def hook(layer: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            made[id(output)] = name
            alive.append(output)

        return hook

    def reader(norm: str) -> Any:
        def hook(layer: Any, inputs: tuple[Tensor, ...]) -> None:
            if (name := made.get(id(inputs[0]))) is not None:
                readers.setdefault(name, set()).add(norm)

        return hook

    norms = [(name, part) for name, part in net.named_modules() if isinstance(part, torch.nn.BatchNorm2d)]
    if not norms:
        return {}
    hooks = [layer.register_forward_hook(writer(name)) for name, layer in _layers(net).items()]
    hooks += [norm.register_forward_pre_hook(reader(name)) for name, norm in norms]
    try:
        with torch.inference_mode():
            net(torch.zeros(1, shape[2], *shape[:2]))
    finally:
        for hook in hooks:
            hook.remove()
    return {name: next(iter(behind)) for name, behind in readers.items() if len(behind) == 1}


def _put_weights(net: nn.Module, weights: Values, biases: Values, norms: Mapping[str, str]) -> None:
    """Replace weights and biases of a module's layers in place, in the units of `_module_layers`.

    Errors
    ------
    SlipstickError for a layer that is not there, or has no bias and no batch norm; and for another shape.
    """
    torch = require("torch", "torch")
    layers = _layers(net)
    for path, names in (("weights", weights), ("biases", biases)):
        for name in names:
            if name not in layers:
                raise SlipstickError("no such layer with weights", path=path, value=name, allowed=layers)
    for name, values in weights.items():
        moved = np.moveaxis(values, -1, 1) if np.ndim(values) > 2 else values
        layers[name].weight = _parameter(torch, moved, layers[name].weight, f"weights.{name}")
    for name, values in biases.items():
        if layers[name].bias is not None:
            layers[name].bias = _parameter(torch, values, layers[name].bias, f"biases.{name}")
        elif name in norms:
            mean: Any = net.get_submodule(norms[name]).running_mean
            mean.copy_(torch.from_numpy(-np.asarray(values, np.float32)))
        else:
            raise SlipstickError("the layer has neither a bias nor a batch norm", path=f"biases.{name}")


def _layers(net: nn.Module) -> dict[str, Any]:
    nn_ = require("torch.nn", "torch")
    return {name: part for name, part in net.named_modules() if isinstance(part, nn_.Conv2d | nn_.Linear)}


def _kind(layer: Any) -> LayerKind:
    if layer.weight.ndim == 2:
        return "linear"
    if layer.groups > 1:
        return "depthwise"
    return "pointwise" if set(layer.kernel_size) == {1} else "conv"


def _weights(layer: Any) -> FloatArray:
    return np.ascontiguousarray(channels_last(layer.weight.detach().double().numpy()))


def _bias(net: nn.Module, layer: Any, norm: str | None) -> Any:
    if layer.bias is not None:
        return layer.bias.detach().numpy().copy()
    mean: Any = None if norm is None else getattr(net.get_submodule(norm), "running_mean", None)
    return None if mean is None else -mean.detach().numpy()


def _parameter(torch: Any, values: Any, former: Any, path: str) -> Any:
    if tuple(np.shape(values)) != tuple(former.shape):
        raise SlipstickError("another shape", path=path, value=np.shape(values), allowed=str(tuple(former.shape)))
    tensor = (
        former.detach().clone()
    )  # its order in memory too: kernels of convolutions differ by it, and their rounding
    tensor.copy_(torch.from_numpy(np.ascontiguousarray(values)))
    return torch.nn.Parameter(tensor, requires_grad=former.requires_grad)
