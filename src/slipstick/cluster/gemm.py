"""Time of matrix products: tiles on cores, waves, traffic at the L2 and at DRAM, and the rates that kernels reach.

Source: the hierarchical roofline and tiling of DeepFlow (Ardalani et al. 2211.03309), reduced to one level of tiles
that a library could choose from, with efficiencies fitted on measured kernels (data/kernels).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slipstick.cluster.chip import Chip
from slipstick.cluster.kernels import MatmulConstants

FloatArray = NDArray[np.float64]

BOUNDS = ("compute", "l2", "dram", "latency")

# tiles (rows, columns) of a core's output that libraries such as cuBLAS and CUTLASS ship, and splits of the inner
# dimension over cores; the model takes the fastest, as their heuristics try to
TILES = ((256, 128), (128, 256), (128, 128), (128, 64), (64, 128), (64, 64), (64, 32), (16, 128), (16, 64))
SPLITS = (1, 2, 4, 8, 16)
STEP = 64  # elements of the inner dimension that a tile loads at once

BYTES = {"fp64": 8.0, "fp32": 4.0, "tf32": 4.0, "bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "int8": 1.0}
BYTES |= {"nvfp4": 0.5625, "fp4": 0.5625, "mxfp4": 0.53125}  # with a scale byte for 16, and for 32 elements
OUTPUT = 2.0  # bytes of a result element: products of narrow formats give bf16

_CHUNK = 4096  # shapes evaluated at once: the arrays of all tiles stay in the processor's cache

_TILE_ROWS = np.repeat([rows for rows, _ in TILES], len(SPLITS)).astype(float)[:, None]
_TILE_COLUMNS = np.repeat([columns for _, columns in TILES], len(SPLITS)).astype(float)[:, None]
_SPLIT = np.tile(SPLITS, len(TILES)).astype(float)[:, None]


@dataclass(frozen=True)
class KernelTime:
    """Matrix products' times; every array has the broadcast shape of the sizes.

    `time` [s] includes the quantisation of activations where asked for; `compute`, `l2`, `dram` and `latency` are what
    each alone would take with the chosen tile; `bound` indexes `BOUNDS`.
    """

    time: FloatArray
    bound: NDArray[np.int64]
    compute: FloatArray
    l2: FloatArray
    dram: FloatArray
    latency: FloatArray
    dram_bytes: FloatArray
    l2_bytes: FloatArray
    flops: FloatArray


Reuse = Callable[[FloatArray, FloatArray, FloatArray], tuple[FloatArray, FloatArray, FloatArray]]


def weights_cold(a: FloatArray, b: FloatArray, c: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return reuse distances [B] of A, B and C inside a network: activations were just written, weights are long gone.

    Parameters are the operands' bytes; a distance counts the bytes touched since the operand's last use.
    """
    return a + b + c, np.full_like(b, np.inf), np.full_like(c, np.inf)


def gemm(
    m: ArrayLike,
    n: ArrayLike,
    k: ArrayLike,
    *,
    format: str,
    chip: Chip,
    batch: ArrayLike = 1,
    quantise_activations: bool = False,
    reuse: Reuse = weights_cold,
) -> KernelTime:
    """Return the time of C[m,n] = A[m,k] B[k,n], `batch` times side by side; all sizes broadcast.

    Parameters
    ----------
    format : number format of A and B, a key of ``chip.peak``.
    quantise_activations : A arrives as bf16 and is quantised by a kernel of its own.
    reuse : operands' bytes -> reuse distances, which decide what the L2 still holds.

    Examples
    --------
    >>> from slipstick.cluster.device import device_of
    >>> from slipstick.core.registry import resolve_system
    >>> chip = device_of(resolve_system("h100-sxm-80gb")).chip
    >>> long, short = gemm([8192, 1], 8192, 8192, format="bf16", chip=chip).time
    >>> bool(1.3e-3 < long < 2.0e-3), bool(short < 80e-6)
    (True, True)
    """
    sizes = np.broadcast_arrays(*(np.asarray(size, dtype=np.float64) for size in (m, n, k, batch)))
    shape = sizes[0].shape
    flat = [np.atleast_1d(size).reshape(-1) for size in sizes]
    constants = chip.constants.of(format)
    starts = range(0, max(1, len(flat[0])), _CHUNK)
    parts = [_best([size[s : s + _CHUNK] for size in flat], format, chip, constants, reuse) for s in starts]
    found = [np.concatenate(columns).reshape(shape) for columns in zip(*parts, strict=True)]
    time, compute, l2, dram, latency, dram_bytes, l2_bytes = found
    if quantise_activations:
        time = time + _quantise(sizes[0] * sizes[2] * sizes[3], format, chip, constants)
    bound = np.argmax(np.stack([compute, l2, dram, latency]), axis=0)
    flops = 2.0 * sizes[0] * sizes[1] * sizes[2] * sizes[3]
    return KernelTime(time, bound, compute, l2, dram, latency, dram_bytes, l2_bytes, flops)


def roofline(m: ArrayLike, n: ArrayLike, k: ArrayLike, *, format: str, chip: Chip, batch: ArrayLike = 1) -> FloatArray:
    """Return the lower bound [s]: operations at the peak, or B read once from DRAM (A and C may stay in the L2)."""
    m, n, k, batch = (np.asarray(size, dtype=np.float64) for size in (m, n, k, batch))
    flops = 2.0 * m * n * k * batch
    weights = n * k * batch * BYTES[format]
    return np.asarray(np.maximum(flops / chip.peak[format], weights / chip.dram_bandwidth))


def _best(
    sizes: list[FloatArray], format: str, chip: Chip, constants: MatmulConstants, reuse: Reuse
) -> tuple[FloatArray, ...]:
    """Evaluate every tile and split (first axis) for some shapes (second axis); return the fastest's figures."""
    m, n, k, batch = sizes
    element = BYTES[format]
    operands = (m * k * batch * element, n * k * batch * element, m * n * batch * OUTPUT)
    steps = np.ceil(k / _SPLIT / STEP) * STEP
    blocks = np.ceil(m / _TILE_ROWS) * np.ceil(n / _TILE_COLUMNS) * batch * _SPLIT
    filled = blocks / chip.cores
    waves = constants.whole_waves * np.ceil(filled) + (1 - constants.whole_waves) * np.maximum(1.0, filled)
    compute = _compute_time(steps, waves, 2.0 * m * n * k * batch, format, chip, constants)
    moved = blocks * (np.minimum(_TILE_ROWS, m) + np.minimum(_TILE_COLUMNS, n)) * steps * element + operands[2]
    l2_rate = constants.l2 * chip.l2_bandwidth
    each = waves * (_TILE_ROWS + _TILE_COLUMNS) * (steps + constants.fill) * element
    l2 = np.maximum(moved / l2_rate, each * chip.cores / (constants.core_share * l2_rate))
    missed = sum(size * (1 - _hits(far, chip, constants)) for size, far in zip(operands, reuse(*operands), strict=True))
    dram = missed / (constants.dram * chip.dram_bandwidth) / np.minimum(1.0, filled * constants.core_share)
    summed = np.where(_SPLIT > 1, constants.split + _SPLIT * m * n * batch * 8.0 / l2_rate, 0.0)  # fp32 parts, both ways
    latency = constants.launch + summed
    time = _smooth_maximum(compute, l2, dram, constants.sharpness) + latency
    best = time.argmin(axis=0)[None, :]
    tables = (time, compute, l2, dram, latency, np.broadcast_to(missed, time.shape), moved)
    return tuple(np.take_along_axis(table, best, axis=0)[0] for table in tables)


def _compute_time(
    steps: FloatArray, waves: FloatArray, flops: FloatArray, format: str, chip: Chip, constants: MatmulConstants
) -> FloatArray:
    """Waves of tiles on the matrix units: small tiles feed them worse, long kernels run at a lower clock."""
    area = _TILE_ROWS * _TILE_COLUMNS
    share = constants.efficiency * area / (area + constants.half_area)
    share = share * (1 - constants.sag * flops / (flops + constants.sag_flops))
    return np.asarray(waves * 2.0 * area * (steps + constants.fill) * chip.cores / (chip.peak[format] * share))


def _hits(distance: FloatArray, chip: Chip, constants: MatmulConstants) -> FloatArray:
    """Share of an operand still in the L2 after `distance` other bytes: all below its capacity, none well above."""
    if chip.l2_capacity <= 0:
        return np.zeros_like(distance)
    return np.clip((1 + constants.eviction - distance / chip.l2_capacity) / constants.eviction, 0.0, 1.0)


def _smooth_maximum(a: FloatArray, b: FloatArray, c: FloatArray, sharpness: float) -> FloatArray:
    """Power mean: phases that are about as long as each other do not hide each other fully."""
    top = np.maximum(np.maximum(a, b), np.maximum(c, 1e-300))
    return np.asarray(
        top * ((a / top) ** sharpness + (b / top) ** sharpness + (c / top) ** sharpness) ** (1 / sharpness)
    )


def _quantise(elements: FloatArray, format: str, chip: Chip, constants: MatmulConstants) -> FloatArray:
    """Time of the kernel that reads bf16 activations and writes them in a narrow format with their scales."""
    traffic = elements * (OUTPUT + BYTES[format]) * constants.quantise_traffic
    return np.asarray(constants.quantise_launch + traffic / chip.dram_bandwidth)
