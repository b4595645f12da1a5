"""Layers as correlators compute them: a channel for each shot, so that blocks of channels are what a detector sums.

The convolution of such a layer has the results that its shots add up to: those of the layer itself where rows have
guards, with the neighbours' pixels at the ends of rows where they have none.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from slipstick.core.convolution_geometry import ConvolutionGeometry
from slipstick.core.window import Window
from slipstick.optics.row_tiling import RowTiling, row_tiling

if TYPE_CHECKING:
    from slipstick.core.arrays import AnyArray
    from slipstick.optics.row_tiling import CorrelatorInput, Shot


@dataclass(frozen=True, eq=False)
class ShotLayer:
    """Layer whose channels are shots: `shots` neighbours compute one channel; 1 where they may stand for their sum.

    Parameters
    ----------
    inputs : [images * tiles, groups * channels * shots, rows, columns].
    weights : [n, channels * shots, rows, columns], those of unlit taps 0.
    window : stride, padding, dilation and groups of the convolution that has the results of the shots.
    taps : weights that one shot takes, at most.
    depth : channels, of those of `inputs`, whose sum a conversion reads.
    tiling : whose tiles the inputs are; None: of whole images. stride : of the results, where tiles have every place.
    """

    inputs: AnyArray
    weights: AnyArray
    window: Window
    shots: int
    taps: int
    depth: int
    tiling: RowTiling | None = None
    stride: tuple[int, int] = (1, 1)

    def assembled(self, results: AnyArray) -> AnyArray:
        """Return the results [images, n, rows, columns] of a layer from those of its tiles."""
        if self.tiling is None:
            return results
        (high, wide), (rows, columns) = self.tiling.geometry.dense_output, _tile_grid(self.tiling)
        tiles = results.reshape(-1, rows, columns, *results.shape[1:]).transpose(0, 3, 1, 4, 2, 5)
        whole = tiles.reshape(*tiles.shape[:2], rows * results.shape[2], columns * results.shape[3])
        return whole[:, :, : high : self.stride[0], : wide : self.stride[1]]


def shot_layer(
    inputs: AnyArray, weights: AnyArray, window: Window, light: CorrelatorInput, *, depth: int = 1, linear: bool = True
) -> ShotLayer:
    """Return a layer of inputs [b, c, h, w] and weights [n, c / groups, rows, columns] as its shots compute it.

    Parameters
    ----------
    depth : successive shots whose sum a conversion reads.
    linear : whether sums of shots are those of their channel, so that shots which one conversion reads may stand as
        one.

    Errors
    ------
    SlipstickError for shapes that cannot be multiplied, and for a kernel that exceeds the padded image or the signal.
    """
    geometry = layer_geometry(inputs, weights, window)
    tilings = row_tiling(geometry, light)
    passes = [list(islice(tiling.shots(), tiling.tap_passes)) for tiling in tilings]
    taps = max(shot.last_tap - shot.first_tap for shots in passes for shot in shots)
    whole, images, kernels = tilings[0].geometry == geometry, [inputs], [weights]
    if not whole:
        images, kernels = _phases(inputs, weights, window)
        window = Window(groups=window.groups)
    exact = _is_exact(tilings, light)
    if whole and exact and linear and depth % len(passes[0]) == 0:
        return ShotLayer(inputs, weights, window, 1, taps, depth // len(passes[0]))
    parts: list[tuple[AnyArray, AnyArray]] = []
    for image, kernel, tiling, shots in zip(images, kernels, tilings, passes, strict=True):
        for shot in shots:
            lit = _lit(kernel, shot)
            parts.append((image, lit) if exact else _tiled(image, lit, tiling, shot))
    woven = _woven([image for image, _ in parts]), _woven([kernel for _, kernel in parts])
    if exact:
        return ShotLayer(*woven, window, len(parts), taps, depth)
    dense = Window(dilation=window.dilation, groups=window.groups)
    return ShotLayer(*woven, dense, len(parts), taps, depth, tilings[0], window.stride)


def layer_geometry(inputs: AnyArray, weights: AnyArray, window: Window) -> ConvolutionGeometry:
    """Return the geometry of one channel of a layer.

    Errors
    ------
    SlipstickError for shapes that cannot be multiplied, and for a kernel that exceeds the padded image.
    """
    window.check(inputs, weights)
    image, kernel = (inputs.shape[2], inputs.shape[3]), (weights.shape[2], weights.shape[3])
    return ConvolutionGeometry(image, kernel, window.stride, window.padding, window.dilation)


def _is_exact(tilings: tuple[RowTiling, ...], light: CorrelatorInput) -> bool:
    """Return whether shots read zeros wherever the layer does: with guards, or where nothing is padded beside rows."""
    padded = any(any(tiling.geometry.padding[1]) for tiling in tilings)
    return light.guard != "none" or not (padded or any(tiling.mode == "partition" for tiling in tilings))


def _phases(inputs: AnyArray, weights: AnyArray, window: Window) -> tuple[list[AnyArray], list[AnyArray]]:
    """Return images and kernels of the polyphase components of a strided layer, as `row_tiling.phases` orders them."""
    (down, across), padded = window.stride, window.padded(inputs)
    high, wide = window.output(inputs.shape[2:], weights.shape[2:])
    images, kernels = [], []
    for row in range(min(down, weights.shape[2])):
        for column in range(min(across, weights.shape[3])):
            kernel = weights[:, :, row::down, column::across]
            rows, columns = high + kernel.shape[2] - 1, wide + kernel.shape[3] - 1
            images.append(padded[:, :, row::down, column::across][:, :, :rows, :columns])
            kernels.append(kernel)
    return images, kernels


def _lit(kernel: AnyArray, shot: Shot) -> AnyArray:
    """Return a kernel [n, c, rows, columns] with the taps alone that a shot lights."""
    taps = np.arange(kernel.shape[2] * kernel.shape[3]).reshape(kernel.shape[2:])
    lit = (taps >= shot.first_tap) & (taps < shot.last_tap)
    return kernel if lit.all() else kernel * lit


def _tiled(image: AnyArray, kernel: AnyArray, tiling: RowTiling, shot: Shot) -> tuple[AnyArray, AnyArray]:
    """Return the tiles [b * tiles, c, rows, columns] of an image as a part of the kernel sees them, and that part.

    `shot` is the first of a tile. What is not lit is 0; beside a row stand the samples of its neighbours.
    """
    geometry, below = tiling.geometry, tiling.geometry.dilation[0]
    rows = slice(shot.kernel_row, shot.kernel_row + tiling.kernel_rows)
    part = kernel[:, :, rows]
    high = tiling.output_rows + (part.shape[2] - 1) * below
    wide = tiling.output_columns + geometry.span[1] - 1
    (top, bottom), (left, right) = geometry.padding
    cut = tiling.mode == "partition"
    sides = (left, right + wide) if cut else (0, 0)  # zeros behind the image, for parts that reach beyond it
    padded = np.pad(image, ((0, 0), (0, 0), (top, bottom + high), sides))
    tiles = []
    for first in range(0, geometry.dense_output[0], tiling.output_rows):
        strip = padded[:, :, first + shot.kernel_row * below :][:, :, :high]
        # of the last tile those rows are lit that its results need
        lit = min(tiling.output_rows, geometry.dense_output[0] - first) + (part.shape[2] - 1) * below
        strip = strip * (np.arange(high) < lit)[:, None]
        if cut:
            columns = range(0, geometry.dense_output[1], tiling.output_columns)
            tiles += [_grown(strip[:, :, :, column : column + tiling.columns], (high, wide)) for column in columns]
        else:
            tiles.append(_rows_in_line(strip, tiling, wide))
    stacked = np.stack(tiles, 1)
    return stacked.reshape(-1, *stacked.shape[2:])[:, :, :, :wide], part


def _rows_in_line(strip: AnyArray, tiling: RowTiling, wide: int) -> AnyArray:
    """Return what a kernel's rows see of rows [b, c, high, w] that lie behind one another: [b, c, high, wide]."""
    batch, channels, high, own = strip.shape
    line = np.zeros((batch, channels, high * tiling.pitch + wide), strip.dtype)
    rows = line[:, :, tiling.lead : tiling.lead + high * tiling.pitch].reshape(batch, channels, high, tiling.pitch)
    rows[..., :own] = strip  # a view, where the slice is one
    line[:, :, tiling.lead : tiling.lead + high * tiling.pitch] = rows.reshape(batch, channels, -1)
    views = np.lib.stride_tricks.sliding_window_view(line, wide, axis=2)[:, :, :: tiling.pitch][:, :, :high]
    return np.asarray(views)


def _tile_grid(tiling: RowTiling) -> tuple[int, int]:
    """Return the tiles of a result, down and across."""
    high, wide = tiling.geometry.dense_output
    return -(-high // tiling.output_rows), -(-wide // tiling.output_columns)


def _woven(parts: list[AnyArray]) -> AnyArray:
    """Return arrays [a, c, rows, columns] as one, [a, c * parts, ...], parts of a channel together, of one size."""
    if len(parts) == 1:
        return parts[0]
    size = max(part.shape[2] for part in parts), max(part.shape[3] for part in parts)
    stacked = np.stack([_grown(part, size) for part in parts], 2)
    return stacked.reshape(stacked.shape[0], -1, *size)


def _grown(array: AnyArray, size: tuple[int, int]) -> AnyArray:
    """Return an array [..., rows, columns] with zeros below and to the right of it."""
    missing = [(0, whole - own) for whole, own in zip(size, array.shape[-2:], strict=True)]
    return np.pad(array, [(0, 0)] * (array.ndim - 2) + missing) if any(missing[0] + missing[1]) else array
