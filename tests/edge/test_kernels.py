"""Every kernel computes what the bit-true runner computes, byte for byte: on the host and on each emulated core."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ziglang")
pytest.importorskip("unicorn")
pytest.importorskip("numba")

from edge.host_harness import host_outputs
from edge.single_layers import (
    Single,
    addition,
    convolution,
    dense,
    requantize,
    softmax,
    spatial_mean,
    window_pool,
    zero_pad,
)
from slipstick.edge.emulator import CORES
from slipstick.edge.kernels.firmware_kernels import KERNELS, choose_kernel
from slipstick.edge.kernels.harness import Case, Harness
from slipstick.edge.kernels.kernel import SOURCES
from slipstick.edge.layers import DequantizeLayer, QuantizeLayer
from slipstick.trained.integer.elementwise import dequantize, quantize
from slipstick.trained.integer.integer_network import IntegerOperator, IntegerTensor

GENERIC = {kernel.symbol: kernel for kernel in KERNELS}
PLAIN_CORES = ["cortex-m0plus", "cortex-m3", "cortex-m4", "rv32imac"]


def _singles() -> list[Single]:
    rng = np.random.default_rng(7)
    singles = []
    for count in range(14):  # random shapes, kernels, strides, dilations, paddings
        shape = tuple(int(size) for size in rng.integers((3, 3, 1), (9, 9, 9)))
        kernel = tuple(int(size) for size in rng.integers(1, 4, 2))
        options = {
            "stride": tuple(int(step) for step in rng.integers(1, 3, 2)),
            "padding": "valid" if count % 3 == 0 else "same",
            "activation": ("none", "relu", "relu6")[count % 3],
            "dtype": np.uint8 if count % 4 == 3 else np.int8,
        }
        if count % 5 == 4:
            options |= {"dilation": (2, 2), "stride": (1, 1), "padding": "same"}
        singles.append(convolution(rng, "conv", shape, int(rng.integers(1, 9)), kernel, **options))
        times = int(rng.integers(1, 4))
        singles.append(convolution(rng, "depthwise", shape, shape[2] * times, kernel, **options))
    singles.append(convolution(rng, "conv", (4, 4, 32), 3, extreme=True, x_zero=-128, padding="same"))
    for dtype in (np.int8, np.uint8):
        singles += [dense(rng, 1, 37, 5, dtype), dense(rng, 3, 12, 4, dtype, activation="relu")]
        singles += [
            addition(rng, 400, (0.05, 0.02, 0.06), dtype),
            addition(rng, 99, (0.001, 3.0, 1.5), dtype, activation="relu"),
        ]
        for kind in ("average_pool", "max_pool"):
            singles.append(window_pool(rng, kind, (7, 6, 3), (3, 2), dtype, stride=(2, 3), padding="same"))
            singles.append(window_pool(rng, kind, (5, 5, 4), (2, 2), dtype, stride=(1, 1), activation="relu"))
        singles += [
            spatial_mean(rng, (5, 7, 6), dtype),
            softmax(rng, 2, 11, 0.12, dtype),
            softmax(rng, 1, 300, 0.004, dtype),
        ]
    singles += [
        softmax(rng, 1, 2, 1.7),
        softmax(rng, 20, 3, 0.05),
        requantize(rng, 256, 0.05, 0.004),
        requantize(rng, 99, 0.02, 0.7),
    ]
    singles.append(zero_pad(rng, (3, 4, 2), [(1, 2), (0, 3), (1, 1)]))
    return singles


def check(core: str, singles: Sequence[Single], cases: Sequence[Case], *, assembly: bool = True) -> None:
    harness = Harness(CORES[core], cases, assembly=assembly)
    for place, (single, case) in enumerate(zip(singles, cases, strict=True)):
        output, _ = harness.run(place, single.inputs, single.expected.nbytes)
        np.testing.assert_array_equal(
            output.view(np.int8), single.expected.ravel(), err_msg=f"{core}: {case.kernel.symbol}, {case.layer}"
        )


def check_on_host(folder: Path, singles: Sequence[Single], cases: Sequence[Case]) -> None:
    outputs = host_outputs(folder, cases, [s.inputs for s in singles], [s.expected.nbytes for s in singles])
    for output, single, case in zip(outputs, singles, cases, strict=True):
        assert output == single.expected.tobytes(), f"{case.kernel.symbol}, {case.layer}"


@pytest.fixture(scope="module")
def singles() -> list[Single]:
    return _singles()


def _generic(singles: Sequence[Single]) -> list[Case]:
    return [Case(GENERIC[f"nn_{single.layer.kind}_s8"], single.layer) for single in singles]


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler for the host")
def test_generic_kernels_on_the_host_under_its_sanitizers(singles: list[Single], tmp_path: Path) -> None:
    check_on_host(tmp_path, singles, _generic(singles))


@pytest.mark.parametrize("core", PLAIN_CORES)
def test_generic_kernels_on_every_core(core: str, singles: list[Single]) -> None:
    check(core, singles, _generic(singles))


def _fast() -> list[tuple[str, Single]]:
    """Return layers for each specialised kernel: all remainders of channels, pixels and rows, edges and activations."""
    rng = np.random.default_rng(11)
    layers: list[tuple[str, Single]] = []

    def add(symbols: str, *arguments: Any, **options: Any) -> None:
        single = convolution(rng, *arguments, **options)
        taken = [symbol for symbol in symbols.split() if GENERIC[symbol].applies(single.layer)]
        layers.extend((symbol, single) for symbol in taken)

    for channels in (4, 8, 12, 16):
        options = {"padding": ("same", "valid")[channels % 8 // 4], "activation": ("none", "relu6")[channels // 12]}
        shape = (3 + channels // 4, 2 + channels // 4, channels)
        shape = shape if options["padding"] == "same" else (shape[0] + 2, shape[1] + 2, channels)
        add(SQUARE, "conv", shape, channels // 2 + 4, **options)
        add(DEPTHWISE, "depthwise", shape, channels, **options)
    add(SQUARE, "conv", (4, 4, 32), 3, extreme=True, x_zero=-128, padding="same")
    add(SQUARE, "conv", (2, 5, 8), 4, extreme=True, x_zero=127, padding="same")
    add(SQUARE, "conv", (3, 3, 4), 4, padding="same", dead=True)
    add(WINDOW, "conv", (3, 3, 4), 8, (1, 1), padding="same", dead=True)
    add(DEPTHWISE, "depthwise", (3, 3, 4), 4, padding="same", dead=True)
    add(DEPTHWISE, "depthwise", (3, 1, 4), 4, extreme=True, x_zero=127, padding="same")
    for channels, kernel, stride in ((1, (1, 1), 1), (3, (3, 3), 2), (8, (1, 1), 1), (16, (1, 1), 2), (5, (2, 3), 1)):
        options = {"stride": (stride, stride), "padding": "same", "activation": ("none", "relu")[channels % 2]}
        add(WINDOW, "conv", (5, 6, channels), 8 - channels % 2, kernel, **options)
    add(WINDOW, "conv", (7, 7, 2), 6, (4, 3), stride=(1, 2), padding="valid")
    add(WINDOW, "conv", (10, 4, 1), 8, (10, 4), stride=(2, 2), padding="same")
    for shape, stride in (((5, 6, 3), (2, 2)), ((6, 4, 5), (2, 1)), ((1, 1, 2), (1, 1)), ((8, 7, 2), (3, 3))):
        add("nn_depthwise3x3_s8", "depthwise", shape, shape[2], stride=stride, padding="same", activation="relu6")
    for rows, inputs, outputs in ((1, 37, 5), (3, 12, 4), (1, 64, 1), (2, 3, 2)):
        single = dense(rng, rows, inputs, outputs, activation=("none", "relu")[rows % 2])
        layers.extend((symbol, single) for symbol in DENSE)
    for channels, kernel, stride in ((8, (3, 1), 1), (4, (5, 1), 2), (12, (2, 3), 1), (4, (3, 3), 2)):
        add("nn_depthwise_s8_valid", "depthwise", (7, kernel[1] + channels % 3, channels), channels, kernel,
            stride=(stride, 1), padding="valid", activation=("none", "relu")[channels // 8])  # fmt: skip
    for shape, filters in (((1, 1, 19), 5), ((2, 3, 8), 8), ((3, 1, 1), 3)):
        options = {"padding": "valid", "activation": "relu6", "dtype": (np.int8, np.uint8)[filters % 2]}
        add(POINT, "conv", shape, filters, shape[:2], **options)
    layers += _with_weight_offsets(rng)
    for activation, dtype in (("none", np.int8), ("relu", np.int8), ("relu6", np.uint8)):
        single = addition(rng, 1031, (0.05, 0.02, 0.06), dtype, activation=activation)
        layers.append(("nn_add_s8_tables", single))
    return layers


def _with_weight_offsets(rng: np.random.Generator) -> list[tuple[str, Single]]:
    """Return layers of networks in uint8, whose weights have a zero point, for each kernel that takes one."""
    layers: list[tuple[str, Single]] = []
    shapes = [
        (WINDOW, "conv", (5, 6, 3), 8, (3, 3), (2, 2)),
        (WINDOW, "conv", (3, 3, 17), 4, (1, 1), (1, 1)),
        (WINDOW, "conv", (2, 2, 8), 8, (1, 1), (1, 1)),
        (WINDOW, "conv", (1, 3, 4), 4, (1, 1), (1, 1)),
        (DEPTHWISE, "depthwise", (5, 4, 8), 8, (3, 3), (1, 1)),
        (DEPTHWISE, "depthwise", (3, 3, 4), 4, (3, 3), (1, 1)),
        (DEPTHWISE, "depthwise", (6, 5, 4), 4, (3, 3), (2, 2)),
    ]
    for symbols, kind, shape, filters, kernel, stride in shapes:
        for extreme in (False, True):
            options = {"padding": "same", "stride": stride, "dtype": np.uint8, "extreme": extreme}
            single = convolution(rng, kind, shape, filters, kernel, **options)
            layers.extend((name, single) for name in symbols.split() if GENERIC[name].applies(single.layer))
    for rows, inputs, outputs in ((2, 13, 6), (1, 64, 5)):
        layers.extend((symbol, dense(rng, rows, inputs, outputs, np.uint8)) for symbol in DENSE)
    return layers


DENSE, POINT = ("nn_dense_s8_dsp", "nn_dense_s8_plain"), "nn_conv_s8_point_dsp nn_conv_s8_point"
SQUARE = "nn_conv3x3_s8_dsp nn_conv3x3_s8_long"
DEPTHWISE, WINDOW = (
    "nn_depthwise3x3_s8_dsp nn_depthwise3x3_s8",
    "nn_conv_s8_dsp nn_conv_s8_pairs nn_conv_s8_pairs_quad nn_conv_s8_words",
)


@pytest.fixture(scope="module")
def fast() -> tuple[list[Single], list[Case]]:
    pairs = _fast()
    return [single for _, single in pairs], [Case(GENERIC[symbol], single.layer) for symbol, single in pairs]


def test_shapes_of_the_fast_kernels_meet_every_shift(fast: tuple[list[Single], list[Case]]) -> None:
    counts = Counter(case.kernel.symbol for case in fast[1])
    streamed = {kernel.symbol for kernel in KERNELS if kernel.struct == "nn_stream_conv"}
    assert set(counts) == streamed | {"nn_add_s8_tables"}
    assert min(counts.values()) >= 3
    shifts = np.concatenate([case.layer.requant.shift for case in fast[1] if case.layer.kind != "add"])
    multipliers = np.concatenate([case.layer.requant.multiplier for case in fast[1] if case.layer.kind != "add"])
    assert shifts.min() < -23
    assert (shifts > 0).any()
    assert (shifts[multipliers != 0] == 0).any()
    assert (multipliers == 0).any()


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler for the host")
def test_fast_kernels_on_the_host_under_its_sanitizers(fast: tuple[list[Single], list[Case]], tmp_path: Path) -> None:
    check_on_host(tmp_path, *fast)


@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m3", "cortex-m4", "rv32imac"])
@pytest.mark.parametrize("assembly", [False, True], ids=["C", "assembly"])
def test_fast_kernels_on_the_cores_that_have_their_instructions(
    core: str, assembly: bool, fast: tuple[list[Single], list[Case]]
) -> None:
    chosen = [pair for pair in zip(*fast, strict=True) if pair[1].kernel.requires <= CORES[core].features]
    if assembly:
        features = sorted(CORES[core].features)
        chosen = [pair for pair in chosen if any(name.endswith(".S") for name in pair[1].kernel.files(features))]
    if chosen:
        check(core, *zip(*chosen, strict=True), assembly=assembly)  # type: ignore[arg-type]


def _overlapping(core: str, singles: Sequence[Single], cases: Sequence[Case]) -> list[tuple[str, bool]]:
    """Run the cases whose output may overlap an input, with the least lead and more; return those that need it all."""
    harness, tight = Harness(CORES[core], cases), []
    for place, (single, case) in enumerate(zip(singles, cases, strict=True)):
        overlap = case.kernel.overlap(case.layer)
        if overlap is None:
            continue
        lead = -(-overlap.lead // 4) * 4

        def right(ahead: int, over: int, place: int = place, single: Single = single) -> bool:
            output, _ = harness.run(place, single.inputs, single.expected.nbytes, ahead=ahead, over=over)
            return bool((output.view(np.int8) == single.expected.ravel()).all())

        for over in range(len(single.inputs)):
            for more in (0,) if overlap.exact else (0, 4, 20):
                assert right(lead + more, over), (
                    f"{core}: {case.kernel.symbol} with {overlap}, {more} more, {case.layer}"
                )
        if 4 <= lead < single.expected.nbytes:
            tight.append((case.kernel.symbol, not right(lead - 4, 0)))
    return tight


@pytest.mark.parametrize("core", ["cortex-m3", "cortex-m4", "rv32imac"])
def test_outputs_that_overlap_inputs_are_the_same(
    core: str, singles: list[Single], fast: tuple[list[Single], list[Case]]
) -> None:
    pairs = [*zip(*fast, strict=True), *zip(singles, _generic(singles), strict=True)]
    chosen = [pair for pair in pairs if pair[1].kernel.requires <= CORES[core].features]
    tight = _overlapping(core, *zip(*chosen, strict=True))  # type: ignore[arg-type]
    assert len(tight) > 30
    assert sum(broken for _, broken in tight) > len(tight) / 3  # with a word less many are wrong: leads are no guess


def _number(shape: tuple[int, ...], kind: str, scale: float = 1.0, zero: int = 0) -> IntegerTensor:
    return IntegerTensor("t", shape, np.dtype(kind), np.float32([scale]), np.array([zero]))


@pytest.mark.parametrize("scale", [0.0312, 1 / 255, 3e-39, 2.5e36])
def test_real_numbers_become_codes_and_codes_real_numbers_without_floating_point(scale: float) -> None:
    rng = np.random.default_rng(1)
    scale = float(np.float32(scale))
    with np.errstate(over="ignore"):
        halves = (np.arange(-300, 300) / 2 * scale).astype(np.float32)
    special = np.float32([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45])
    near = [np.nextafter(halves, np.float32(to)) for to in (np.inf, -np.inf)]
    values = np.concatenate([halves, *near, special, rng.integers(0, 2**32, 500, np.uint32).view(np.float32)])
    op = IntegerOperator("quantize", (0,), 1)
    x, y = _number((1, values.size), "float32"), _number((1, values.size), "int8", scale, -37)
    with np.errstate(all="ignore"):
        expected = quantize(op, [x], y)(values[None])
    real = dequantize(op, [y], x)(np.arange(-128, 128).astype(np.int8))
    layers = (QuantizeLayer(values.size, scale, -37), DequantizeLayer(256, scale, -37))
    harness = Harness(CORES["cortex-m0plus"], [Case(choose_kernel(layer), layer) for layer in layers])
    codes, profile = harness.run(0, [values], values.size)
    np.testing.assert_array_equal(codes.view(np.int8), expected[0])
    assert set(profile.functions) == {"case_0", "nn_quantize_f32"}  # and no arithmetic of the compiler's
    bits, _ = harness.run(1, [np.arange(-128, 128).astype(np.int8)], 1024)
    np.testing.assert_array_equal(bits.view(np.uint32), real.view(np.uint32))


def test_a_kernel_that_writes_beyond_its_output_is_found(singles: list[Single]) -> None:
    single = next(single for single in singles if single.layer.kind == "requantize")
    harness = Harness(CORES["cortex-m4"], [Case(GENERIC["nn_requantize_s8"], single.layer)])
    with pytest.raises(RuntimeError, match="beyond its output"):
        harness.run(0, single.inputs, single.expected.nbytes - 1)


def test_every_source_file_belongs_to_a_kernel_and_is_there() -> None:
    named = {name for kernel in KERNELS for names in kernel.sources.values() for name in names}
    assert all((SOURCES / name).is_file() for name in named)
    assert {path.name for path in SOURCES.iterdir() if path.suffix in {".c", ".S"}} == named
    assert all(set(kernel.sources) >= {"c"} for kernel in KERNELS)  # the portable form is always there
