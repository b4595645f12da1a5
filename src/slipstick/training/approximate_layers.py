"""Layers of torch modules on approximate arithmetic: exact forward passes, and the stand-in's gradient backward.

The forward pass quantises the inputs and gives the hardware's own sums (`Arithmetic.layer_sums`), in training and in
evaluation alike. The backward pass differentiates the arithmetic's smooth stand-in, fed the operands that the hardware
carries. Source: Li et al., arXiv 2304.04125, whose training code (nanocad-lab/rex-sc) overwrites the stand-in's values
by the exact ones in the same way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from types import MethodType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from slipstick.core.arithmetic import Arithmetic
from slipstick.core.arrays import Float32Array
from slipstick.core.errors import SlipstickError
from slipstick.core.format import Format
from slipstick.core.stand_in import StandIn
from slipstick.core.window import WholeNumbers, Window

_INPUT_FULL = 128  # inputs have 8 bits: a sign and 7 bits of magnitude
_INPUT_SCALE = "input_scale"
_TRAINED_SUMS = (
    "trained_sums"  # a layer's part that forward passes of training ask for sums instead (`error_injection`)
)


@dataclass(frozen=True)
class _LayerProduct:
    """Product of a layer: its format, its window, and full scale of its weights' whole numbers."""

    form: Format
    window: Window

    @property
    def full(self) -> tuple[int, int]:
        """Full scales of inputs and weights."""
        return _INPUT_FULL, self.form.encoding.full_scale


class _ExactForward(torch.autograd.Function):
    """Sums of a layer as hardware gives them; gradients of the stand-in, straight through rounding.

    They are 0 by inputs that are clipped, and through sums that are (`Arithmetic.read_layer`).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, product: _LayerProduct, scale: Tensor, step: Tensor) -> Tensor:
        """Return [b, n, rows, columns] of inputs [b, c, h, w] by weights [n, c / groups, rows, columns].

        Parameters
        ----------
        scale : input that is full scale. step : of the weights' whole numbers, [1 or n].
        """
        full, step = product.full, step.view(-1, 1, 1, 1)
        codes, weights, inside = _whole_operands(x, weight, full, scale, step)
        a, b = WholeNumbers(codes.numpy(), full[0]), WholeNumbers(weights.numpy(), full[1])
        read, ctx.clipped = product.form.arithmetic.read_layer(a, b, product.window)
        sums = torch.from_numpy(np.asarray(read, np.float32))
        ctx.product = product
        ctx.inside = inside
        ctx.low = torch.is_autocast_enabled("cpu")
        ctx.save_for_backward(codes, weights, scale, step)
        return sums.mul_((scale / full[0] * step).view(1, -1, 1, 1))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of inputs and weights."""
        codes, weights, scale, step = ctx.saved_tensors
        product, full = ctx.product, ctx.product.full
        a, b = (_carried(product.form.arithmetic, *pair) for pair in ((codes, full[0]), (weights, full[1])))
        # the layer's result is that of fractions times both full scales
        gradient = gradients[0] * (scale * step * full[1]).view(1, -1, 1, 1)
        with _products_in_bf16(ctx.low):
            by_input, by_weight = _backward(product, a, b, _ready(gradient)[0], first=not ctx.needs_input_grad[0])
        if ctx.clipped is not None:
            by_input, by_weight = by_input.contiguous(), by_weight.contiguous()
            ctx.clipped.remove(gradient.contiguous().numpy(), by_input.numpy(), by_weight.numpy())
        by_input = by_input / scale if ctx.inside is None else by_input * ctx.inside / scale
        return by_input if ctx.needs_input_grad[0] else None, by_weight.div_(step * full[1]), None, None, None


def _products_in_bf16(low: bool) -> Any:
    """Return the context in which `_convolve` and `_both` multiply in bf16, as the training around them does."""
    return torch.autocast("cpu", torch.bfloat16, enabled=low)


def _whole_operands(
    x: Tensor, weight: Tensor, full: tuple[int, int], scale: Tensor, step: Tensor
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return whole numbers of inputs and of weights, and which inputs are not clipped; None where none is.

    Parameters
    ----------
    step : of the weights' whole numbers, [1 or n, 1, 1, 1].
    """
    codes = (x * (full[0] / scale)).round_()
    low, high = torch.aminmax(codes) if codes.numel() else (codes.new_zeros(()),) * 2
    inside = codes.abs() < full[0] if max(-low, high) >= full[0] else None  # most batches clip nothing
    codes = (codes if inside is None else codes.clamp_(1 - full[0], full[0] - 1)).to(torch.int16).contiguous()
    weights = torch.round(weight / step).clamp_(-full[1], full[1]).to(torch.int16).contiguous()
    return codes, weights, inside


def _layer_sums(layer: Any, x: Tensor, weight: Tensor, product: _LayerProduct) -> Tensor:
    """Return a layer's sums: exact, but for forward passes of a training by another method."""
    trained = layer._modules.get(_TRAINED_SUMS) if layer.training else None
    result: Tensor = (trained or _exact)(x.float(), weight, product, layer.input_scale, _step(layer))
    return result


def _exact(*operands: Any) -> Tensor:
    """Return `_ExactForward` of its operands."""
    apply: Any = _ExactForward.apply
    result: Tensor = apply(*operands)
    return result


def _split(tensor: Tensor, axis: int, sizes: tuple[int, ...]) -> Tensor:
    """Return a tensor with one axis as several; -1 is what remains."""
    return tensor.reshape(*tensor.shape[:axis], *sizes, *tensor.shape[axis + 1 :])


def _backward(
    product: _LayerProduct, a: Tensor, b: Tensor, gradient: Tensor, *, first: bool = False
) -> tuple[Tensor, Tensor]:
    """Return the stand-in's gradients by inputs and weights, both as fractions of full scale; `first` as in `_both`."""
    stand_in, window = product.form.stand_in, product.window
    if stand_in.kind != "poisson":
        inner = gradient if stand_in.low is None else gradient * _within(stand_in, _convolve(window, a, b))
        return _both(window, a, b, inner, first=first)
    groups = torch.from_numpy(product.form.arithmetic.tap_groups((b.shape[1], b.shape[2], b.shape[3])))
    if not groups.any():
        return _of_group(window, a, b, gradient, stand_in.counted, first=first)
    by_input, by_weight = torch.zeros_like(a), torch.zeros_like(b)
    for group in range(int(groups.max()) + 1):
        mine = groups == group
        parts = _of_group(window, a, b * mine, gradient, stand_in.counted, first=first)
        by_input += parts[0]
        by_weight += parts[1] * mine
    return by_input, by_weight


def _of_group(
    window: Window, a: Tensor, b: Tensor, gradient: Tensor, counted: int, *, first: bool
) -> tuple[Tensor, Tensor]:
    """Return the gradients of taps that saturate together, sums of either sign apart.

    Inputs of either sign are passes of their own: what a positive input adds to the positive sum, a negative one adds
    to the negative.
    """
    more, less = b.clamp(min=0), b.clamp(max=0).neg_()
    if not a.numel() or a.min() >= 0:
        slopes = _slopes(window, _convolve(window, a, _joined(window, more, less)), gradient, counted)
        return _through(window, a, b, more, less, slopes, first=first)
    above, below = a.clamp(min=0), a.clamp(max=0).neg_()
    sums = _convolve(window, above, _joined(window, more, less)) + _convolve(window, below, _joined(window, less, more))
    slopes = _slopes(window, sums, gradient, counted)
    positive = _through(window, above, b, more, less, slopes, first=first)
    negative = _through(window, -below, b, less, more, slopes, first=first)
    turned = _halves(window, _both(window, below, _joined(window, less, more), slopes, first=True)[1])
    by_weight = positive[1] - torch.where(b < 0, turned[0], turned[1])
    return torch.where(a < 0, -negative[0], positive[0]), by_weight


def _through(
    window: Window, a: Tensor, b: Tensor, more: Tensor, less: Tensor, slopes: Tensor, *, first: bool
) -> tuple[Tensor, Tensor]:
    """Return the gradients of inputs of one sign and of weights b, from those of both sums, side by side."""
    by_input, by_both = _both(window, a, _joined(window, more, -less), slopes, first=first)
    halves = _halves(window, by_both)
    return by_input, torch.where(b < 0, halves[1], halves[0])


def _slopes(window: Window, sums: Tensor, gradient: Tensor, counted: int) -> Tensor:
    """Return the gradient by both sums [b, 2 n, ...] from that by their difference [b, n, ...]."""
    slopes = _split(_poisson_slope(sums, counted), 1, (window.groups, 2, sums.shape[1] // 2 // window.groups))
    slopes *= _split(gradient, 1, (window.groups, 1, -1))
    return slopes.flatten(1, 3)


def _joined(window: Window, more: Tensor, less: Tensor) -> Tensor:
    """Return two banks of filters as one, [2 n, ...], those of a group of channels together."""
    banks = [_split(bank, 0, (window.groups, 1, -1)) for bank in (more, less)]
    return torch.cat(banks, 1).flatten(0, 2)


def _halves(window: Window, both: Tensor) -> tuple[Tensor, Tensor]:
    banks = _split(both, 0, (window.groups, 2, -1))
    return banks[:, 0].flatten(0, 1), banks[:, 1].flatten(0, 1)


def _poisson_slope(sums: Tensor, counted: int) -> Tensor:
    """Return exp(-s) sum_{i<n} s^i / i!, the derivative of the expected count (`StandIn.derivative`); s is lost."""
    powers = None if counted == 1 else sum(sums**i / math.factorial(i) for i in range(counted))
    chance = sums.neg_().exp_()
    return chance if powers is None else chance.mul_(powers)


def _within(stand_in: StandIn, sums: Tensor) -> Tensor:
    return torch.from_numpy(stand_in.derivative(sums.float().numpy())).to(sums)


def _pad(window: Window) -> list[int]:
    return [*window.padding[1], *window.padding[0]]


def _plain(window: Window) -> dict[str, Any]:
    return {"stride": window.stride, "dilation": window.dilation, "groups": window.groups}


def _symmetric(window: Window) -> bool:
    return all(first == last for first, last in window.padding)


def _ready(*tensors: Tensor) -> list[Tensor]:
    """Return tensors as convolutions take them fastest: channels last, and in bf16 where the context says so."""
    low = torch.bfloat16 if torch.is_autocast_enabled("cpu") else None
    return [tensor.to(dtype=low or tensor.dtype, memory_format=torch.channels_last) for tensor in tensors]


def _convolve(window: Window, a: Tensor, b: Tensor) -> Tensor:
    """Return the convolution of inputs by weights, in bf16 where the context says so."""
    a, b = _ready(a, b)
    if _symmetric(window):
        return functional.conv2d(a, b, padding=tuple(pad[0] for pad in window.padding), **_plain(window))
    return functional.conv2d(functional.pad(a, _pad(window)), b, **_plain(window))


def _both(window: Window, a: Tensor, b: Tensor, gradient: Tensor, *, first: bool = False) -> tuple[Tensor, Tensor]:
    """Return a convolution's gradients by inputs and weights, in fp32; padding may differ from side to side.

    Parameters
    ----------
    first : nobody asks for the gradient by the inputs: zeros stand for it.
    """
    padding, framed = [pad[0] for pad in window.padding], a
    if not _symmetric(window):
        framed, padding = functional.pad(a, _pad(window)), [0, 0]
    by_input, by_weight, _ = torch.ops.aten.convolution_backward(
        *_ready(gradient, framed, b), None, list(window.stride), padding, list(window.dilation), False, [0, 0],
        window.groups, [not first, True, False],
    )  # fmt: skip
    by_weight = by_weight.to(b.dtype, memory_format=torch.contiguous_format)
    if first:
        return a.new_zeros(()).expand_as(a), by_weight
    if framed is not a:
        (top, _), (left, _) = window.padding
        by_input = by_input[:, :, top : top + a.shape[2], left : left + a.shape[3]].contiguous()
    return by_input.to(a.dtype, memory_format=torch.contiguous_format), by_weight


def _carried(arithmetic: Arithmetic, codes: Tensor, full: int) -> Tensor:
    return torch.from_numpy(arithmetic.carried(WholeNumbers(codes.numpy(), full)))


def _put_on_hardware(layer: nn.Module, form: Format, scale: float) -> None:
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


def _take_off_hardware(layer: nn.Module) -> None:
    """Give a layer its own exact forward pass back; other layers are left alone."""
    if _INPUT_SCALE in layer._buffers:
        del layer._buffers[_INPUT_SCALE]
        for name in ("forward", "_conv_forward"):
            layer.__dict__.pop(name, None)


def exact_sums(layer: Any, form: Format, x: Tensor, weight: Tensor, scale: float, step: Float32Array) -> Tensor:
    """Return a layer's sums on the hardware of a format, of inputs [b, c, h, w], bias left out.

    Parameters
    ----------
    weight : [n, c / groups, rows, columns]. scale : input that is full scale. step : of the weights' whole numbers.
    """
    product = _LayerProduct(form, _window(layer) if isinstance(layer, nn.Conv2d) else Window())
    result: Tensor = _exact(x, weight, product, torch.tensor(scale), torch.from_numpy(step))
    return result


def whole_operands(
    layer: Any, form: Format, x: Tensor, weight: Tensor, scale: float, step: Float32Array
) -> tuple[WholeNumbers, WholeNumbers, Window]:
    """Return the whole numbers of inputs and weights that `exact_sums` multiplies, and the layer's window."""
    product = _LayerProduct(form, _window(layer) if isinstance(layer, nn.Conv2d) else Window())
    if weight.ndim == 2:
        x, weight = x.reshape(-1, x.shape[-1])[:, :, None, None], weight[:, :, None, None]
    codes = (x * (product.full[0] / scale)).round().clamp(1 - product.full[0], product.full[0] - 1)
    own = torch.round(weight / torch.from_numpy(step).view(-1, 1, 1, 1)).clamp(-product.full[1], product.full[1])
    inputs, weights = (values.to(torch.int16).numpy() for values in (codes, own))
    return WholeNumbers(inputs, product.full[0]), WholeNumbers(weights, product.full[1]), product.window


def is_on_hardware(layer: nn.Module) -> bool:
    """Return whether a layer computes by its arithmetic."""
    return _INPUT_SCALE in layer._buffers


def hardware_operands(
    layer: Any, x: Tensor
) -> tuple[Format, tuple[WholeNumbers, WholeNumbers, Window], Float32Array, float]:
    """Return format, whole operands and window, steps of the weights and input at full scale of a layer on hardware.

    Parameters
    ----------
    x : what reaches the layer.
    """
    step, scale = _step(layer).numpy(), float(layer.input_scale)
    form: Format = layer.parametrizations.weight[0].form
    return form, whole_operands(layer, form, x.float(), layer.weight.detach(), scale, step), step, scale


def plain_sums(layer: Any, x: Tensor, weight: Tensor) -> Tensor:
    """Return a layer's exact products of inputs [b, c, h, w] by weights [n, c / groups, rows, columns], no bias."""
    return _convolve(_window(layer) if isinstance(layer, nn.Conv2d) else Window(), x, weight)


def _step(layer: Any) -> Tensor:
    """Return the step of the weights' whole numbers, [1 or n], of the parametrisation that encodes them."""
    return torch.from_numpy(layer.parametrizations.weight[0].last.side["scale"])


def _dense(form: Format, layer: Any, x: Tensor) -> Tensor:
    weight, rows = layer.weight[:, :, None, None], x.reshape(-1, x.shape[-1])[:, :, None, None]
    product = _LayerProduct(form, Window())
    result = _layer_sums(layer, rows, weight, product)
    result = result[:, :, 0, 0].reshape(*x.shape[:-1], -1)
    return result if layer.bias is None else result + layer.bias


def _convolution(form: Format, layer: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    product = _LayerProduct(form, _window(layer))
    result = _layer_sums(layer, x, weight, product)
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
