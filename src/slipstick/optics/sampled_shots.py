"""Shots of a layer through the sampled planes of a joint transform correlator, with what a small field does to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from slipstick.optics.joint_transform import sampled_correlation
from slipstick.optics.lag_separation import JointPlane
from slipstick.optics.tiled_convolution import shot_amplitudes

if TYPE_CHECKING:
    from slipstick.core.arrays import AnyArray, FloatArray
    from slipstick.core.window import Window
    from slipstick.optics.row_tiling import CorrelatorInput


def sampled_amplitudes(
    inputs: AnyArray, weights: AnyArray, window: Window, light: CorrelatorInput, field: int
) -> FloatArray:
    """Return `shot_amplitudes` of inputs and weights that are not negative, each shot by two lenses, in fp64.

    Parameters
    ----------
    field : samples of the field; the signal of each shot stands at its own length, or as near as the field allows.

    Errors
    ------
    SlipstickError for a field in which kernel and signal have no room side by side.
    """

    def correlate(signals: FloatArray, kernels: FloatArray) -> FloatArray:
        signal, kernel = signals.shape[1], kernels.shape[1]
        plane = JointPlane(signal, kernel, field, max(min(signal, field - signal), kernel))
        rows = [torch.from_numpy(part).double() for part in (signals, kernels)]
        lags: FloatArray = sampled_correlation(rows[0], rows[1], plane).numpy()
        return lags

    return shot_amplitudes(inputs, weights, window, light, correlate)
