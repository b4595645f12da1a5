"""Kernels of packed weights compute what the runner computes with the unpacked ones, byte for byte."""

from __future__ import annotations

import itertools
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ziglang")
pytest.importorskip("unicorn")
pytest.importorskip("numba")

from edge.host_harness import host_outputs
from edge.single_layers import _INT32, Single, _single, tensor
from slipstick.core.errors import SlipstickError
from slipstick.edge.emulator import CORES
from slipstick.edge.kernels.firmware_kernels import KERNELS, choose_kernel
from slipstick.edge.kernels.harness import Case, Harness
from slipstick.edge.kernels.packed_weights import pool_indices, share_pool
from slipstick.edge.layers import WeightStorage
from slipstick.trained.integer.integer_network import IntegerOperator, _Options
from slipstick.trained.integer.window_geometry import window_slides

KERNEL = {kernel.symbol: kernel for kernel in KERNELS}
POOL3X3 = {"cortex-m0plus": "nn_conv3x3_pool", "cortex-m3": "nn_conv3x3_pool_bits", "cortex-m4": "nn_conv3x3_pool_dsp",
           "rv32imac": "nn_conv3x3_pool_wide"}  # fmt: skip


def layer_of(
    rng: np.random.Generator,
    codes: np.ndarray,
    shape: Any,
    *,
    zero: int | None = None,
    halves: bool = False,
    **options: Any,
) -> Single:
    """Return a convolution [filters, rows, columns, channels] or a dense layer [outputs, inputs] with these weights.

    `halves` makes the factor of requantisation 1/32, so that one sum in 32 is rounded from a half.
    """
    dense = codes.ndim == 2
    x = tensor((1, *shape), np.int8, 0.0625 if halves else 0.05, int(rng.integers(-128, 128)) if zero is None else zero)
    spread = 128 * np.sqrt(codes[0].size) * max(1.0, np.abs(codes).mean()) / 64
    scales = rng.uniform(0.5, 1.4, 1 if dense else len(codes)) * 4 / spread
    scales = np.full_like(scales, 1 / 8) if halves else scales
    w = tensor(codes.shape, np.int8, scales, 0, 0, codes.astype(np.int8))
    bias = tensor((len(codes),), _INT32, 1.0, data=rng.integers(-3000, 3000, len(codes)).astype(np.int32))
    if dense:
        size, kind = (1, shape[0], len(codes)), "dense"
    else:
        (height, *_), (width, *_) = window_slides(x.shape, codes.shape[1:3], _Options(**options))
        size, kind = (1, height, width, len(codes)), "conv"
    y = tensor(size, np.int8, 0.25 if halves else 0.2, 3 if halves else int(rng.integers(-128, 128)))
    return _single(rng, [x, w, bias, y], IntegerOperator(kind, (0, 1, 2), 3, _Options(**options)))  # type: ignore[arg-type]


def stored(single: Single, storage: WeightStorage) -> Single:
    return replace(single, layer=replace(single.layer, storage=storage))


def pooled(
    rng: np.random.Generator, size: int, shape: Any, filters: int, kernel: Any = (3, 3), **options: Any
) -> Single:
    pool = np.unique(rng.integers(-128, 128, (size, 8)).astype(np.int8), axis=0)
    full = (filters, *kernel, shape[-1]) if kernel else (filters, shape[-1])
    codes = pool[rng.integers(0, len(pool), (*full[:-1], shape[-1] // 8))].reshape(full)
    return stored(layer_of(rng, codes, shape, **options), WeightStorage("pool", pool))


def _pool_singles() -> list[Single]:
    rng = np.random.default_rng(3)
    shapes = [(1, 1, 8), (1, 6, 8), (2, 3, 16), (3, 4, 24), (5, 8, 32), (4, 9, 40), (3, 5, 64), (3, 17, 8), (2, 4, 128)]
    singles = []
    for count, shape in enumerate(shapes):
        size, filters = (64, 64, 20, 100, 64, 256, 64, 1, 33)[count], (1, 5, 8, 3, 12, 7, 10, 2, 4)[count]
        zero = (-128, None, 127)[count % 3]
        activation = ("none", "relu", "relu6")[count // 2 % 3]
        singles.append(pooled(rng, size, shape, filters, zero=zero, padding="same", activation=activation))
    singles.append(pooled(rng, 64, (2, 3, 64), 9, zero=-128, padding="same"))  # an odd number of filters
    strided = [(2, 2, 8), (5, 7, 16), (8, 16, 32), (3, 2, 24), (1, 9, 64), (6, 5, 8), (7, 11, 16)]
    for count, shape in enumerate(strided):
        padding = "valid" if count > 4 else "same"
        zero, filters = (-128, None, 5)[count % 3], (8, 3, 4, 1, 2, 5, 6)[count]
        singles.append(pooled(rng, 40 + count, shape, filters, zero=zero, padding=padding, stride=(2, 2)))
    for count, shape in enumerate([(1, 1, 8), (3, 5, 16), (4, 8, 32), (5, 9, 64), (2, 3, 48), (6, 7, 96)]):
        options = {"stride": (1 + count % 2, 1 + count % 2), "zero": (-128, None, 9)[count % 3]}
        singles.append(pooled(rng, (64, 100)[count // 4], shape, (3, 8, 5, 6, 2, 4)[count], (1, 1), **options))
    codes = rng.integers(-1, 2, (8, 3, 3, 16))
    single = layer_of(rng, codes, (6, 7, 16), zero=0, halves=True, padding="same")
    pool = np.unique(single.layer.weights.reshape(-1, 8), axis=0)
    singles.append(stored(single, WeightStorage("pool", pool)))
    return singles


def _packed_singles() -> list[Single]:
    rng = np.random.default_rng(4)
    singles = []
    for count in range(6):  # random shapes, strides, dilations and paddings
        height, width, channels = (int(size) for size in rng.integers((3, 3, 1), (8, 8, 12)))
        options = {"stride": (1 + count % 2, 1 + count // 2 % 2), "padding": ("same", "valid")[count % 2]}
        kernel = tuple(int(size) for size in rng.integers(1, 4, 2))
        full = (int(rng.integers(1, 7)), *kernel, channels)
        singles.append(pooled(rng, 30, (height, width, 8 * (1 + count % 3)), 5, kernel, **options))
        singles.append(stored(layer_of(rng, rng.integers(-8, 8, full), (height, width, channels), **options),
                              WeightStorage("int4")))  # fmt: skip
        storage = WeightStorage("swis", shifts=1 + count % 4, group=(4, 3, 16)[count % 3])
        singles.append(stored(layer_of(rng, swis(rng, full, storage), (height, width, channels), **options), storage))
    full = (5, 2, 3, 16)
    storage = WeightStorage("swis", shifts=2)
    singles.append(stored(layer_of(rng, rng.integers(-8, 8, full), (5, 6, 16), padding="same"), WeightStorage("int4")))
    singles.append(stored(layer_of(rng, swis(rng, full, storage), (5, 6, 16), stride=(2, 1)), storage))
    singles += [pooled(rng, size, (3, 24), filters, ()) for size, filters in ((64, 5), (16, 11), (100, 70))]
    singles.append(stored(layer_of(rng, rng.integers(-8, 8, (7, 13)), (2, 13)), WeightStorage("int4")))
    storage = WeightStorage("swis", shifts=3)
    singles.append(stored(layer_of(rng, swis(rng, (6, 10), storage), (1, 10)), storage))
    return singles


def swis(rng: np.random.Generator, shape: Any, storage: WeightStorage) -> np.ndarray:
    rows = rng.integers(-127, 128, (shape[0], int(np.prod(shape[1:]))))
    for row in rows:
        for start in range(0, row.size, storage.group):
            mask = int((1 << rng.permutation(7)[: storage.shifts]).sum())
            part = row[start : start + storage.group]
            part[:] = np.sign(part) * (np.abs(part) & mask)
    return rows.reshape(shape)


def _binary_singles() -> list[Single]:
    rng = np.random.default_rng(5)
    singles = []
    shapes = [((4, 5, 40), (3, 3, 3, 40)), ((5, 3, 7), (4, 2, 3, 7)), ((2, 64), (5, 64)), ((1, 33), (3, 33))]
    for count, (shape, full) in enumerate(shapes):
        options = {"padding": "same", "stride": (1, 1 + count % 2)} if len(full) == 4 else {}
        single = layer_of(rng, rng.choice([-1, 1], full), shape, zero=7, **options)
        singles.append(stored(single, WeightStorage("binary")))
    return [_signs(rng, single) for single in singles]


def _signs(rng: np.random.Generator, single: Single) -> Single:
    from slipstick.trained.integer.execute import run_integers

    codes = (7 + rng.choice([-1, 1], single.inputs[0].shape)).astype(np.int8)
    return replace(single, inputs=[codes], expected=run_integers(single.network, codes))


def tables(symbol: str, single: Single) -> Case:
    """Return the kernel by tables for a layer, whether or not it pays."""
    square = single.layer.kernel == (3, 3)
    return Case(KERNEL[symbol if square else symbol.replace("3x3", "1x1")], single.layer)


def check(core: str, singles: list[Single], cases: list[Case], *, assembly: bool = True) -> None:
    harness = Harness(CORES[core], cases, assembly=assembly)
    for place, (single, case) in enumerate(zip(singles, cases, strict=True)):
        output, _ = harness.run(place, single.inputs, single.expected.nbytes)
        np.testing.assert_array_equal(
            output.view(np.int8), single.expected.ravel(), err_msg=f"{core}: {case.kernel.symbol}, {case.layer.input}"
        )


def chosen(singles: list[Single], core: str) -> list[Case]:
    return [Case(choose_kernel(single.layer, CORES[core].features), single.layer) for single in singles]


@pytest.mark.parametrize("core", POOL3X3)
@pytest.mark.parametrize("assembly", [True, False])
def test_pool_convolutions_with_tap_reuse_on_every_core(core: str, assembly: bool) -> None:
    singles = _pool_singles()
    cases = [tables(POOL3X3[core], single) for single in singles]
    check(core, singles, cases, assembly=assembly)


@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m4"])
def test_unpacked_and_binary_layers(core: str) -> None:
    singles = _packed_singles() + _binary_singles()
    cases = chosen(singles, core)
    used = {case.kernel.symbol for case in cases}
    forms = ("pool", "int4", "swis", "binary")
    if core == "cortex-m4":
        assert used >= {f"nn_conv_{form}_dsp" for form in forms[:3]}
    else:
        assert used >= {f"nn_conv_{form}_words" for form in forms[:3]}
        assert used >= {
            f"nn_{kind}_{form}" for kind in ("conv", "dense") for form in forms if (kind, form) != ("conv", "pool")
        }
    check(core, singles, cases)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler for the host")
def test_packed_kernels_on_the_host_under_its_sanitizers(tmp_path: Path) -> None:
    singles = _pool_singles() + _pool_singles() + _packed_singles() + _binary_singles()
    cases = chosen(singles, "cortex-m0plus")
    pools = len(_pool_singles())
    cases[:pools] = [tables("nn_conv3x3_pool_bits", single) for single in singles[:pools]]
    cases[pools : 2 * pools] = [tables("nn_conv3x3_pool", single) for single in singles[:pools]]
    outputs = host_outputs(tmp_path, cases, [s.inputs for s in singles], [s.expected.nbytes for s in singles])
    for output, single, case in zip(outputs, singles, cases, strict=True):
        assert output == single.expected.tobytes(), f"{case.kernel.symbol}, {case.layer.input}"


def test_layers_that_a_pool_kernel_cannot_take_go_to_others() -> None:
    rng = np.random.default_rng(6)
    good = pooled(rng, 16, (4, 4, 16), 4, padding="same", zero=-128).layer
    strided = pooled(rng, 16, (4, 4, 16), 4, padding="same", stride=(2, 2)).layer
    left = replace(good, requant=replace(good.requant, shift=np.array([-1, -2, 0, -3], np.int8)))
    plain = replace(good, storage=None)
    narrow = replace(plain, weights=good.weights[..., :9], input=(4, 4, 9), storage=good.storage)
    symbols = [choose_kernel(layer).symbol for layer in (good, strided, left)]
    assert not any("pool" in choose_kernel(layer).symbol for layer in (plain, narrow))
    assert symbols == ["nn_conv3x3_pool", "nn_conv_pool_words", "nn_conv_pool_words"]
    wide = pooled(rng, 16, (1, 16), 12, ()).layer
    assert [choose_kernel(layer).symbol for layer in (wide, pooled(rng, 16, (1, 16), 4, ()).layer)] == [
        "nn_dense_pool_tables",
        "nn_dense_pool",
    ]
    points = [pooled(rng, 16, (4, 4, 16), count, (1, 1)).layer for count in (16, 24, 4)]
    assert [choose_kernel(layer, CORES["cortex-m4"].features).symbol for layer in points] == [
        "nn_conv_pool_dsp",
        "nn_conv1x1_pool_dsp",
        "nn_conv_pool_dsp",
    ]
    assert choose_kernel(points[0], CORES["cortex-m3"].features).symbol == "nn_conv1x1_pool_bits"
    foreign = replace(good, storage=WeightStorage("pool", np.zeros((4, 8), np.int8)))
    with pytest.raises(SlipstickError, match="no vectors of the pool"):
        pool_indices(foreign)


def test_filters_of_one_code_alone_keep_it_when_they_are_unpacked() -> None:
    layer = pooled(np.random.default_rng(11), 16, (4, 5, 16), 4, padding="same", zero=-128).layer
    requant = replace(
        layer.requant,
        bias=np.array([2**30, -(2**30), 500, 7], np.int32),
        shift=np.array([-27, -28, -8, -30], np.int8),
        multiplier=np.array([3 << 29, 3 << 29, 3 << 29, 0], np.int32),
    )
    layer = replace(layer, requant=requant)
    codes = np.random.default_rng(12).integers(-128, 128, 4 * 5 * 16).astype(np.int8)
    for core, symbol in (("cortex-m4", "nn_conv_pool_dsp"), ("cortex-m3", "nn_conv_pool_words")):
        assert choose_kernel(layer, CORES[core].features).symbol == symbol
        harness = Harness(CORES[core], [Case(KERNEL[symbol], layer), Case(KERNEL["nn_conv_pool"], layer)])
        outputs = [harness.run(place, [codes], 4 * 5 * 4)[0] for place in range(2)]
        np.testing.assert_array_equal(*outputs)


def test_layers_made_of_few_vectors_share_a_pool() -> None:
    rng = np.random.default_rng(8)
    pool = rng.integers(-128, 128, (32, 8)).astype(np.int8)
    codes = [
        pool[rng.integers(0, 32, (4, 3, 3, 2))].reshape(4, 3, 3, 16),
        pool[rng.integers(0, 32, (5, 3))].reshape(5, 24),
    ]
    layers = [layer_of(rng, codes[0], (4, 4, 16), padding="same").layer, layer_of(rng, codes[1], (1, 24)).layer]
    first = layer_of(rng, rng.integers(-127, 128, (4, 3, 3, 3)), (4, 4, 3)).layer
    shared = share_pool([first, *layers])
    assert shared[0] is first
    assert shared[1].storage.pool is shared[2].storage.pool
    assert len(shared[1].storage.pool) <= 32
    unpacked = [shared[place].storage.pool[pool_indices(shared[place])].ravel() for place in (1, 2)]
    for weights, layer in zip(unpacked, layers, strict=True):
        np.testing.assert_array_equal(weights, layer.weights.ravel())
    many = layer_of(rng, rng.integers(-127, 128, (16, 3, 3, 16)), (4, 4, 16)).layer  # 288 vectors
    assert all(layer.storage is None for layer in share_pool([many, *layers]))


@pytest.mark.parametrize(
    ("core", "symbol"),
    [
        ("cortex-m3", "nn_conv3x3_pool_bits"),
        ("cortex-m4", "nn_conv3x3_pool_bits_dsp"),
        ("cortex-m4", "nn_conv3x3_pool_dsp"),
        ("rv32imac", "nn_conv3x3_pool_wide"),
    ],
)
def test_fewer_activation_bits_at_run_time_are_inputs_rounded_beforehand(core: str, symbol: str) -> None:
    single = pooled(np.random.default_rng(9), 64, (6, 9, 32), 8, zero=-128, padding="same")
    harness = Harness(CORES[core], [Case(KERNEL[symbol], single.layer)])
    variable = harness.machine.address("nn_pool_bits")
    counts = []
    for bits in range(8, 0, -1):
        half = 128 >> bits
        rounded = (np.minimum(single.inputs[0] + np.int16(128) + half, 255) & -(256 >> bits)) - 128
        harness.machine.write(variable, bytes([8]))
        expected, _ = harness.run(
            0, [rounded.astype(np.int8) if bits < 8 else single.inputs[0]], single.expected.nbytes
        )
        harness.machine.write(variable, bytes([bits]))
        output, profile = harness.run(0, single.inputs, single.expected.nbytes)
        np.testing.assert_array_equal(output, expected, err_msg=f"{bits} bits")
        counts.append(profile.instructions)
    if symbol == "nn_conv3x3_pool_bits":
        assert all(later < earlier for earlier, later in itertools.pairwise(counts))


def test_padding_between_two_steps_of_fewer_bits_is_exact() -> None:
    single = pooled(np.random.default_rng(10), 32, (4, 5, 16), 4, zero=-123, padding="same")
    harness = Harness(CORES["cortex-m3"], [Case(KERNEL["nn_conv3x3_pool_bits"], single.layer)])
    harness.machine.write(harness.machine.address("nn_pool_bits"), bytes([5]))
    output, _ = harness.run(0, [np.full_like(single.inputs[0], -123)], single.expected.nbytes)  # rounded to -120
    harness.machine.write(harness.machine.address("nn_pool_bits"), bytes([8]))
    expected, _ = harness.run(0, [np.full_like(single.inputs[0], -120)], single.expected.nbytes)
    np.testing.assert_array_equal(output, expected)
