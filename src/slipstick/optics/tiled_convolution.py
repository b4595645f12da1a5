"""Tiled convolution: a layer as a correlator computes it, shot by shot, each a signal and a kernel in one dimension.

This is the plan of `row_tiling` carried out literally: slow, and the reference of `shot_layers`. A shot may be computed
in closed form, or through the sampled planes of a field of given size, with the contamination that it brings.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from slipstick.core.arrays import AnyArray, FloatArray
from slipstick.core.window import Window
from slipstick.optics.row_tiling import CorrelatorInput, RowTiling, Shot, row_tiling
from slipstick.optics.shot_layers import _phases, layer_geometry

Correlate = Callable[[FloatArray, FloatArray], FloatArray]


def shot_amplitudes(
    inputs: AnyArray, weights: AnyArray, window: Window, light: CorrelatorInput, correlate: Correlate | None = None
) -> FloatArray:
    """Return the amplitudes of every shot of a layer: [shots, b, n, rows, columns], channel by channel.

    Parameters
    ----------
    inputs : [b, c, h, w]. weights : [n, c / groups, rows, columns].
    correlate : valid correlations [shots, M - K + 1] of signals [shots, M] and kernels [shots, K]; in closed form by
        default.

    Errors
    ------
    SlipstickError as `row_tiling` raises it.
    """
    geometry = layer_geometry(inputs, weights, window)
    tilings = row_tiling(geometry, light)
    whole = tilings[0].geometry == geometry
    images, kernels = ([inputs], [weights]) if whole else _phases(inputs, weights, window)
    share, own = weights.shape[1], len(weights) // window.groups
    passes = [tiling.tap_passes for tiling in tilings]
    high, wide = tilings[0].geometry.dense_output
    amplitudes = np.zeros((share, sum(passes), len(inputs), len(weights), high, wide))
    for part, (image, kernel, tiling) in enumerate(zip(images, kernels, tilings, strict=True)):
        for number, shot in enumerate(tiling.shots()):
            place = sum(passes[:part]) + number % passes[part]
            rows = slice(shot.output_row, shot.output_row + shot.output_rows)
            columns = slice(shot.output_column, shot.output_column + shot.output_columns)
            for group in range(window.groups):
                filters = slice(group * own, (group + 1) * own)
                for c in range(share):
                    signals = _signals(image[:, group * share + c], tiling, shot)
                    lines = np.stack([_kernel_line(taps, tiling, shot) for taps in kernel[filters, c]])
                    lags = _all_pairs(signals, lines, correlate or _correlated)
                    results = amplitudes[c, place, :, filters, rows, columns]
                    for row in range(shot.output_rows):
                        results[:, :, row] = lags[:, :, row * tiling.pitch :][:, :, : shot.output_columns]
    return amplitudes.reshape(-1, *amplitudes.shape[2:])[..., :: _kept(whole, window)[0], :: _kept(whole, window)[1]]


def tiled_convolution(
    inputs: AnyArray, weights: AnyArray, window: Window, light: CorrelatorInput, correlate: Correlate | None = None
) -> FloatArray:
    """Return the sums [b, n, rows, columns] of a layer over its shots; arguments are those of `shot_amplitudes`.

    Examples
    --------
    >>> image, kernel = np.arange(9.0).reshape(1, 1, 3, 3), np.ones((1, 1, 2, 2))
    >>> tiled_convolution(image, kernel, Window(), CorrelatorInput(waveguides=6)).tolist()
    [[[[8.0, 12.0], [20.0, 24.0]]]]
    """
    return np.asarray(shot_amplitudes(inputs, weights, window, light, correlate).sum(0))


def _kept(whole: bool, window: Window) -> tuple[int, int]:
    """Return the stride at which results are kept: phases have no others."""
    return window.stride if whole else (1, 1)


def _all_pairs(signals: FloatArray, lines: FloatArray, correlate: Correlate) -> FloatArray:
    """Return the correlations [b, n, lags] of every signal [b, M] with every kernel [n, K]."""
    pairs = correlate(np.repeat(signals, len(lines), 0), np.tile(lines, (len(signals), 1)))
    return pairs.reshape(len(signals), len(lines), -1)


def _signals(channel: AnyArray, tiling: RowTiling, shot: Shot) -> FloatArray:
    """Return the signals [b, M] of a shot of a channel [b, h, w], from `lead` dark samples before the first row on."""
    (top, _), (left, right) = tiling.geometry.padding
    kernel_rows = min(tiling.kernel_rows, tiling.geometry.kernel[0] - shot.kernel_row)
    span = (kernel_rows - 1) * tiling.geometry.dilation[0] * tiling.pitch + tiling.geometry.span[1]
    signals = np.zeros((len(channel), (shot.output_rows - 1) * tiling.pitch + shot.output_columns + span - 1))
    image = np.pad(channel, ((0, 0), (0, 0), (left, right))) if tiling.mode == "partition" else channel
    for row in range(shot.output_rows + (kernel_rows - 1) * tiling.geometry.dilation[0]):
        place, first = shot.row + row - top, tiling.lead + row * tiling.pitch
        if 0 <= place < channel.shape[1]:  # rows of the padding are dark
            begin = shot.column if tiling.mode == "partition" else 0
            lit = image[:, place, begin : begin + tiling.columns][:, : max(0, signals.shape[1] - first)]
            signals[:, first : first + lit.shape[1]] = lit
    return signals


def _kernel_line(kernel: AnyArray, tiling: RowTiling, shot: Shot) -> FloatArray:
    """Return the samples of a shot's kernel: its rows `pitch` times the dilation apart, unlit taps 0.

    Taps of rows that are longer than the pitch meet in one sample, which holds their sum.
    """
    down, across = tiling.geometry.dilation
    wide = kernel.shape[1]
    rows = range(shot.kernel_row, min(shot.kernel_row + tiling.kernel_rows, kernel.shape[0]))
    line = np.zeros((len(rows) - 1) * down * tiling.pitch + tiling.geometry.span[1])
    for tap in range(max(shot.first_tap, rows.start * wide), min(shot.last_tap, rows.stop * wide)):
        row, column = divmod(tap, wide)
        line[(row - rows.start) * down * tiling.pitch + column * across] += kernel[row, column]
    return line


def _correlated(signals: FloatArray, kernels: FloatArray) -> FloatArray:
    """Return valid correlations in closed form, tap by tap."""
    size = signals.shape[1] - kernels.shape[1] + 1
    lags = np.zeros((len(signals), size))
    for tap in range(kernels.shape[1]):
        if kernels[:, tap].any():
            lags += kernels[:, tap, None] * signals[:, tap : tap + size]
    return lags
