"""Parametrisations of torch modules: weights quantised in the forward pass, with straight-through gradients.

`attach` puts a parametrisation on each layer's weight: forward gives ``decode(encode(weight))``, backward is the
identity (within the surrogate's bounds), so that an optimiser moves the weight behind it. `detach` bakes what the
format keeps. Source: the straight-through estimator is that of Bengio et al., arXiv 1308.3432; when to encode anew is
our own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import parametrize

from slipstick.core.encoding import Encoded
from slipstick.core.errors import SlipstickError
from slipstick.core.format import Format
from slipstick.formats.integer_rows import channels_last
from slipstick.training.approximate_layers import _put_on_hardware, _take_off_hardware
from slipstick.training.learned_pools import _attach_learned, _PooledWeight

if TYPE_CHECKING:
    from slipstick.formats.pool import Pool

Policy = Literal["step", "epoch", "learned"]
_LARGEST_BITS = 8  # of an activation


class Formatted(nn.Module):
    """Weight parametrisation by a number format, encoded anew at each optimiser "step" or at every "epoch".

    An epoch begins where evaluation ends: at the first forward in training mode after one. Until the next one its
    values stand, in evaluation too, while the gradient still moves the weight behind them. The weight that they were
    encoded from, and whether an epoch is about to begin, then belong to the state, so that a training which goes on
    from its state sees the same values.
    """

    behind: Tensor | None
    begins: Tensor

    def __init__(self, form: Format, policy: Policy = "step", side: Mapping[str, NDArray[Any]] | None = None) -> None:
        super().__init__()
        self.form, self.policy, self.side = form, policy, side
        if policy == "epoch":  # a state of the other policy has the weight alone
            self.register_buffer("behind", None)
            self.register_buffer("begins", torch.tensor(False))
        self.values: Tensor | None = None
        self.last: Encoded | None = None
        self.version = -1

    def train(self, mode: bool = True) -> Self:
        """Set training or evaluation mode; a change from evaluation to training begins an epoch."""
        if self.policy == "epoch" and not mode:
            self.begins.fill_(True)
        return super().train(mode)

    def encoded(self, weight: Tensor) -> Encoded:
        """Return the weight encoded in the format, with its input channels last."""
        return self.form.encoding.encode(channels_last(weight.detach().cpu().double().numpy()), self.side)

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight as the format decodes it, with a straight-through gradient."""
        source = weight if self.policy == "step" else self._of_epoch(weight)
        if self.values is None or source._version != self.version:
            self.last, self.version = self.encoded(source), source._version
            values = self.last.values
            back = np.moveaxis(values, -1, 1) if weight.ndim > 2 else values
            self.values = torch.from_numpy(np.ascontiguousarray(back)).to(weight)
        bounds = self.form.stand_in
        through = weight if bounds.low is None else weight.clamp(bounds.low, bounds.high)
        return self.values + (through - through.detach())  # the kept values to the bit: what is added is zero

    def _of_epoch(self, weight: Tensor) -> Tensor:
        """Return the weight that this epoch is computed with, taken at the epoch's start."""
        if self.behind is None:
            self.behind = weight.detach().clone()
        elif self.begins and self.training:
            self.behind.copy_(weight.detach())
            self.begins.fill_(False)
        return self.behind


class Activation(nn.Module):
    """Quantiser of activations to `bits` bits (changeable at run time), unsigned from 0 or signed.

    While it trains the scale follows the batch's largest magnitude, as a running mean; afterwards it stands. A narrower
    width covers the same range by coarser steps.
    """

    scale: Tensor

    def __init__(self, bits: int = 8, *, signed: bool = False, momentum: float = 0.1) -> None:
        super().__init__()
        self.signed, self.momentum = signed, momentum
        self.bits = _width(bits)
        self.register_buffer("scale", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` quantised, with a straight-through gradient where `x` is not clipped."""
        if self.training:
            largest = x.detach().abs().max()
            mixed = largest if self.scale == 0 else torch.lerp(self.scale, largest, self.momentum)
            self.scale.copy_(mixed)
        top = 2 ** (self.bits - 1) - 1 if self.signed else 2**self.bits - 1
        step = torch.where(self.scale > 0, self.scale, torch.ones_like(self.scale)) / top
        clipped = x.clamp(-top * step if self.signed else torch.zeros_like(step), top * step)
        steps: Tensor = torch.round(clipped / step).detach() * step
        return steps + (clipped - clipped.detach())


def attach(
    module: nn.Module,
    layer_formats: Mapping[str, Format],
    *,
    policy: Policy = "step",
    sides: Mapping[str, Mapping[str, NDArray[Any]]] | None = None,
    input_scales: Mapping[str, float] | None = None,
) -> None:
    """Attach number formats to layers as weight parametrisations, by names of `module.named_modules()`.

    A layer whose arithmetic's products are not exact (`Arithmetic.exact_products`) computes by it from then on.

    Parameters
    ----------
    policy : encode anew at every training "step", or at every "epoch": when training follows an evaluation; or, with
        pools in `sides`, let these move too, "learned" (`learned_pools`). Formats without a pool then follow steps, and
        so do layers that compute by their arithmetic.
    sides : what is given beside the codes of a layer: a pool that stays fixed, shifts of each filter, a scale.
    input_scales : the input that is full scale, of layers that compute by their arithmetic. Default: 1.

    Errors
    ------
    SlipstickError for a layer that is not there, has no weight, or has a format already; and for one of another kind
    than Conv2d and Linear with inexact products.
    """
    layers = dict(module.named_modules())
    for name in layer_formats:
        if name not in layers or not isinstance(getattr(layers[name], "weight", None), Tensor):
            allowed = [key for key, layer in layers.items() if isinstance(getattr(layer, "weight", None), Tensor)]
            raise SlipstickError("no such layer with a weight", path="attach", value=name, allowed=allowed)
        if parametrize.is_parametrized(layers[name], "weight"):
            raise SlipstickError("has a format already", path="attach", value=name)
    learned = _learned(layer_formats, sides or {}) if policy == "learned" else {}
    for name, form in layer_formats.items():
        if name in learned:
            continue
        formatted = Formatted(form, "step" if policy == "learned" else policy, (sides or {}).get(name))
        formatted.train(module.training)
        parametrize.register_parametrization(layers[name], "weight", formatted)
        if not form.arithmetic.exact_products:
            _put_on_hardware(layers[name], form, (input_scales or {}).get(name, 1.0))
    if learned:
        _attach_learned(module, learned, sides or {})


def _learned(layer_formats: Mapping[str, Format], sides: Mapping[str, Mapping[str, NDArray[Any]]]) -> dict[str, Pool]:
    """Return the pool encodings of the layers that are given a pool and whose products are exact."""
    return {
        name: cast("Pool", form.encoding)
        for name, form in layer_formats.items()
        if "pool" in sides.get(name, {}) and form.arithmetic.exact_products
    }


def encoded_weights(module: nn.Module) -> dict[str, Encoded]:
    """Return every attached layer's encoded weight, input channels last, for `packed.write_packed`."""
    encoded = {}
    for name, formatted in _formatted(module).items():
        _ = module.get_submodule(name).weight  # encodes what has moved
        last = formatted.encoded_pool() if isinstance(formatted, _PooledWeight) else formatted.last
        if last is not None:
            encoded[name] = last
    return encoded


def detach(module: nn.Module) -> None:
    """Remove formats and arithmetics from a module, and leave the decoded values as its weights."""
    for name in _formatted(module):
        _take_off_hardware(module.get_submodule(name))
        parametrize.remove_parametrizations(module.get_submodule(name), "weight", leave_parametrized=True)


def set_activation_bits(module: nn.Module, bits: int) -> None:
    """Set the bits of every `Activation` in a module; nothing else changes."""
    for layer in module.modules():
        if isinstance(layer, Activation):
            layer.bits = _width(bits)


def _formatted(module: nn.Module) -> dict[str, Formatted | _PooledWeight]:
    formatted: dict[str, Formatted | _PooledWeight] = {}
    for name, layer in module.named_modules():
        if parametrize.is_parametrized(layer, "weight"):
            for part in layer.parametrizations.weight:
                if isinstance(part, Formatted | _PooledWeight):
                    formatted[name] = part
    return formatted


def _width(bits: int) -> int:
    if not 2 <= bits <= _LARGEST_BITS:
        raise SlipstickError("out of range", path="activation.bits", value=bits, allowed=f"2 to {_LARGEST_BITS}")
    return bits
