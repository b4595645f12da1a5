"""Fourier processors: tiles that do not meet, passes that carry every product once, the slowest part's frame rate."""

from __future__ import annotations

import math

import numpy as np
import pytest

import slipstick
from slipstick.core.convolution_geometry import ConvolutionGeometry
from slipstick.core.errors import SlipstickError
from slipstick.optics.fourier_processor import FourierProcessor
from slipstick.optics.fourier_tiling import tiles_of

DISPLAY = {"rows": 64, "columns": 96, "pitch": "10 um", "frame_rate": "10 kHz"}
CAMERA = {"rows": 64, "columns": 96, "frame_rate": "1 kHz"}
RNG = np.random.default_rng(8)


def processor(**changes: object) -> FourierProcessor:
    return FourierProcessor(
        **{"wavelength": "500 nm", "display": DISPLAY, "mask": DISPLAY, "camera": CAMERA, **changes}
    )


@pytest.mark.parametrize(("image", "kernel"), [((8, 8), (3, 3)), ((7, 10), (3, 5)), ((13, 13), (1, 4))])
def test_tiles_on_one_display_are_convolved_as_if_each_were_alone(
    image: tuple[int, int], kernel: tuple[int, int]
) -> None:
    device = processor()
    geometry = ConvolutionGeometry(image, kernel)
    count, (down, across) = (
        tiles_of(device, geometry),
        (side + span - 1 for side, span in zip(image, kernel, strict=True)),
    )
    rows, columns = (device.mask.rows - kernel[0] + kernel[0] - 1) // down, (device.mask.columns - 1) // across
    assert count == rows * columns > 1
    frame, taps = np.zeros((device.mask.rows, device.mask.columns)), RNG.random(kernel)
    tiles = RNG.random((rows, columns, *image))
    for row, column in np.ndindex(rows, columns):
        frame[row * down : row * down + image[0], column * across : column * across + image[1]] = tiles[row, column]
    seen = np.fft.ifft2(np.fft.fft2(frame) * np.fft.fft2(taps, frame.shape)).real  # circular, as light does it
    for row, column in np.ndindex(rows, columns):
        alone = np.zeros((down, across))
        for (y, x), tap in np.ndenumerate(taps):
            alone[y : y + image[0], x : x + image[1]] += tap * tiles[row, column]
        part = seen[row * down : (row + 1) * down, column * across : (column + 1) * across]
        assert np.allclose(part, alone[: part.shape[0], : part.shape[1]])


def test_more_kernels_leave_fewer_mirrors_and_need_a_shorter_lens() -> None:
    geometry = ConvolutionGeometry((8, 8), (3, 3))
    short = {"focal_length": processor().focal_length_of() / 2}
    one, four = processor(**short), processor(kernels=4, **short)
    assert one.order_count == 2
    assert tiles_of(four, geometry) < tiles_of(one, geometry) / 3
    with pytest.raises(SlipstickError, match="exceeds the mirrors"):
        tiles_of(processor(), ConvolutionGeometry((65, 8), (3, 3)))
    assert one.check is not None


def test_the_slowest_part_sets_the_frame_rate() -> None:
    assert processor().frame_rate == pytest.approx(1000)
    assert processor(image_bits=8, mask_bits=4).frame_rate == pytest.approx(10_000 / 32)
    assert processor(mask={**DISPLAY, "frame_rate": "100 Hz"}).frame_rate == pytest.approx(100)


def test_an_estimate_counts_every_convolution_of_the_network() -> None:
    report = slipstick.estimate("resnet-8", "fourier-dlp6500", batch=512)
    rows = {str(row[0]): row for row in report.breakdowns["ops"].rows}
    first = rows["conv1"]
    tiles, pairs = 31 * 56, 2 * 3 * 16  # tiles of 34 x 34 (padded) with guards of 2 in 1077 x 1917 mirrors
    assert first[3] == tiles
    assert first[4] == pairs * 512
    assert first[5] == pairs * math.ceil(512 / tiles)
    assert report.value("time.step") == pytest.approx(report.value("work.passes") / 9500)
    assert report.value("work.macs") + report.value("work.electronic") == pytest.approx(12.5e6 * 512, rel=0.01)
    assert [finding.check for finding in report.warnings] == ["mask_realisable"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("system.device.kernels=9", "diffraction orders"),
        ("system.device.wavelength=633 inches", "wavelength"),
        ("system.device.display.rows=1000000000", "rows"),
        ("system.device.image_bits=0", "image_bits"),
        ("system.device.display.gap=8 um", "leaves no mirror"),
    ],
)
def test_impossible_processors_are_one_error(change: str, message: str) -> None:
    with pytest.raises(SlipstickError, match=message):
        slipstick.estimate("resnet-8", "fourier-dlp6500", set=[change])
