"""Sliding-window geometry under TensorFlow's two paddings, SAME and VALID."""

from __future__ import annotations

from slipstick.trained.integer.integer_network import Padding, _Options


def _span(window: int, dilation: int = 1) -> int:
    """Return the number of pixels that a dilated window covers along one axis.

    Examples
    --------
    >>> _span(3, dilation=2)
    5
    """
    return (window - 1) * dilation + 1


def _slide(size: int, covered: int, stride: int, padding: Padding) -> tuple[int, int, int]:
    """Return the number of window positions along an axis of `size` pixels, and the padding before and after.

    Source: TensorFlow's definition of "same" and "valid" (`tf.nn`, notes on padding): an odd pixel goes behind.

    Examples
    --------
    >>> _slide(224, 3, 2, "same")
    (112, 0, 1)
    >>> _slide(224, 3, 2, "valid")
    (111, 0, 0)
    """
    if padding == "valid":
        return (size - covered) // stride + 1, 0, 0
    count = -(-size // stride)
    added = max((count - 1) * stride + covered - size, 0)
    return count, added // 2, added - added // 2


Sides = tuple[tuple[int, int, int], tuple[int, int, int]]


def window_slides(shape: tuple[int, ...], window: tuple[int, int], options: _Options) -> Sides:
    """Return the positions and paddings along height and width of images [n, height, width, channels]."""
    high, wide = (
        _slide(size, _span(side, step), stride, options.padding)
        for size, side, step, stride in zip(shape[1:3], window, options.dilation, options.stride, strict=True)
    )
    return high, wide
