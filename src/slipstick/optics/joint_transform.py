"""Correlation plane of a joint transform correlator: in closed form, and sample by sample through both lenses.

Kernel k and signal s lie side by side, p[n] = k[n] + s[n - D]. A lens gives P = DFT(p), square law I = |P|^2, the
second lens r = DFT(I), whose lag l holds both autocorrelations and c[l - D] + c[-l - D], where
c[l] = sum_n k[n] s[n + l] is what networks call a convolution. The correlator is that of Weaver and Goodman, Applied
Optics 5(7), 1966 (from memory). Planes are tensors, a shot a row; gradients pass.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from slipstick.core.errors import SlipstickError
from slipstick.optics.lag_separation import JointPlane

Normalisation = Literal["numpy", "unitary"]
_AT_ONCE = 2**16  # samples of fields that are transformed at a time: with spectra and planes they stay in the cache


def joint_plane(signals: Tensor, kernels: Tensor, plane: JointPlane) -> Tensor:
    """Return the fields [shots, N] of signals [shots, M] and kernels [shots, K] side by side.

    Errors
    ------
    SlipstickError for shapes other than those of the plane.
    """
    shapes = tuple(signals.shape), tuple(kernels.shape)
    if signals.ndim != 2 or shapes != ((len(signals), plane.signal), (len(signals), plane.kernel)):
        allowed = f"[shots, {plane.signal}] and [shots, {plane.kernel}]"
        raise SlipstickError("not signals and kernels of this plane", path="correlator", value=shapes, allowed=allowed)
    fields = signals.new_zeros(len(signals), plane.field)
    fields[:, : plane.kernel] = kernels
    fields[:, plane.offset : plane.offset + plane.signal] = signals
    return fields


def valid_correlation(signals: Tensor, kernels: Tensor) -> Tensor:
    """Return the valid lags [shots, M - K + 1] in closed form, c[l] = sum_n k[n] s[n + l]: exact where lags are clean.

    Examples
    --------
    >>> valid_correlation(torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[1.0, 10.0]])).tolist()
    [[21.0, 32.0]]
    """
    shots = len(signals)
    rows = functional.conv1d(signals.reshape(1, shots, -1), kernels.reshape(shots, 1, -1), groups=shots)
    return rows.reshape(shots, -1)


def sampled_plane(fields: Tensor, normalisation: Normalisation = "numpy") -> Tensor:
    """Return the correlation planes [shots, N] of joint fields [shots, N], through two lenses and square law between.

    Parameters
    ----------
    normalisation : ``numpy``: the plane holds the correlation with factor 1. ``unitary``: lenses conserve energy, and
        the plane is that of ``numpy`` over sqrt(N).

    Examples
    --------
    >>> fields = joint_plane(torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[1.0, 10.0]]), JointPlane(3, 2, 10, 3))
    >>> plane = sampled_plane(fields)[0]
    >>> plane[3:5].round().tolist(), plane[0].round().item()  # valid lags; at lag 0 the energy of signal and kernel
    ([21.0, 32.0], 115.0)
    """
    norm = "ortho" if normalisation == "unitary" else "backward"
    spectrum = torch.fft.rfft(fields, norm=norm)
    plane: Tensor = torch.fft.irfft(spectrum.real.square() + spectrum.imag.square(), n=fields.shape[1], norm=norm)
    return plane


def sampled_correlation(signals: Tensor, kernels: Tensor, plane: JointPlane, depth: int = 1) -> Tensor:
    """Return the valid lags [shots / depth, M - K + 1] of sampled planes, contaminated or not; no gradients.

    Parameters
    ----------
    depth : successive shots whose intensities add up in the Fourier plane, in front of one second lens: equal to the
        sum of their correlations, for a readout that is linear.

    Errors
    ------
    SlipstickError for shapes other than those of the plane, and shots that `depth` does not divide.
    """
    shots, size = len(signals), plane.field
    if depth < 1 or shots % depth:
        message, allowed = "shots are not groups of this depth", f"a divisor of {shots}"
        raise SlipstickError(message, path="correlator.depth", value=depth, allowed=allowed)
    samples = _AT_ONCE if depth == 1 else 2 * _AT_ONCE  # there are few planes beside them then
    many = depth * max(1, min(samples // (size * depth), shots // depth))
    fields = joint_plane(signals[:many], kernels[:many], plane)
    spectrum = torch.fft.rfft(fields)  # buffers are used again for all shots: fresh memory would cost as much time
    planes = fields.new_empty(many // depth, size)
    lags = fields.new_empty(shots // depth, len(plane.valid))
    for first in range(0, shots, many):
        last = min(first + many, shots)
        if last - first < many:
            fields, planes = fields[: last - first], planes[: (last - first) // depth]
            spectrum = spectrum[: last - first]
        fields[:, : plane.kernel] = kernels[first:last]
        fields[:, plane.offset : plane.offset + plane.signal] = signals[first:last]
        torch.fft.rfft(fields, out=spectrum)
        torch.mul(spectrum, spectrum.conj(), out=spectrum)
        intensities = spectrum if depth == 1 else spectrum.view(-1, depth, spectrum.shape[1]).sum(1)
        torch.fft.irfft(intensities, n=size, out=planes)
        lags[first // depth : last // depth] = valid_lags(planes, plane)
    return lags


def valid_lags(planes: Tensor, plane: JointPlane) -> Tensor:
    """Return the valid lags [shots, M - K + 1] of correlation planes [shots, N], contaminated or not."""
    return planes[:, plane.valid.start : plane.valid.stop]
