"""Correlation planes: sampled planes equal sums written out and closed forms; energy, zero lag, mirrored lobes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from slipstick.core.errors import SlipstickError
from slipstick.optics.joint_transform import (
    joint_plane,
    sampled_correlation,
    sampled_plane,
    valid_correlation,
    valid_lags,
)
from slipstick.optics.lag_separation import JointPlane, lag_flags, smallest_field

TOLERANCES = {torch.float64: 1e-12, torch.float32: 1e-5}  # issue: where the fidelities must agree


def shots(plane: JointPlane, many: int, dtype: torch.dtype, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    random = np.random.default_rng(seed)
    signals, kernels = random.random((many, plane.signal)), random.random((many, plane.kernel))
    return torch.from_numpy(signals).to(dtype), torch.from_numpy(kernels).to(dtype)


def written_out(signal: list[float], kernel: list[float], plane: JointPlane) -> list[float]:
    """Return the correlation plane by its definition: the circular autocorrelation of the field."""
    field = [0.0] * plane.field
    field[: plane.kernel] = kernel
    field[plane.offset : plane.offset + plane.signal] = signal
    size = plane.field
    return [math.fsum(field[n] * field[(n + lag) % size] for n in range(size)) for lag in range(size)]


@pytest.mark.parametrize("sizes", [(7, 3, 30, 7), (5, 5, 16, 6), (6, 2, 9, 3), (4, 1, 8, 4)])
def test_a_sampled_plane_equals_its_definition(sizes: tuple[int, int, int, int]) -> None:
    plane = JointPlane(*sizes)
    signals, kernels = shots(plane, 1, torch.float64)
    expected = written_out(signals[0].tolist(), kernels[0].tolist(), plane)
    sampled = sampled_plane(joint_plane(signals, kernels, plane))[0]
    np.testing.assert_allclose(sampled.numpy(), expected, rtol=0, atol=1e-12 * max(expected))


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize(("signal", "kernel"), [(256, 9), (256, 25), (256, 256), (64, 3), (1, 1)])
def test_closed_form_and_sampled_plane_agree_where_lags_are_clean(dtype: torch.dtype, signal: int, kernel: int) -> None:
    plane = smallest_field(signal, kernel)
    signals, kernels = shots(plane, 70, dtype)  # more than are transformed at a time
    closed = valid_correlation(signals, kernels)
    scale = float(closed.abs().max())
    for sampled in (
        sampled_correlation(signals, kernels, plane),
        valid_lags(sampled_plane(joint_plane(signals, kernels, plane)), plane),
    ):
        assert sampled.dtype == dtype
        assert float((sampled - closed).abs().max()) <= TOLERANCES[dtype] * scale


def test_one_sample_less_contaminates_a_valid_lag() -> None:
    least = smallest_field(40, 5)
    plane = JointPlane(40, 5, least.field - 1, least.offset)
    signals, kernels = shots(plane, 3, torch.float64)
    error = (sampled_correlation(signals, kernels, plane) - valid_correlation(signals, kernels)).abs()
    flags = lag_flags(plane)
    clean = torch.from_numpy(flags.clean[plane.valid.start : plane.valid.stop])
    assert not bool(clean.all())
    assert float(error[:, clean].max()) < 1e-12
    assert float(error[:, ~clean].min()) > 1e-3


@pytest.mark.parametrize("dtype", TOLERANCES)
def test_shots_that_add_up_in_the_fourier_plane_are_the_sum_of_their_correlations(dtype: torch.dtype) -> None:
    plane = JointPlane(256, 9, 1024, 256)
    signals, kernels = shots(plane, 16 * 21, dtype)
    summed = sampled_correlation(signals, kernels, plane, depth=16)
    expected = valid_correlation(signals, kernels).view(21, 16, -1).sum(1)
    assert float((summed - expected).abs().max()) <= TOLERANCES[dtype] * float(expected.max())


def test_zero_lag_is_the_energy_and_a_unitary_lens_keeps_it() -> None:
    plane = JointPlane(256, 9, 1039, 264)
    signals, kernels = shots(plane, 4, torch.float64)
    fields = joint_plane(signals, kernels, plane)
    energy = signals.square().sum(1) + kernels.square().sum(1)
    plain, unitary = sampled_plane(fields), sampled_plane(fields, "unitary")
    torch.testing.assert_close(plain[:, 0], energy, rtol=1e-12, atol=0)
    torch.testing.assert_close(unitary * plane.field**0.5, plain, rtol=0, atol=1e-11)
    spectrum = torch.fft.fft(fields, norm="ortho")
    torch.testing.assert_close(spectrum.abs().square().sum(1), energy, rtol=1e-12, atol=0)
    # theory, section 1, item 7: the zero lag is about 40 times the valid lobe of uniform values
    ratio = plain[:, 0] / valid_lags(plain, plane).mean(1)
    assert 30 < float(ratio.min()) <= float(ratio.max()) < 60


def test_a_forward_second_lens_gives_the_mirrored_picture() -> None:
    plane = JointPlane(31, 4, 130, 33)
    signals, kernels = shots(plane, 2, torch.float64)
    fields = joint_plane(signals, kernels, plane)
    intensity = torch.fft.fft(fields).abs().square()
    forward = torch.fft.fft(intensity).real / plane.field
    mirrored = torch.roll(torch.flip(forward, (1,)), 1, 1)
    torch.testing.assert_close(mirrored, sampled_plane(fields), rtol=0, atol=1e-12)
    torch.testing.assert_close(forward, mirrored, rtol=0, atol=1e-12)  # both lobes of real inputs are equal


def test_gradients_pass_through_both_lenses() -> None:
    plane = JointPlane(6, 3, 24, 6)
    signals, kernels = shots(plane, 2, torch.float64)
    signals.requires_grad_()

    def lags(rows: torch.Tensor) -> torch.Tensor:
        return valid_lags(sampled_plane(joint_plane(rows, kernels, plane)), plane)

    assert torch.autograd.gradcheck(lags, (signals,))


def test_shapes_and_depths_that_do_not_fit_are_refused() -> None:
    plane = JointPlane(8, 3, 40, 8)
    signals, kernels = shots(plane, 6, torch.float64)
    with pytest.raises(SlipstickError, match="not signals and kernels of this plane"):
        joint_plane(signals[:, :7], kernels, plane)
    with pytest.raises(SlipstickError, match="not groups of this depth"):
        sampled_correlation(signals, kernels, plane, depth=4)
