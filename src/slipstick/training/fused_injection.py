"""Injected sums in one pass of a native kernel: stand-in, bias, what is fixed, noise, and the backward pass's slopes.

For the layers that training meets most: counts of positive and negative products that saturate together, errors by the
sum; and sums that do not saturate, errors by the channel. All else, and machines without a compiler, take the torch
operations of `injected_sums`, with the same noise.
"""

from __future__ import annotations

import ctypes
import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from slipstick.core.arithmetic import Arithmetic
from slipstick.core.arrays import AnyArray
from slipstick.core.window import WholeNumbers, Window
from slipstick.formats import format_of
from slipstick.formats.arithmetic.kernels.native_library import native_library
from slipstick.training.approximate_layers import _both, _convolve, _joined, _LayerProduct, _products_in_bf16, _through
from slipstick.training.error_models import DEGREE, LayerError, PolynomialError
from slipstick.training.injection_noise import noise_keys, normal_noise

_CLIPPED, _NEGATIVE = 1, 2  # flags of inject_operands()
_CLOSE = 2e-5  # of fp32 sums of a dozen terms of about 1: hundreds of roundings


class _Injection(ctypes.Structure):
    """The C struct ``injection`` of native/injection.c."""

    _fields_ = [
        ("blocks", ctypes.c_int64), ("size", ctypes.c_int64), ("counted", ctypes.c_int64), ("fixed", ctypes.c_int64),
        ("groups", ctypes.c_int64), ("keys", ctypes.c_uint32 * 3), ("pad", ctypes.c_uint32),
        ("bias", ctypes.c_float * (DEGREE + 1)), ("deviation", ctypes.c_float * (DEGREE + 1)),
        ("middle", ctypes.c_float), ("inverse", ctypes.c_float), ("floor", ctypes.c_float),
    ]  # fmt: skip


@dataclass(frozen=True, eq=False)
class InjectedLayer:
    """Layer whose sums are injected: its product, model of errors and seed of noise, input scale and weights' step.

    `low`: gradients are those of products in bf16, as the training around them computes.
    """

    product: _LayerProduct
    model: LayerError
    seed: int
    scale: Tensor
    step: Tensor
    low: bool = False

    def unit(self, filters: int, area: int) -> Tensor:
        """Return the value of a sum of fractions at every place, [filters * area]."""
        units = (self.scale * self.step * self.product.full[1]).float().view(-1, 1)
        return units.expand(filters, area).reshape(-1).contiguous()


def fused_sums(x: Tensor, weight: Tensor, layer: InjectedLayer) -> Tensor | None:
    """Return injected sums [b, n, rows, columns] of inputs [b, c, h, w]; None where the kernel does not give them."""
    library = native_library("injection", _agrees)
    stand_in, arithmetic = layer.product.form.stand_in, layer.product.form.arithmetic
    by_sum = isinstance(layer.model.model, PolynomialError)
    if library is None or not x.numel() or not weight.numel():
        return None
    if by_sum != (stand_in.kind == "poisson") or (not by_sum and stand_in.kind != "straight-through"):
        return None
    if by_sum and arithmetic.tap_groups((weight.shape[1], weight.shape[2], weight.shape[3])).any():
        return None
    inputs = _fractions(library, arithmetic, x, layer)
    if by_sum and inputs.negative:
        return None
    apply: Any = _FusedSums.apply
    result: Tensor = apply(x, weight, inputs, layer, library)
    return result


@dataclass(frozen=True, eq=False)
class _Fractions:
    """Inputs as fractions, whether any is negative, and which are not clipped; None where none is."""

    values: Tensor
    negative: bool
    inside: Tensor | None


def _fractions(library: Any, arithmetic: Arithmetic, x: Tensor, layer: InjectedLayer) -> _Fractions:
    """Return inputs as the fractions of full scale that hardware carries."""
    full, factor = layer.product.full[0], float(layer.product.full[0] / layer.scale)
    values, flags = _looked_up(library, arithmetic, x.detach(), factor, (full, full - 1))
    inside = (x.detach() * factor).round_().abs_() < full if flags & _CLIPPED else None
    return _Fractions(values, bool(flags & _NEGATIVE), inside)


def _looked_up(
    library: Any, arithmetic: Arithmetic, x: Tensor, factor: float, limits: tuple[int, int]
) -> tuple[Tensor, int]:
    """Return x times a factor as whole numbers up to the second limit, over full scale as hardware carries them.

    The flags tell whether any was clipped or is negative.
    """
    x, table = x.contiguous(), _carried_table(arithmetic, *limits)
    values, sizes = torch.empty_like(x), (ctypes.c_int64(x.numel()), ctypes.c_float(factor), ctypes.c_int32(limits[1]))
    flags: int = library.inject_operands(_address(x), *sizes, _address(table), _address(values))
    return values, flags


@functools.lru_cache(maxsize=64)
def _carried_table(arithmetic: Arithmetic, full: int, top: int) -> Tensor:
    """Return what hardware carries of the whole numbers from -top to top."""
    return torch.from_numpy(arithmetic.carried(WholeNumbers(np.arange(-top, top + 1).astype(np.int16), full)))


class _FusedSums(torch.autograd.Function):
    """Injected sums; gradients of the stand-in times 1 + bias', straight through rounding, 0 by clipped inputs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, inputs: _Fractions, layer: InjectedLayer, library: Any) -> Tensor:
        """Return [b, n, rows, columns] of inputs [b, c, h, w] by weights [n, c / groups, rows, columns]."""
        window, full = layer.product.window, layer.product.full[1]
        steps = weight / layer.step.view(-1, 1, 1, 1)
        a, b = inputs.values, _looked_up(library, layer.product.form.arithmetic, steps, 1.0, (full, full))[0]
        ctx.inside, ctx.layer, ctx.library, ctx.low = inputs.inside, layer, library, layer.low
        if not isinstance(layer.model.model, PolynomialError):
            ctx.save_for_backward(a, b)
            return _by_channel(library, layer, _convolve(window, a, b).contiguous())
        slopes = _convolve(window, a, _joined(window, b.clamp(min=0), b.clamp(max=0).neg_())).contiguous()
        results = _by_sum(library, layer, slopes)
        ctx.save_for_backward(a, b, slopes)
        return results

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of inputs and weights."""
        a, b, *rest = ctx.saved_tensors
        layer, window, gradient = ctx.layer, ctx.layer.product.window, gradients[0].contiguous()
        units = (layer.step * layer.product.full[1]).view(
            -1, 1, 1, 1
        )  # of the weights; a result's are these times scale
        if rest:
            slopes, struct = rest[0], _struct(layer, gradient, window.groups)
            scaled = torch.empty_like(slopes)
            ctx.library.inject_slopes(ctypes.byref(struct), *map(_address, (slopes, gradient, scaled)))
            more, less = b.clamp(min=0).mul_(units), b.clamp(max=0).neg_().mul_(units)
            with _products_in_bf16(ctx.low):
                by_input, by_weight = _through(window, a, b, more, less, scaled, first=not ctx.needs_input_grad[0])
        else:
            with _products_in_bf16(ctx.low):
                by_input, by_weight = _both(window, a, b * units, gradient, first=not ctx.needs_input_grad[0])
        by_input = by_input if ctx.inside is None else by_input * ctx.inside
        return by_input if ctx.needs_input_grad[0] else None, by_weight.mul_(layer.scale), None, None, None


def _struct(layer: InjectedLayer, results: Tensor, groups: int) -> _Injection:
    """Return what the kernel is told, for results [b, n, rows, columns]."""
    struct = _Injection(groups=groups, fixed=layer.model.fixed is not None, counted=layer.product.form.stand_in.counted)
    struct.blocks, struct.keys = len(results) * groups, noise_keys(layer.seed)
    struct.size = results.numel() // len(results) // groups
    model = layer.model.model
    if isinstance(model, PolynomialError):
        for name, values in (("bias", model.bias), ("deviation", model.deviation)):
            coefficients = np.zeros(DEGREE + 1)
            coefficients[: len(values)] = values
            setattr(struct, name, tuple(coefficients.tolist()))
        struct.middle, struct.inverse, struct.floor = model.middle, 1 / model.half, model.floor
    return struct


def _by_sum(library: Any, layer: InjectedLayer, slopes: Tensor) -> Tensor:
    """Return injected sums of positive and negative sums [b, groups 2 n, rows, columns], which become slopes."""
    shape = (len(slopes), slopes.shape[1] // 2, *slopes.shape[2:])
    results = torch.empty(shape)
    fixed = layer.model.fixed
    places = torch.from_numpy(np.zeros(1) if fixed is None else fixed).float()
    struct = _struct(layer, results, layer.product.window.groups)
    arrays = (slopes, places, layer.unit(*_places(results)), results)
    library.inject_counts(ctypes.byref(struct), *map(_address, arrays))
    return results


def _by_channel(library: Any, layer: InjectedLayer, sums: Tensor) -> Tensor:
    """Return injected sums [b, n, rows, columns], in place."""
    model, (filters, area) = layer.model.model, _places(sums)
    if isinstance(model, PolynomialError):
        raise TypeError("a model by the sum has parts")
    unit, moments = layer.unit(filters, area), (model.means, model.deviations)
    mean, spread = (torch.from_numpy(values).float().repeat_interleave(area) for values in moments)
    if layer.model.fixed is not None:
        mean = mean + spread * torch.from_numpy(layer.model.fixed).float()
    struct = _struct(layer, sums, 1)
    arrays = (sums, mean * unit, spread * unit, unit)
    library.inject_channels(ctypes.byref(struct), *map(_address, arrays))
    return sums


def _places(results: Tensor) -> tuple[int, int]:
    """Return the number of filters, and of places of a map, of [b, n, rows, columns]."""
    return results.shape[1], results.shape[2] * results.shape[3]


def _address(tensor: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr())


def _agrees(library: Any) -> bool:
    """Return whether the kernel gives the stand-in, the model and the noise of the slow forms, slopes among them.

    Source: the numbers are sizes and models of layers drawn at random; they stand for nothing else.
    """
    random = np.random.default_rng(0)
    for text, groups, size in (("or", 1, 40), ("or2", 2, 33), ("or7", 1, 16)):
        product = _LayerProduct(format_of(f"int8@stochastic:length=32,count={text}"), Window(groups=groups))
        sums = torch.from_numpy(random.exponential(1.0, (3, groups * 2, size, 1)).astype(np.float32))
        curve = PolynomialError(random.normal(size=6) / 9, np.array([0.2, 0.1]), 0.8, 0.5, 0.15)
        model = LayerError(curve, random.normal(size=2 * groups * size) if groups == 2 else None)
        step = torch.from_numpy(random.uniform(0.1, 1, groups).astype(np.float32))
        layer = InjectedLayer(product, model, 7, torch.tensor(1 / 128), step)
        slopes = sums.clone()
        results = _by_sum(library, layer, slopes)
        expected = _slow_counts(layer, sums.double().numpy())
        for ours, theirs in zip((results, slopes), expected, strict=True):
            if not np.allclose(ours.numpy(), theirs, rtol=_CLOSE, atol=_CLOSE):
                return False
    return True


def _slow_counts(layer: InjectedLayer, sums: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Return injected sums and slopes of positive and negative sums [b, groups 2, rows, 1], one filter a group."""
    model, stand_in, groups = layer.model.model, layer.product.form.stand_in, layer.product.window.groups
    if not isinstance(model, PolynomialError):
        raise TypeError("a model by the channel has no parts")
    counts = stand_in.value(sums)
    slopes = stand_in.derivative(sums) * (1 + model.slope(counts))
    spread = model.spread(counts)
    means = counts + model.mean(counts)
    if layer.model.fixed is not None:
        places = layer.model.fixed.reshape(2, groups, *sums.shape[2:]).swapaxes(0, 1).reshape(sums.shape[1:])
        means = means + spread * places
    pairs = means[:, ::2] - means[:, 1::2]
    noise = normal_noise(layer.seed, pairs.size).reshape(pairs.shape)
    unit = layer.unit(groups, 1).double().numpy()[:, None, None]
    return (pairs + np.hypot(spread[:, ::2], spread[:, 1::2]) * noise) * unit, slopes
