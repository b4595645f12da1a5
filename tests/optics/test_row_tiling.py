"""Row tiling: shots by hand and as published, and every plan carried out as correlations of one signal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipstick.core.convolution_geometry import ConvolutionGeometry
from slipstick.core.errors import SlipstickError
from slipstick.core.workload import Op, Phase
from slipstick.networks import network
from slipstick.networks.graphs.fusion import leaf_ops
from slipstick.optics.row_tiling import CorrelatorInput, Guard, RowTiling, Shot, phases, row_tiling

SAME = ((1, 1), (1, 1))
SIGNS = 2


def convolutions(name: str) -> list[Op]:
    ops = network(name).ops(Phase.INFER, 1, 1, 1)
    return [leaf for op in ops for leaf in leaf_ops(op) if leaf.kind == "conv"]


def total(name: str, light: CorrelatorInput, taps: int = 0) -> int:
    """Return the shots of all convolutions of a network for one image, both signs; of kernels of `taps` alone."""
    shots = 0
    for op in convolutions(name):
        assert op.geometry is not None
        channels = op.dims["k"] // op.dims["taps"] * op.dims["n"] * op.dims["batch"]
        count = sum(tiling.count for tiling in row_tiling(op.geometry, light))
        shots += channels * SIGNS * count * (taps in (0, op.dims["taps"]))
    return shots


# Totals of an independent draft, from its formulas; AlexNet there had 224 rows where 11x11 with padding 2 gives 218.
@pytest.mark.parametrize(
    ("name", "guard", "waveguides", "shots"),
    [
        ("alexnet", "none", 256, 1_543_424),
        ("vgg-16", "none", 256, 32_763_904),
        ("resnet-18", "none", 256, 5_615_616),
        ("alexnet", "full", 256, 1_568_000),
        ("vgg-16", "full", 256, 34_074_624),
        ("resnet-18", "full", 256, 5_779_456),
        ("vgg-16", "none", 128, 86_237_184),
        ("resnet-18", "none", 128, 13_328_384),
        ("vgg-16", "none", 512, 13_410_304),
        ("resnet-18", "none", 512, 3_801_088),
    ],
)
def test_shots_of_whole_networks(name: str, guard: Guard, waveguides: int, shots: int) -> None:
    assert total(name, CorrelatorInput(waveguides, guard=guard)) == shots


def test_the_shortcuts_of_resnet_18_are_shots_too() -> None:
    """By hand: 64 x 128 x 14, 128 x 256 x 4 and 256 x 512 x 1 shots of each sign."""
    assert total("resnet-18", CorrelatorInput(guard="none"), taps=1) == 753_664


@pytest.mark.parametrize(
    ("side", "plain", "guarded"),
    [(224, 672, 672), (112, 224, 224), (56, 28, 28), (32, 6, 7), (28, 4, 5), (27, 4, 5), (14, 1, 1), (13, 1, 1),
     (8, 1, 1), (7, 1, 1)],
)  # fmt: skip
def test_shots_by_size_of_the_image(side: int, plain: int, guarded: int) -> None:
    """A 3x3 kernel on a signal of 256 samples: N_r = 256 // pitch rows, N_r - 2 of the result a shot."""
    geometry = ConvolutionGeometry((side, side), (3, 3), padding=SAME)
    for guard, shots in (("none", plain), ("full", guarded)):
        (tiling,) = row_tiling(geometry, CorrelatorInput(guard=guard))  # type: ignore[arg-type]
        assert tiling.count == shots == len(list(tiling.shots()))


def test_large_kernels_take_their_taps_in_passes() -> None:
    """At most 25 taps a shot: 7x7 in 2 and 11x11 in 5 where the rows fit, else row by row."""
    for side, passes in ((7, 2), (11, 5)):
        (tiling,) = row_tiling(ConvolutionGeometry((14, 14), (side, side)), CorrelatorInput())
        assert (tiling.mode, tiling.tap_passes) == ("row", passes)
    (tiling,) = row_tiling(ConvolutionGeometry((224, 224), (7, 7)), CorrelatorInput())
    assert (tiling.mode, tiling.tap_passes) == ("partial", 7)


def test_small_images_and_channels_share_a_shot() -> None:
    """A guarded 7x7 image with its padding has 9 rows of 9 samples: 3 in 256; unguarded 4; channels 25 // 9 = 2."""
    seven = ConvolutionGeometry((7, 7), (3, 3), padding=SAME)
    for guard, packing, packed in (("full", "images", 3), ("none", "images", 4), ("none", "channels", 2)):
        (tiling,) = row_tiling(seven, CorrelatorInput(guard=guard, packing=packing))  # type: ignore[arg-type]
        assert tiling.packed == packed
        assert tiling.samples <= 256


def _shot(tiling: RowTiling, shot: Shot, image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return the results of a shot: one correlation of the signal that it lights with the taps that it takes."""
    geometry, pitch = tiling.geometry, tiling.pitch
    (top, bottom), (left, right) = geometry.padding
    cut = tiling.mode == "partition"
    framed = np.pad(image, ((top, bottom), (left, right) if cut else (0, 0)))
    kernel_rows = min(tiling.kernel_rows, geometry.kernel[0] - shot.kernel_row)
    rows = shot.output_rows + (kernel_rows - 1) * geometry.dilation[0]
    signal = np.zeros(rows * pitch)
    for row in range(rows):
        pixels = framed[shot.row + row, shot.column : shot.column + tiling.columns]
        signal[row * pitch : row * pitch + len(pixels)] = pixels
    taps = {}
    for tap in range(shot.first_tap, shot.last_tap):
        row, column = divmod(tap, geometry.kernel[1])
        taps[(row - shot.kernel_row) * geometry.dilation[0] * pitch + column * geometry.dilation[1]] = kernel[
            row, column
        ]
    assert len(taps) <= tiling.limit
    result = np.zeros((shot.output_rows, shot.output_columns))
    for row in range(shot.output_rows):
        for column in range(shot.output_columns):
            lag = row * pitch + column - tiling.lead
            places = {place + lag: value for place, value in taps.items()}
            result[row, column] = sum(signal[at] * value for at, value in places.items() if 0 <= at < len(signal))
    return result


def _executed(tiling: RowTiling, image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    result = np.zeros(tiling.geometry.dense_output)
    shots = list(tiling.shots())
    assert len(shots) == tiling.count
    for shot in shots:
        rows = slice(shot.output_row, shot.output_row + shot.output_rows)
        columns = slice(shot.output_column, shot.output_column + shot.output_columns)
        result[rows, columns] += _shot(tiling, shot, image, kernel)
    return result


def _direct(geometry: ConvolutionGeometry, image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return the convolution at stride 1 by definition."""
    framed = np.pad(image, geometry.padding)
    result = np.zeros(geometry.dense_output)
    for row in range(kernel.shape[0]):
        for column in range(kernel.shape[1]):
            down, across = row * geometry.dilation[0], column * geometry.dilation[1]
            result += kernel[row, column] * framed[down : down + len(result), across : across + result.shape[1]]
    return result


def _numbers(geometry: ConvolutionGeometry) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    image = generator.integers(-9, 10, geometry.image).astype(float)  # whole numbers: sums are exact in any order
    return image, generator.integers(-9, 10, geometry.kernel).astype(float)


@st.composite
def geometries(draw: st.DrawFn) -> ConvolutionGeometry:
    sides = st.integers(1, 4)
    kernel, dilation = (draw(sides), draw(sides)), (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    span = tuple((taps - 1) * gap + 1 for taps, gap in zip(kernel, dilation, strict=True))
    padding = tuple((draw(st.integers(0, side - 1)), draw(st.integers(0, side - 1))) for side in span)
    image = tuple(draw(st.integers(side, 12)) for side in span)
    return ConvolutionGeometry(image, kernel, (1, 1), padding, dilation)  # type: ignore[arg-type]


@settings(max_examples=150, deadline=None)
@given(geometries(), st.integers(7, 60), st.integers(1, 12), st.sampled_from(("full", "shared")))
def test_guarded_plans_compute_the_convolution(
    geometry: ConvolutionGeometry, waveguides: int, taps: int, guard: Guard
) -> None:
    (tiling,) = row_tiling(geometry, CorrelatorInput(waveguides, taps, guard))
    assert tiling.samples <= waveguides
    image, kernel = _numbers(geometry)
    np.testing.assert_array_equal(_executed(tiling, image, kernel), _direct(geometry, image, kernel))


def test_without_guards_the_ends_of_rows_are_wrong_and_nothing_else() -> None:
    """A 3x3 kernel on 32x32: 2 of 32 columns read the neighbouring row in place of zeros, 6.25 % of the pixels."""
    geometry = ConvolutionGeometry((32, 32), (3, 3), padding=SAME)
    (tiling,) = row_tiling(geometry, CorrelatorInput(guard="none"))
    image, kernel = np.random.default_rng(1).uniform(1, 2, (2, 32, 32))
    kernel = kernel[:3, :3]
    wrong = ~np.isclose(_executed(tiling, image, kernel), _direct(geometry, image, kernel))
    assert not wrong[:, 1:-1].any()
    assert wrong.mean() == pytest.approx(0.0625, abs=2 / 32**2)  # the first and the last pixel have no neighbour


@settings(max_examples=60, deadline=None)
@given(geometries(), st.integers(1, 4), st.integers(1, 4))
def test_phases_of_a_strided_convolution_add_up(geometry: ConvolutionGeometry, down: int, across: int) -> None:
    geometry = replace(geometry, stride=(down, across), dilation=(1, 1))
    image, kernel = _numbers(geometry)
    framed, result = np.pad(image, geometry.padding), np.zeros(geometry.output)
    pairs = [(r, c) for r in range(min(down, kernel.shape[0])) for c in range(min(across, kernel.shape[1]))]
    for (row, column), phase in zip(pairs, phases(geometry), strict=True):
        part = framed[row::down, column::across][: phase.image[0], : phase.image[1]]
        result += _direct(phase, part, kernel[row::down, column::across])
    np.testing.assert_array_equal(result, _direct(geometry, image, kernel)[::down, ::across])


@settings(max_examples=60, deadline=None)
@given(geometries(), st.integers(7, 60), st.sampled_from(("none", "full", "shared")))
def test_pixels_lit_are_those_of_the_shots(geometry: ConvolutionGeometry, waveguides: int, guard: Guard) -> None:
    """An image of ones, correlated with a kernel of one row and column of a shot, counts what is lit."""
    (tiling,) = row_tiling(geometry, CorrelatorInput(waveguides, guard=guard))
    (top, bottom), (left, right) = geometry.padding
    cut = tiling.mode == "partition"
    lit = 0
    ones = np.pad(np.ones(geometry.image), ((top, bottom), (left, right) if cut else (0, 0)))
    for shot in tiling.shots():
        rows = (
            shot.output_rows
            + (min(tiling.kernel_rows, geometry.kernel[0] - shot.kernel_row) - 1) * geometry.dilation[0]
        )
        lit += ones[shot.row : shot.row + rows, shot.column : shot.column + tiling.columns].sum()
    assert tiling.lit_pixels == lit


def test_a_kernel_longer_than_the_signal_is_one_clear_error() -> None:
    with pytest.raises(SlipstickError, match=r"convolution\.kernel: .*longer than the correlator's signal.*at most 8"):
        row_tiling(ConvolutionGeometry((20, 20), (9, 9)), CorrelatorInput(8))
    with pytest.raises(SlipstickError, match=r"correlator\.waveguides: .*from 1"):
        CorrelatorInput(0)
    with pytest.raises(SlipstickError, match=r"convolution\.kernel: the kernel exceeds the padded image"):
        ConvolutionGeometry((4, 4), (7, 7), padding=SAME)
