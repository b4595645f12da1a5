"""The matrix-product model against a plain scalar one, and what must hold for every shape and chip."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.roofline import BYTES, roofline
from slipstick.cluster.constants.matmul import _KernelConstants
from slipstick.cluster.kernels.chip import Chip
from slipstick.cluster.kernels.gemm import BOUNDS, _gemm
from slipstick.core.catalogue import resolve_system
from slipstick.core.errors import SlipstickError

DEVICES = {
    "a100-sxm-80gb": ("bf16",),
    "h100-sxm-80gb": ("bf16", "fp8"),
    "l40s": ("bf16", "fp8"),
    "b200-sxm-180gb": ("bf16", "fp8", "nvfp4"),
    "v100-sxm2-32gb": ("fp16",),  # no constants of its own: the generic ones
}
# tiles that CUTLASS and cuBLAS ship, and splits of the inner dimension, whose steps are of 64 elements
TILES = (
    (256, 256), (256, 128), (128, 256), (128, 128), (128, 64), (64, 128), (64, 64), (64, 32), (16, 128), (16, 64),
)  # fmt: skip
SPLITS, STEP = (1, 2, 3, 4, 6, 8, 12, 16, 32), 64
CASES = [(device, name) for device, names in DEVICES.items() for name in names]
sizes = st.sampled_from([1, 2, 7, 16, 33, 64, 100, 128, 257, 640, 1024, 2050, 4096, 8192, 28672])
cases = st.sampled_from(CASES)


def chip_of(device: str) -> Chip:
    return Chip.of(resolve_system(device))


def scalar(m: int, n: int, k: int, batch: int, name: str, chip: Chip) -> float:
    """Return the time of one product, one tile and split at a time, as the equations read [s]."""
    c, e, best = chip.constants.of(name), BYTES[name], math.inf
    a_bytes, b_bytes, c_bytes = m * k * batch * e, n * k * batch * e, m * n * batch * 2.0
    evicted = ((a_bytes + b_bytes + c_bytes) / (chip.l2_capacity * c.capacity) - 1) / c.eviction
    from_dram = a_bytes * min(max(evicted, 0.0), 1.0) + b_bytes + c_bytes
    flops = 2.0 * m * n * k * batch
    clock = 1 - c.sag * flops / (flops + c.sag_flops)
    for rows, columns in (tile for tile in TILES if math.prod(tile) <= c.largest_tile):
        for split in SPLITS:
            depth = math.ceil(k / (split * STEP)) * STEP
            blocks = math.ceil(m / rows) * math.ceil(n / columns) * batch * split
            filled = blocks / chip.cores
            waves = c.whole_waves * math.ceil(filled) + (1 - c.whole_waves) * max(1.0, filled)
            core = chip.peak[name] / chip.cores * c.efficiency * rows * columns / (rows * columns + c.half_area) * clock
            compute = waves * 2.0 * rows * columns * (depth + c.fill) / core
            l2_rate, draw = c.l2 * chip.l2_bandwidth, c.draw * chip.clock
            moved = blocks * (min(rows, m) + min(columns, n)) * depth * e + c_bytes
            l2 = max(moved / l2_rate, waves * (rows + columns) * (depth + c.fill) * e / draw)
            dram = from_dram / (c.dram * chip.dram_bandwidth)
            summed = c.split + split * m * n * batch * 8.0 * c.partial_sums / l2_rate if split > 1 else 0.0
            smooth = sum(part**c.sharpness for part in (compute, l2, dram)) ** (1 / c.sharpness)
            best = min(best, smooth + c.launch + summed)
    return best


@given(case=cases, m=sizes, n=sizes, k=sizes, batch=st.sampled_from([1, 3, 64]))
def test_equals_the_scalar_model(case: tuple[str, str], m: int, n: int, k: int, batch: int) -> None:
    chip = chip_of(case[0])
    assert _gemm((m, n, k), format=case[1], chip=chip, batch=batch).time == pytest.approx(
        scalar(m, n, k, batch, case[1], chip), rel=1e-9
    )


@pytest.mark.parametrize(
    ("device", "m", "n", "k"),
    [  # each split, then each tile, is the only fastest one of one of these
        ("h100-sxm-80gb", 16, 64, 256), ("h100-sxm-80gb", 512, 4096, 12288), ("b200-sxm-180gb", 200, 4096, 12288),
        ("h100-sxm-80gb", 100, 4096, 16384), ("h100-sxm-80gb", 384, 256, 4096), ("h100-sxm-80gb", 16, 1000, 8192),
        ("h100-sxm-80gb", 384, 128, 4096), ("h100-sxm-80gb", 16, 512, 4096), ("h100-sxm-80gb", 16, 64, 4096),
        ("b200-sxm-180gb", 1024, 4096, 28672), ("h100-sxm-80gb", 200, 4096, 16384),
        ("h100-sxm-80gb", 100, 4096, 28672), ("h100-sxm-80gb", 100, 512, 28672), ("h100-sxm-80gb", 512, 64, 12288),
        ("h100-sxm-80gb", 64, 1000, 28672), ("h100-sxm-80gb", 64, 256, 8192), ("h100-sxm-80gb", 64, 128, 4096),
        ("a100-sxm-80gb", 16, 256, 4096),
    ],
)  # fmt: skip
def test_every_tile_and_split_is_the_fastest_for_some_product(device: str, m: int, n: int, k: int) -> None:
    chip = chip_of(device)
    ours = _gemm((m, n, k), format="bf16", chip=chip).time
    assert ours == pytest.approx(scalar(m, n, k, 1, "bf16", chip), rel=1e-9)


@given(case=cases, m=sizes, n=sizes, k=sizes, quantised=st.booleans())
def test_never_beats_the_roofline(case: tuple[str, str], m: int, n: int, k: int, quantised: bool) -> None:
    chip = chip_of(case[0])
    found = _gemm((m, n, k), format=case[1], chip=chip, quantise_activations=quantised)
    assert found.time >= roofline(m, n, k, case[1], chip)
    assert found.time >= max(found.compute, found.dram) * (1 - 1e-12) or quantised  # its own kernel: parts overlap
    assert found.flops == 2.0 * m * n * k


@given(
    case=cases,
    m=sizes,
    n=sizes,
    k=sizes,
    factor=st.floats(1.0, 4.0),
    what=st.sampled_from(["dram_bandwidth", "l2_bandwidth", "l2_capacity", "peak", "cores", "clock"]),
    quantised=st.booleans(),
)
def test_more_is_never_slower(
    case: tuple[str, str], m: int, n: int, k: int, factor: float, what: str, quantised: bool
) -> None:
    chip, name = chip_of(case[0]), case[1]
    faster = {name: chip.peak[name] * factor}
    if what == "peak":
        better = replace(chip, peak=faster)
    elif what == "cores":  # each as fast as before
        cores = math.ceil(chip.cores * factor)
        better = replace(chip, cores=cores, peak={name: chip.peak[name] * cores / chip.cores})
    elif what == "clock":
        better = replace(chip, clock=chip.clock * factor, peak=faster)
    else:
        better = replace(chip, **{what: getattr(chip, what) * factor})
    before, after = (_gemm((m, n, k), format=name, chip=c, quantise_activations=quantised).time for c in (chip, better))
    assert after <= before * (1 + 1e-12)


@given(case=cases, m=sizes, n=sizes, k=sizes, batch=st.integers(1, 64))
def test_more_work_takes_longer(case: tuple[str, str], m: int, n: int, k: int, batch: int) -> None:
    chip = chip_of(case[0])
    time_ = [_gemm((m, n, k), format=case[1], chip=chip, batch=b).time for b in (batch, batch + 1)]
    assert time_[0] <= time_[1] * (1 + 1e-12)
    larger = _gemm(([m, 2 * m, m, m], [n, n, 2 * n, n], [k, k, k, 2 * k]), format=case[1], chip=chip).time
    assert (larger[1:] >= larger[0] * (1 - 1e-12)).all()


@given(case=cases, m=sizes, n=sizes, k=sizes)
def test_cold_operands_pass_dram_once_and_l2_at_least_once(case: tuple[str, str], m: int, n: int, k: int) -> None:
    chip = replace(chip_of(case[0]), l2_capacity=0.0)
    element = BYTES[case[1]]
    compulsory = (m * k + n * k) * element + 2.0 * m * n
    found = _gemm((m, n, k), format=case[1], chip=chip)
    assert found.dram_bytes == pytest.approx(compulsory)
    assert found.l2_bytes >= compulsory * (1 - 1e-12)
    warm = _gemm((m, n, k), format=case[1], chip=chip_of(case[0]))
    assert n * k * element <= warm.dram_bytes <= compulsory * (1 + 1e-12)  # weights are never warm in a network


def test_quantisation_is_a_kernel_of_its_own() -> None:
    chip = chip_of("h100-sxm-80gb")
    constants = chip.constants.of("fp8")
    m = np.array([1, 4096, 65536])
    plain, quantised = (_gemm((m, 4096, 8192), format="fp8", chip=chip, quantise_activations=q) for q in (False, True))
    extra = quantised.time - plain.time
    assert extra[0] == pytest.approx(constants.quantise_launch, rel=0.01)
    assert (np.diff(extra) > 0).all()
    assert extra[2] >= m[2] * 8192 * 5.0 / chip.dram_bandwidth  # read for the maximum, read again, one byte written
    assert quantised.dram_bytes[2] - plain.dram_bytes[2] == pytest.approx(m[2] * 8192 * 5.0)


def test_bounds_are_named() -> None:
    chip = chip_of("h100-sxm-80gb")
    found = _gemm(([16384, 16, 1], [16384, 16384, 64], [16384, 16384, 64]), format="bf16", chip=chip)
    assert [BOUNDS[b] for b in found.bound] == ["compute", "dram", "latency"]
    parts = np.stack([getattr(found, name) for name in BOUNDS])
    assert (parts.argmax(axis=0) == found.bound).all()


def test_sizes_broadcast_and_scalars_stay_scalars() -> None:
    chip = chip_of("h100-sxm-80gb")
    table = _gemm(([[1], [64], [4096]], [1024, 8192], 4096), format="bf16", chip=chip)
    assert table.time.shape == table.bound.shape == table.dram_bytes.shape == (3, 2)
    one = _gemm((64, 8192, 4096), format="bf16", chip=chip)
    assert one.time.shape == ()
    assert table.time[1, 1] == one.time
    assert _gemm(([], 8192, 4096), format="bf16", chip=chip).time.shape == (0,)


def test_a_format_that_the_chip_lacks_is_an_error() -> None:
    with pytest.raises(SlipstickError, match="fp8"):
        _gemm((1, 1, 1), format="fp8", chip=chip_of("a100-sxm-80gb"))


def test_generations_and_their_nearest_formats() -> None:
    for generation in ("ampere", "ada", "hopper", "blackwell"):
        assert _KernelConstants.of_generation(generation).calibrated
    generic = _KernelConstants.of_generation("abacus")
    assert (generic.name, generic.calibrated) == ("generic", False)
    assert "assumed" in generic.source
    hopper, ampere = _KernelConstants.of_generation("hopper"), _KernelConstants.of_generation("ampere")
    assert hopper.of("int8") is hopper.of("fp8") is hopper.of("nvfp4")
    assert hopper.of("fp16") is hopper.of("bf16")
    assert ampere.of("int8") is ampere.of("bf16")


def test_a_faster_memory_speeds_up_what_it_bounds() -> None:
    h100, h200 = chip_of("h100-sxm-80gb"), chip_of("h200-sxm-141gb")
    m, n, k = np.array([8, 8192]), np.array([28672, 8192]), np.array([8192, 8192])
    gain = _gemm((m, n, k), format="bf16", chip=h100).time / _gemm((m, n, k), format="bf16", chip=h200).time
    assert 1.3 < gain[0] <= h200.dram_bandwidth / h100.dram_bandwidth
    assert gain[1] == pytest.approx(1.0, abs=0.02)


def test_large_sweeps_are_chunked_and_quick() -> None:
    chip = chip_of("h100-sxm-80gb")
    m, n, k = 2 ** np.random.default_rng(0).integers(0, 14, (3, 100_000))
    start = time.process_time()
    swept = _gemm((m, n, k), format="bf16", chip=chip).time
    assert time.process_time() - start < 6.0  # 0.6 s on the machine that this was written on; the rest is for busy ones
    picked = slice(4090, 4100)  # across a chunk's border
    assert (swept[picked] == _gemm((m[picked], n[picked], k[picked]), format="bf16", chip=chip).time).all()
