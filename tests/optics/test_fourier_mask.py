"""Masks of kernels in a Fourier plane: nearest ones against random others, holograms against their law."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import slipstick
from slipstick.core.errors import SlipstickError
from slipstick.optics.fourier_mask import impulse_response, kernel_spectrum, lee_hologram, mask_pair, nearest_mask
from slipstick.optics.kernel_text import read_kernel

RNG = np.random.default_rng(5)
SOBEL = [[1, 0, -1], [2, 0, -2], [1, 0, -1]]
LAPLACE = [[0, 1, 0], [1, -4, 1], [0, 1, 0]]


def test_the_response_of_a_mask_is_hermitian_and_largest_on_the_axis() -> None:
    for side in (7, 8):
        response = impulse_response(RNG.random((side, side)))
        response = response[side % 2 == 0 :, side % 2 == 0 :]  # an even side has one frequency without a partner
        assert np.allclose(response[::-1, ::-1], response.conj(), atol=1e-12)
        middle = len(response) // 2
        assert np.abs(response).max() == np.abs(response[middle, middle])


@pytest.mark.parametrize("kernel", [RNG.normal(size=(3, 3)), RNG.normal(size=(2, 5)), SOBEL, LAPLACE])
def test_no_other_mask_is_nearer(kernel: object) -> None:
    side = 12
    best = nearest_mask(kernel, side)
    taps = np.asarray(kernel, np.float64)
    spectrum = kernel_spectrum(taps, side, best.centre)
    reached = np.linalg.norm(best.gain * spectrum - best.values)
    assert best.error == pytest.approx(reached / np.linalg.norm(best.gain * spectrum))
    assert 0 <= best.values.min() <= best.values.max() == 1
    for _ in range(200):  # other masks beside it, at every centre and either sign
        near = np.maximum(best.values + RNG.normal(0, 0.05, best.values.shape), 0)
        assert np.linalg.norm(best.gain * spectrum - near) > reached
        centre = (int(RNG.integers(taps.shape[0])), int(RNG.integers(taps.shape[1])))
        gain = RNG.choice([-1, 1]) * abs(best.gain)
        others = gain * kernel_spectrum(taps, side, centre)
        assert np.linalg.norm(others - np.maximum(others.real, 0)) >= reached * (1 - 1e-9)


def test_autocorrelations_have_exact_masks_and_uneven_kernels_none() -> None:
    for _ in range(20):
        a = RNG.normal(size=(3, 2))
        padded = np.abs(np.fft.fft2(a, (8, 8))) ** 2  # the spectrum of its autocorrelation
        kernel = np.fft.fftshift(np.fft.ifft2(padded).real)[2:7, 3:6]
        assert nearest_mask(kernel, 8).exact
        assert nearest_mask(kernel, 8).centre == (2, 1)
    assert nearest_mask(LAPLACE, 16).gain < 0, "its negative is positive definite"
    assert nearest_mask(SOBEL, 16).error == pytest.approx(0.5)


def test_a_pair_gives_kernels_that_are_even_about_their_centre() -> None:
    half = RNG.normal(size=(3, 3))
    even = half + half[::-1, ::-1]
    pair = mask_pair(even, 16)
    assert pair.error < 1e-12
    response = np.fft.ifft2(pair.positive - pair.negative).real / pair.gain
    assert np.allclose(np.roll(response, (1, 1), axis=(0, 1))[:3, :3], even, atol=1e-12)
    assert not (pair.positive * pair.negative).any()
    assert mask_pair(SOBEL, 16).error == pytest.approx(0.5)


def test_a_hologram_carries_any_kernel_with_the_efficiency_of_its_law() -> None:
    kernel = np.random.default_rng(0).normal(size=(3, 3))
    strength = np.abs(kernel_spectrum(kernel, 32, (1, 1)))
    law = float((strength**2).mean() / strength.max() ** 2 / math.pi**2)
    coarse, fine = lee_hologram(kernel, 32, 4), lee_hologram(kernel, 32, 32)
    assert fine.efficiency == pytest.approx(law, rel=0.03)
    assert fine.error < 0.1 < coarse.error < nearest_mask(kernel, 32).error
    part = fine.response[15:18, 15:18]
    part = part * (np.vdot(part, kernel) / np.vdot(part, part).real)
    assert np.allclose(part, kernel, atol=0.1 * np.abs(kernel).max())


def test_the_verb_says_what_passes_a_kernel(tmp_path: Path) -> None:
    (tmp_path / "kernel.csv").write_text("1,0,-1\n2,0,-2\n1,0,-1\n")
    report = slipstick.mask(tmp_path / "kernel.csv", field=32)
    assert report == slipstick.mask("1 0 -1; 2 0 -2; 1 0 -1", field=32) == slipstick.mask(np.array(SOBEL), field=32)
    assert [finding.check for finding in report.warnings] == ["mask_realisable"]
    assert not slipstick.mask("1 2 1").warnings
    table = np.array([row[2:] for row in report.breakdowns["taps"].rows], float)
    assert table[:, 0].tolist() == [1, 0, -1, 2, 0, -2, 1, 0, -1]
    assert np.abs(table[:, 1] - table[:, 0]).max() == pytest.approx(1), "one half of it is half as strong"
    assert np.allclose(table[:, 3], table[:, 0], atol=0.25)
    assert "<svg" in report.pictures()["masks"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("1 2; 3",), "rows of 1, 2 taps"),
        (("1 x",), "got 'x'"),
        (("0 0; 0 0",), "all taps are zero"),
        (("1 inf",), "only finite"),
        (("",), "rows of no taps"),
        (("1 " * 300,), "too many taps"),
        (("1 2 3", 2), "field: out of range"),
        (("1 2 3", 2**20), "4096"),
        (("1 2 3", 64, 2), "period: out of range"),
        (("1 2 3", 64, 65), "3 to 64 mirrors"),
    ],
)
def test_bad_kernels_are_one_error(asked: tuple[object, ...], message: str) -> None:
    text, *sizes = asked
    options = dict(zip(("field", "period"), sizes, strict=False))
    with pytest.raises(SlipstickError, match=message):
        slipstick.mask(text, **options)


def test_a_kernel_of_a_file_has_a_bounded_size(tmp_path: Path) -> None:
    (tmp_path / "long.csv").write_text("1," * 2**20)
    with pytest.raises(SlipstickError, match=r"long\.csv"):
        read_kernel(tmp_path / "long.csv")
    with pytest.raises(SlipstickError, match="not a table of rows and columns"):
        slipstick.mask(np.ones((2, 2, 2)))
