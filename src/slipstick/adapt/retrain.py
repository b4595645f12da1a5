"""Weights of a torch module in number formats while it trains: forward what remains of them, backward straight through.

Source of the straight-through estimator: Bengio et al., arXiv 1308.3432; used as in SWIS (Li et al., arXiv 2103.01308),
whose recipe we do not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slipstick.core.extras import require
from slipstick.core.format import Format
from slipstick.formats import format_of
from slipstick.formats.patterns import Layer, formats_of

if TYPE_CHECKING:
    from torch import Tensor, nn


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

    The module's parameters stay what they were: gradients reach them as if nothing had been rounded, and every forward
    pass in training chooses positions anew.

    Parameters
    ----------
    formats : ``swis:2``, or by patterns: ``swis:2;first=fp32;last=int8:axis=0``.
    """
    parametrize = require("torch.nn.utils.parametrize", "torch")
    layers = weight_layers(net)
    texts = formats_of(formats, list(layers.values()))
    forms = {name: format_of(text) for name, text in zip(layers, texts, strict=True) if text != "fp32"}
    for name, form in forms.items():
        parametrize.register_parametrization(net.get_submodule(name), "weight", _held(form))
    return forms


def detach(net: nn.Module, forms: Mapping[str, Format]) -> None:
    """Leave in the weights what the formats kept of them, and take the formats away."""
    parametrize = require("torch.nn.utils.parametrize", "torch")
    for name in forms:
        parametrize.remove_parametrizations(net.get_submodule(name), "weight", leave_parametrized=True)


def kept(form: Format, weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what a format keeps of torch's weights [filters, channels, ...], whose groups lie along the channels."""
    last = np.moveaxis(weights, 1, -1) if weights.ndim > 2 else weights
    found = form.round(np.ascontiguousarray(last))
    return np.moveaxis(found, -1, 1) if weights.ndim > 2 else found


def _kind(module: Any) -> str:
    if module.groups > 1:
        return "depthwise"
    return "pointwise" if set(module.kernel_size) == {1} else "conv"


def _held(form: Format) -> nn.Module:
    """Return the module that rounds a weight in the forward pass only."""
    torch = require("torch", "torch")

    class Held(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, weight: Tensor) -> Tensor:
            found = torch.from_numpy(np.ascontiguousarray(kept(form, weight.detach().float().numpy())))
            held: Tensor = weight + (found.to(weight.dtype) - weight).detach()
            return held

    return Held()
