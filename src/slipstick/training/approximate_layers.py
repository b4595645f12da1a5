"""Layers of torch modules on approximate arithmetic: exact forward passes, and the stand-in's gradient backward.

The forward pass quantises the inputs and gives the hardware's own sums (`Arithmetic.layer_sums`), in training and in
evaluation alike. The backward pass differentiates the arithmetic's smooth stand-in, fed the operands that the hardware
carries. Source: Li et al., arXiv 2304.04125, whose training code (nanocad-lab/rex-sc) overwrites the stand-in's values
by the exact ones in the same way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache, partial
from types import MethodType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.grad import conv2d_input, conv2d_weight

from slipstick.core.arithmetic import Arithmetic
from slipstick.core.arrays import Float32Array
from slipstick.core.errors import SlipstickError
from slipstick.core.format import Format
from slipstick.core.stand_in import StandIn
from slipstick.core.window import WholeNumbers, Window

_INPUT_FULL = 128  # inputs have 8 bits: a sign and 7 bits of magnitude
_INPUT_SCALE = "input_scale"


@dataclass(frozen=True)
class LayerProduct:
    """Product of a layer: its format, its window, and full scale of its weights' whole numbers."""

    form: Format
    window: Window

    @property
    def full(self) -> tuple[int, int]:
        """Full scales of inputs and weights."""
        return _INPUT_FULL, self.form.encoding.full_scale


class _ExactForward(torch.autograd.Function):
    """Sums of a layer as hardware gives them; gradients of the stand-in, straight through rounding, 0 where clipped."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, product: LayerProduct, scale: Tensor, step: Tensor) -> Tensor:
        """Return [b, n, rows, columns] of inputs [b, c, h, w] by weights [n, c / groups, rows, columns].

        Parameters
        ----------
        scale : input that is full scale. step : of the weights' whole numbers, [1 or n].
        """
        full, step = product.full, step.view(-1, 1, 1, 1)
        codes = torch.round(x * (full[0] / scale))
        inside = codes.abs() < full[0]
        codes = codes.clamp_(1 - full[0], full[0] - 1).to(torch.int16).contiguous()
        weights = torch.round(weight / step).clamp_(-full[1], full[1]).to(torch.int16).contiguous()
        a, b = WholeNumbers(codes.numpy(), full[0]), WholeNumbers(weights.numpy(), full[1])
        sums = torch.from_numpy(np.asarray(product.form.arithmetic.layer_sums(a, b, product.window), np.float32))
        ctx.product = product
        ctx.save_for_backward(codes, weights, inside, scale, step)
        return sums.mul_((scale / full[0] * step).view(1, -1, 1, 1))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of inputs and weights."""
        codes, weights, inside, scale, step = ctx.saved_tensors
        product, full = ctx.product, ctx.product.full
        a, b = (_carried(product.form.arithmetic, *pair) for pair in ((codes, full[0]), (weights, full[1])))
        # the layer's result is that of fractions times both full scales
        gradient = gradients[0] * (scale * step * full[1]).view(1, -1, 1, 1)
        by_input, by_weight = _backward(product, a, b, gradient)
        return by_input.mul_(inside).div_(scale), by_weight.div_(step * full[1]), None, None, None


def _backward(product: LayerProduct, a: Tensor, b: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Return the stand-in's gradients by inputs and weights, both as fractions of full scale."""
    stand_in = product.form.stand_in
    convolve = partial(_convolve, product.window)
    if stand_in.kind != "poisson":
        inner = gradient if stand_in.low is None else gradient * _within(stand_in, convolve(a, b))
        return _by_input(product.window, a, b, inner), _by_weight(product.window, a, b, inner)
    groups = torch.from_numpy(product.form.arithmetic.tap_groups(tuple(b.shape[1:])))
    by_input, by_weight = torch.zeros_like(a), torch.zeros_like(b)
    for group in groups.unique() if int(groups.max()) else [None]:
        own = b if group is None else b * (groups == group)
        more, less = own.clamp(min=0), own.clamp(max=0).neg_()
        signed = bool((a < 0).any())
        ups, downs = (_both_signs(convolve, a, *pair, signed) for pair in ((more, less), (less, more)))
        ups, downs = (gradient * _poisson_slope(sums, stand_in.counted) for sums in (ups, downs))
        inputs = _by_input(product.window, a, torch.cat([more, -less]), (ups, downs))
        if signed:
            flipped = _by_input(product.window, a, torch.cat([more, -less]), (downs, ups))
            inputs = torch.where(a < 0, flipped, inputs)
        by_input += inputs
        slopes = [_by_weight(product.window, a.clamp(min=0), b, part) for part in (ups, downs)]
        if signed:
            other = [_by_weight(product.window, a.clamp(max=0), b, part) for part in (downs, ups)]
            slopes = [slope + turned for slope, turned in zip(slopes, other, strict=True)]
        slope = torch.where(b < 0, slopes[1], slopes[0])
        by_weight += slope if group is None else slope * (groups == group)
    return by_input, by_weight


def _both_signs(convolve: Any, a: Tensor, more: Tensor, less: Tensor, signed: bool) -> Tensor:
    """Return the sums of positive products: of inputs above zero by `more`, and of those below by `less`."""
    if not signed:
        return convolve(a, more)  # type: ignore[no-any-return]
    return convolve(a.clamp(min=0), more) + convolve(a.clamp(max=0).neg_(), less)  # type: ignore[no-any-return]


def _poisson_slope(sums: Tensor, counted: int) -> Tensor:
    """Return exp(-s) sum_{i<n} s^i / i!, the derivative of the expected count (`StandIn.derivative`)."""
    chance = torch.exp(-sums)
    if counted == 1:
        return chance
    powers = sum(sums**i / math.factorial(i) for i in range(counted))
    return chance * powers


def _within(stand_in: StandIn, sums: Tensor) -> Tensor:
    return torch.from_numpy(stand_in.derivative(sums.numpy())).to(sums)


def _pad(window: Window) -> list[int]:
    return [*window.padding[1], *window.padding[0]]


def _plain(window: Window) -> dict[str, Any]:
    return {"stride": window.stride, "dilation": window.dilation, "groups": window.groups}


def _symmetric(window: Window) -> bool:
    return all(first == last for first, last in window.padding)


def _convolve(window: Window, a: Tensor, b: Tensor) -> Tensor:
    if _symmetric(window):
        return functional.conv2d(a, b, padding=tuple(pad[0] for pad in window.padding), **_plain(window))
    return functional.conv2d(functional.pad(a, _pad(window)), b, **_plain(window))


def _by_input(window: Window, a: Tensor, b: Tensor, gradient: Tensor | tuple[Tensor, Tensor]) -> Tensor:
    """Return the gradient by inputs; of two gradients, by two banks of weights [2 n, ...], both in one convolution."""
    if isinstance(gradient, tuple) and window.groups > 1:
        half = len(b) // 2
        return _by_input(window, a, b[:half], gradient[0]) + _by_input(window, a, b[half:], gradient[1])
    joined = torch.cat(gradient, 1) if isinstance(gradient, tuple) else gradient
    return _framed(window, a, partial(conv2d_input, weight=b, grad_output=joined))


def _framed(window: Window, a: Tensor, by_input: Any) -> Tensor:
    """Return the gradient by inputs where padding may differ from side to side."""
    (top, bottom), (left, right) = window.padding
    if _symmetric(window):
        return by_input(a.shape, padding=(top, left), **_plain(window))  # type: ignore[no-any-return]
    shape = (*a.shape[:2], a.shape[2] + top + bottom, a.shape[3] + left + right)
    whole = by_input(shape, **_plain(window))
    return whole[:, :, top : top + a.shape[2], left : left + a.shape[3]].clone()  # type: ignore[no-any-return]


def _by_weight(window: Window, a: Tensor, b: Tensor, gradient: Tensor) -> Tensor:
    padding: tuple[int, ...] = tuple(pad[0] for pad in window.padding)
    if not _symmetric(window):
        a, padding = functional.pad(a, _pad(window)), (0, 0)
    return conv2d_weight(a, b.shape, gradient, padding=padding, **_plain(window))


@lru_cache(maxsize=32)
def _carried_table(arithmetic: Arithmetic, full: int) -> Float32Array:
    """Return the fraction that is carried of each whole number, the negative ones at the end, where -1 finds them."""
    return arithmetic.carried(WholeNumbers(np.concatenate([np.arange(full + 1), np.arange(-full, 0)]), full))


def _carried(arithmetic: Arithmetic, codes: Tensor, full: int) -> Tensor:
    return torch.from_numpy(_carried_table(arithmetic, full)[codes.numpy()])


def put_on_hardware(layer: nn.Module, form: Format, scale: float) -> None:
    """Let a convolution or dense layer compute by the arithmetic of a format; its weight is encoded already (`attach`).

    Parameters
    ----------
    scale : input that is full scale, from which on inputs are clipped.

    Errors
    ------
    SlipstickError for a layer of another kind, and padding by other values than zeros.
    """
    layer.register_buffer(_INPUT_SCALE, torch.tensor(float(scale)))
    if isinstance(layer, nn.Linear):
        layer.forward = MethodType(partial(_dense, form), layer)  # type: ignore[method-assign]
    elif isinstance(layer, nn.Conv2d) and layer.padding_mode == "zeros":
        layer._conv_forward = MethodType(partial(_convolution, form), layer)  # type: ignore[method-assign]
    else:
        raise SlipstickError(
            "no such layer on hardware", path="attach", value=type(layer).__name__, allowed="Conv2d, Linear"
        )


def take_off_hardware(layer: nn.Module) -> None:
    """Give a layer its own exact forward pass back; other layers are left alone."""
    if _INPUT_SCALE in layer._buffers:
        del layer._buffers[_INPUT_SCALE]
        for name in ("forward", "_conv_forward"):
            layer.__dict__.pop(name, None)


def exact_sums(layer: Any, form: Format, x: Tensor, weight: Tensor, scale: float, step: Float32Array) -> Tensor:
    """Return what a layer's products are on the hardware of a format, of inputs [b, c, h, w], bias left out.

    Parameters
    ----------
    weight : [n, c / groups, rows, columns]. scale : input that is full scale. step : of the weights' whole numbers.
    """
    product = LayerProduct(form, _window(layer) if isinstance(layer, nn.Conv2d) else Window())
    result: Tensor = _ExactForward.apply(x, weight, product, torch.tensor(scale), torch.from_numpy(step))
    return result


def plain_sums(layer: Any, x: Tensor, weight: Tensor) -> Tensor:
    """Return a layer's exact products of inputs [b, c, h, w] by weights [n, c / groups, rows, columns], no bias."""
    return _convolve(_window(layer) if isinstance(layer, nn.Conv2d) else Window(), x, weight)


def _step(layer: Any) -> Tensor:
    """Return the step of the weights' whole numbers, [1 or n], of the parametrisation that encodes them."""
    return torch.from_numpy(layer.parametrizations.weight[0].last.side["scale"])


def _dense(form: Format, layer: Any, x: Tensor) -> Tensor:
    weight, rows = layer.weight[:, :, None, None], x.reshape(-1, x.shape[-1])[:, :, None, None]
    product = LayerProduct(form, Window())
    result = _ExactForward.apply(rows.float(), weight, product, layer.input_scale, _step(layer))
    result = result[:, :, 0, 0].reshape(*x.shape[:-1], -1)
    return result if layer.bias is None else result + layer.bias


def _convolution(form: Format, layer: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    product = LayerProduct(form, _window(layer))
    result: Tensor = _ExactForward.apply(x.float(), weight, product, layer.input_scale, _step(layer))
    return result if bias is None else result + bias[:, None, None]


def _window(layer: nn.Conv2d) -> Window:
    """Return the window of a torch convolution; ``same`` padding has the larger half behind."""
    if isinstance(layer.padding, str):
        totals = [0, 0] if layer.padding == "valid" else [
            gap * (taps - 1) for gap, taps in zip(layer.dilation, layer.kernel_size, strict=True)
        ]  # fmt: skip
        padding = tuple((total // 2, total - total // 2) for total in totals)
    else:
        padding = tuple((pad, pad) for pad in layer.padding)
    stride, dilation = (tuple(pair) for pair in (layer.stride, layer.dilation))
    return Window(stride, padding, dilation, layer.groups)  # type: ignore[arg-type]
