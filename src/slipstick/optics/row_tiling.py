"""Row tiling: a two-dimensional convolution as one-dimensional correlations (shots), planned in whole numbers.

A correlator takes a signal of `waveguides` samples and a kernel of at most `taps` nonzero samples. Rows of the padded
image are laid one behind the other, `pitch` samples apart, and the rows of the kernel likewise, so that one shot
computes several rows of the result. Source: PhotoFourier (Li et al., arXiv 2211.05276), row tiling; the formulas are
those of its shot counts, the guards and the polyphase form of strides are our own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil
from typing import Literal

import numpy as np

from slipstick.core.arrays import IntArray
from slipstick.core.convolution_geometry import ConvolutionGeometry
from slipstick.core.errors import SlipstickError

Guard = Literal["none", "full", "shared"]
Strides = Literal["discard", "polyphase"]
Packing = Literal["none", "images", "channels"]
TilingMode = Literal["row", "partial", "partition"]


@dataclass(frozen=True)
class CorrelatorInput:
    """Input of one correlator, and how convolutions are laid onto it.

    Parameters
    ----------
    waveguides : samples of the signal.
    taps : weights that one shot takes: modulators of the kernel that can be lit.
    guard : zeros between rows of the image: ``none``, where pixels at the ends of rows read their neighbours (the
        published mode, inexact where the layer pads); ``full``, kernel columns less one, or as many as the padding;
        ``shared``, the padding of one side, which serves both neighbours. The last two are exact.
    strides : ``discard`` computes every position and discards the others; ``polyphase`` splits image and kernel into
        stride^2 phases whose results add up.
    packing : ``images`` lays as many images of the batch into a shot as fit, ``channels`` input channels, whose
        kernels lie likewise one behind the other and whose products add up in the light.

    Errors
    ------
    SlipstickError for sizes below 1.
    """

    waveguides: int = 256
    taps: int = 25
    guard: Guard = "full"
    strides: Strides = "discard"
    packing: Packing = "none"

    def __post_init__(self) -> None:
        for name, size in (("waveguides", self.waveguides), ("taps", self.taps)):
            if size < 1:
                raise SlipstickError("out of range", path=f"correlator.{name}", value=size, allowed="from 1")


@dataclass(frozen=True)
class Shot:
    """One shot of a channel: the rows that it lights, the taps of the kernel that it takes, and the results it gives.

    Parameters
    ----------
    row : first row of the padded image that is lit; row + i is laid out from sample i * pitch on.
    column : first column that is lit: of the image itself where whole rows are lit, of the padded image where rows are
        cut.
    output_row, output_column, output_rows, output_columns : the results. That of row r and column c is the correlation
        at the lag (r - output_row) * pitch + c - output_column - lead, `lead` of the tiling.
    kernel_row : row of the kernel that is laid out from sample 0 on; the next one is `pitch` samples behind (times the
        dilation).
    first_tap, last_tap : taps that are lit, counted row by row over the whole kernel, the last one exclusive.
    """

    row: int
    column: int
    output_row: int
    output_rows: int
    output_column: int
    output_columns: int
    kernel_row: int
    first_tap: int
    last_tap: int


@dataclass(frozen=True)
class RowTiling:
    """Plan of one convolution at stride 1, of one channel and one sign of weights: what a shot holds, and their number.

    Parameters
    ----------
    geometry : the convolution; a phase of a strided one has its padding within the image.
    mode : ``row``, the whole kernel in a shot; ``partial``, some of its rows, whose results add up over shots;
        ``partition``, a row is longer than the signal and is cut.
    rows : rows of the padded image in a shot.
    pitch : samples from one row to the next, guard included.
    columns : columns of a row that a shot lights, of the padded row where it is cut.
    output_rows, output_columns : results of a shot.
    kernel_rows : rows of the kernel in a shot.
    limit : taps that a shot takes.
    packed : images, or channels, that share a shot.
    """

    geometry: ConvolutionGeometry
    mode: TilingMode
    rows: int
    pitch: int
    columns: int
    output_rows: int
    output_columns: int
    kernel_rows: int
    limit: int
    packed: int = 1

    @property
    def lead(self) -> int:
        """Columns of padding to the left that are not laid out: lags before the signal's first sample."""
        return 0 if self.mode == "partition" else self.geometry.padding[1][0]

    @property
    def tap_passes(self) -> int:
        """Shots whose results add up to one tile of the result: parts of the kernel."""
        return len(self._tap_ranges)

    @property
    def tiles(self) -> int:
        """Tiles that the result is divided into."""
        high, wide = self.geometry.dense_output
        return ceil(high / self.output_rows) * ceil(wide / self.output_columns)

    @property
    def count(self) -> int:
        """Number of shots of one channel and one sign."""
        return self.tiles * self.tap_passes

    @property
    def samples(self) -> int:
        """Samples of the signal from the first to the last that a full tile lights, guards between them included."""
        return self.packed * ((self.rows - 1) * self.pitch + self.columns)

    @property
    def lit_pixels(self) -> int:
        """Pixels that all shots of one channel light together: conversions of the inputs, padding excluded."""
        (high, wide), ((top, _), (left, _)) = self.geometry.image, self.geometry.padding
        results, columns = self.geometry.dense_output
        below, kernel_high = self.geometry.dilation[0], self.geometry.kernel[0]
        tops = np.arange(0, results, self.output_rows)
        heights = np.minimum(self.output_rows, results - tops)  # rows of results
        rows = 0
        for first, _ in self._tap_ranges:
            kernel_row = self._kernel_row(first)
            lit = heights + (min(self.kernel_rows, kernel_high - kernel_row) - 1) * below
            rows += int(_overlap(tops + kernel_row * below - top, lit, high).sum())
        if self.mode != "partition":
            return rows * wide
        return rows * int(_overlap(np.arange(0, columns, self.output_columns) - left, self.columns, wide).sum())

    def _kernel_row(self, tap: int) -> int:
        """Return the first row of the kernel of the shot that takes a tap."""
        row = tap // self.geometry.kernel[1]
        return row - row % self.kernel_rows

    @property
    def _tap_ranges(self) -> tuple[tuple[int, int], ...]:
        """First and last tap (exclusive) of each shot of a tile, in order."""
        wide = self.geometry.kernel[1]
        ranges = []
        for row in range(0, self.geometry.kernel[0], self.kernel_rows):
            last = min(row + self.kernel_rows, self.geometry.kernel[0]) * wide
            ranges += [(tap, min(tap + self.limit, last)) for tap in range(row * wide, last, self.limit)]
        return tuple(ranges)

    def shots(self) -> Iterator[Shot]:
        """Yield every shot: tile by tile, and for each tile the parts of the kernel."""
        high, wide = self.geometry.dense_output
        below = self.geometry.dilation[0]
        for top in range(0, high, self.output_rows):
            for left in range(0, wide, self.output_columns):
                rows, columns = min(self.output_rows, high - top), min(self.output_columns, wide - left)
                for first, last in self._tap_ranges:
                    kernel_row = self._kernel_row(first)
                    yield Shot(top + kernel_row * below, left, top, rows, left, columns, kernel_row, first, last)


def row_tiling(geometry: ConvolutionGeometry, light: CorrelatorInput) -> tuple[RowTiling, ...]:
    """Return the plan of a convolution on a correlator: one tiling, or one for each phase of a strided one.

    Errors
    ------
    SlipstickError for a kernel whose row does not fit into the signal.

    Examples
    --------
    >>> vgg = ConvolutionGeometry((224, 224), (3, 3), padding=((1, 1), (1, 1)))
    >>> [(tiling.mode, tiling.count) for tiling in row_tiling(vgg, CorrelatorInput())]
    [('partial', 672)]
    >>> alexnet = ConvolutionGeometry((224, 224), (11, 11), (4, 4), ((2, 2), (2, 2)))
    >>> discarding, phases = (CorrelatorInput(strides=way) for way in ("discard", "polyphase"))
    >>> sum(part.count for part in row_tiling(alexnet, discarding)), sum(p.count for p in row_tiling(alexnet, phases))
    (2398, 412)
    """
    if light.strides == "polyphase" and geometry.stride != (1, 1):
        return tuple(_tiled(phase, light) for phase in phases(geometry))
    return (_tiled(geometry, light),)


def phases(geometry: ConvolutionGeometry) -> list[ConvolutionGeometry]:
    """Return the polyphase components of a strided convolution: convolutions at stride 1 whose results add up.

    Phase (a, b) reads rows a, a + stride, ... of the padded image and of the kernel, columns from b likewise; phases
    beyond the kernel have no taps and are left out. A dilated convolution is left whole, as its taps share few phases.

    Examples
    --------
    >>> [phase.kernel for phase in phases(ConvolutionGeometry((8, 8), (3, 3), (2, 2), ((1, 1), (1, 1))))]
    [(2, 2), (2, 1), (1, 2), (1, 1)]
    """
    if geometry.dilation != (1, 1):
        return [geometry]
    (down, across), (high, wide) = geometry.stride, geometry.output
    kernels = [
        (ceil((geometry.kernel[0] - row) / down), ceil((geometry.kernel[1] - column) / across))
        for row in range(min(down, geometry.kernel[0]))
        for column in range(min(across, geometry.kernel[1]))
    ]
    return [ConvolutionGeometry((high + rows - 1, wide + columns - 1), (rows, columns)) for rows, columns in kernels]


def _guard(geometry: ConvolutionGeometry, guard: Guard) -> int:
    """Return the zeros between two rows, never fewer than a side's padding; a row that is not padded needs none."""
    sides = geometry.padding[1]
    return {"none": 0, "full": max(geometry.span[1] - 1, *sides), "shared": max(sides)}[guard] if any(sides) else 0


def _tiled(geometry: ConvolutionGeometry, light: CorrelatorInput) -> RowTiling:
    """Return the tiling of a convolution, every position of which is computed."""
    (_, wide), (_, outputs) = geometry.image, geometry.dense_output
    if geometry.span[1] > light.waveguides:
        message = "a row of the kernel is longer than the correlator's signal"
        allowed = f"at most {light.waveguides} columns; more waveguides take longer ones"
        raise SlipstickError(message, path="convolution.kernel", value=geometry.kernel, allowed=allowed)
    if wide > light.waveguides:
        return _partition(geometry, light)
    pitch = max(wide + _guard(geometry, light.guard), outputs)
    rows = min(max(1, light.waveguides // pitch), geometry.padded[0])
    if rows < geometry.span[0]:
        return _partial(geometry, light, rows, pitch)
    lit = rows, pitch, wide, rows - geometry.span[0] + 1, outputs
    tiling = RowTiling(geometry, "row", *lit, kernel_rows=geometry.kernel[0], limit=light.taps)
    return _packed(tiling, light)


def _packed(tiling: RowTiling, light: CorrelatorInput) -> RowTiling:
    """Return a tiling with as many images or channels in a shot as fit, where one shot holds a whole image."""
    if tiling.tiles > 1 or light.packing == "none":
        return tiling
    geometry = tiling.geometry
    packed = light.waveguides // (tiling.rows * tiling.pitch)
    if light.packing == "channels":
        packed = min(packed, light.taps // (geometry.kernel[0] * geometry.kernel[1]))
    return replace(tiling, packed=max(1, packed))


def _partial(geometry: ConvolutionGeometry, light: CorrelatorInput, rows: int, pitch: int) -> RowTiling:
    """Return the tiling of a kernel with more rows than fit: as many of them a shot as rows and taps allow."""
    lit = (rows - 1) // geometry.dilation[0] + 1
    kernel_rows = min(lit, max(1, light.taps // geometry.kernel[1]))
    wide, outputs = geometry.image[1], geometry.dense_output[1]
    span = (kernel_rows - 1) * geometry.dilation[0] + 1
    return RowTiling(geometry, "partial", span, pitch, wide, 1, outputs, kernel_rows, light.taps)


def _partition(geometry: ConvolutionGeometry, light: CorrelatorInput) -> RowTiling:
    """Return the tiling of rows longer than the signal: a row of the kernel on a part of a row of the image a shot.

    Without guards parts are as long as the signal, and results at their ends miss their neighbours (the published
    count); exact ones overlap.
    """
    part = light.waveguides if light.guard == "none" else light.waveguides - geometry.span[1] + 1
    signal = light.waveguides
    return RowTiling(geometry, "partition", 1, signal, signal, 1, part, 1, light.taps)


def _overlap(first: IntArray, length: IntArray | int, size: int) -> IntArray:
    """Return how many of `length` places from `first` on lie within 0 up to `size`."""
    within: IntArray = np.maximum(0, np.minimum(first + length, size) - np.maximum(first, 0))
    return within
