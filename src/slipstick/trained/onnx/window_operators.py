"""Sliding windows of ONNX operators: their padding, and pools."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from slipstick.trained.onnx.builder_context import _Built, _FileFacts
from slipstick.trained.onnx.constants import LARGEST
from slipstick.trained.onnx.node_attributes import _OnnxNode

_AUTOMATIC = ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")


@dataclass(frozen=True)
class _SlidingWindow:
    """Sliding window: kernel, strides, dilations (height, width), pads (top, left, bottom, right), rounding."""

    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    pads: tuple[int, int, int, int]
    automatic: str
    ceil: bool

    @property
    def spans(self) -> tuple[int, int]:
        """Return the pixels (height, width) that the dilated window covers."""
        height, width = ((side - 1) * gap + 1 for side, gap in zip(self.kernel, self.dilations, strict=True))
        return height, width

    def padding(self) -> tuple[int, int] | None:
        """Return the symmetric pads (height, width) that suit any image size, or None if the window has none."""
        if self.automatic.startswith("SAME"):
            even = self.strides == (1, 1) and all(span % 2 for span in self.spans)
            return (self.spans[0] // 2, self.spans[1] // 2) if even else None
        top, left, bottom, right = self.pads
        return (top, left) if (top, left) == (bottom, right) and not self.ceil else None

    def around(self, x: Tensor) -> list[tuple[int, int, int]]:
        """Return for height and width of `x` the pads before and behind, and the extra ones of ceil rounding.

        Errors
        ------
        ValueError if `x` is no batch of images, or smaller than the window.
        """
        if x.ndim != 4:
            raise ValueError(f"it needs images, [n, channels, height, width], and reads {tuple(x.shape)}")
        return [self._around(axis, int(x.shape[axis + 2])) for axis in range(2)]

    def _around(self, axis: int, side: int) -> tuple[int, int, int]:
        step, span = self.strides[axis], self.spans[axis]
        if self.automatic.startswith("SAME"):
            total = max(0, (-(-side // step) - 1) * step + span - side)
            less, more = total // 2, total - total // 2
            return (less, more, 0) if self.automatic == "SAME_UPPER" else (more, less, 0)
        before, behind = self.pads[axis], self.pads[axis + 2]
        room = side + before + behind - span
        if room < 0:
            raise ValueError(f"a window over {span} pixels, and only {side + before + behind} of them")
        if not self.ceil:
            return before, behind, 0
        count = -(-room // step) + 1
        if (count - 1) * step >= side + before:  # the last window starts in the image, or before it
            count -= 1
        return before, behind, max(0, (count - 1) * step - room)


def _window_of(node: _OnnxNode, kernel: Sequence[int] | None = None) -> _SlidingWindow:
    """Return a node's window, with sides from `kernel` where there are weights; ValueError for an invalid window."""
    sides = node.several("kernel_shape", kernel)
    strides, dilations = node.several("strides", (1, 1)), node.several("dilations", (1, 1))
    pads, automatic = node.several("pads", (0,) * 4), node.word("auto_pad", "NOTSET")
    ceil = node.whole("ceil_mode", 0) if kernel is None else 0
    if not sides or not strides or not dilations or not pads:
        raise ValueError("a window without sides")
    if kernel is not None and sides != list(kernel):
        raise ValueError(f"a kernel of {sides}, and weights of {list(kernel)}")
    if [len(sides), len(strides), len(dilations), len(pads)] != [2, 2, 2, 4]:
        raise ValueError("a window that is not one over height and width")
    if min(*sides, *strides, *dilations) < 1 or min(pads) < 0:
        raise ValueError("sides, strides and dilations are from 1, pads from 0")
    if automatic not in _AUTOMATIC or (automatic != "NOTSET" and (any(pads) or ceil)) or ceil not in (0, 1):
        raise ValueError(f"auto_pad {automatic} with the pads {pads} and ceil_mode {ceil}")
    (height, width), (down, right), (tall, wide) = sides, strides, dilations
    return _SlidingWindow(
        (height, width), (down, right), (tall, wide), (pads[0], pads[1], pads[2], pads[3]), automatic, ceil > 0
    )


def _padded(x: Tensor, pads: Sequence[int], value: float) -> Tensor:
    """Return `x` padded with `value`; `pads` in torch's order: before and behind, from the last axis.

    Errors
    ------
    ValueError if nothing would be left, or more than is sensible.
    """
    shape = list(x.shape)
    for place in range(len(pads) // 2):
        shape[-1 - place] += pads[2 * place] + pads[2 * place + 1]
    if min(shape) < 1 or math.prod(shape[1:]) > LARGEST:
        raise ValueError(f"pads that make {shape}")
    return functional.pad(x, list(pads), value=value) if any(pads) else x


def _enclosed(x: Tensor, window: _SlidingWindow, value: float = 0.0) -> Tensor:
    """Return images padded as a window needs them; ValueError as in `around` and `_padded`."""
    (top, bottom, extra_bottom), (left, right, extra_right) = window.around(x)
    return _padded(x, (left, right + extra_right, top, bottom + extra_bottom), value)


def _max_pool(node: _OnnxNode, known: _FileFacts) -> _Built:
    """MaxPool: the maximum of each window; padding never is the maximum."""
    window = _pool_window(node)
    return _Built(partial(_largest, window=window), (known.flow(node.inputs[0]),), cost=math.prod(window.kernel))


def _average_pool(node: _OnnxNode, known: _FileFacts) -> _Built:
    """AveragePool: the mean of each window, over the image's pixels only or over the padding too."""
    window, whole = _pool_window(node), node.whole("count_include_pad", 0) != 0
    if window.dilations != (1, 1):
        raise ValueError("the mean of a window with gaps is not supported")
    mean = partial(_average, window=window, whole=whole)
    return _Built(mean, (known.flow(node.inputs[0]),), cost=math.prod(window.kernel))


def _largest(x: Tensor, *, window: _SlidingWindow) -> Tensor:
    """Return the maximum of each window."""
    around = _enclosed(x, window, -math.inf)
    return functional.max_pool2d(around, window.kernel, window.strides, 0, window.dilations)


def _average(x: Tensor, *, window: _SlidingWindow, whole: bool) -> Tensor:
    """Return the mean of each window, over its pixels in the image, or with the padding if `whole`."""
    (top, bottom, extra_bottom), (left, right, extra_right) = window.around(x)
    around = _padded(x, (left, right + extra_right, top, bottom + extra_bottom), 0.0)
    if around is x:
        return functional.avg_pool2d(x, window.kernel, window.strides)
    # what ceil_mode adds behind the pads is never counted
    counted = torch.ones_like(x[:1, :1])
    counted = _padded(counted, (left, right, top, bottom), float(whole))
    counted = _padded(counted, (0, extra_right, 0, extra_bottom), 0.0)
    total, count = (
        functional.avg_pool2d(values, window.kernel, window.strides, divisor_override=1) for values in (around, counted)
    )
    return total / count


def _pool_window(node: _OnnxNode) -> _SlidingWindow:
    window = _window_of(node)
    top, left, bottom, right = window.pads
    if max(top, bottom) >= window.spans[0] or max(left, right) >= window.spans[1]:
        raise ValueError("pads as wide as the window: some windows would see no pixel")
    return window
