"""Time of matrix products: tiles on cores, waves, traffic at the L2 and at DRAM, and the rates that kernels reach.

Source: the hierarchical roofline and tiling of DeepFlow (Ardalani et al. 2211.03309), reduced to one level of tiles
that a library could choose from, with efficiencies fitted on measured kernels (data/kernels).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import ArrayLike

from slipstick.cluster.constants.matmul import _MatmulConstants
from slipstick.cluster.kernels.chip import Chip
from slipstick.cluster.kernels.precision import element_bytes
from slipstick.core.arrays import FloatArray, IntArray
from slipstick.core.errors import SlipstickError

BOUNDS = ("compute", "l2", "dram", "latency")

# tiles (rows, columns) of a core's output that libraries such as cuBLAS and CUTLASS ship, and splits of the inner
# dimension over cores; the model takes the fastest of those that the generation has, as their heuristics try to
_TILES = ((256, 256), (256, 128), (128, 256), (128, 128), (128, 64), (64, 128), (64, 64), (64, 32), (16, 128), (16, 64))
_SPLITS = (1, 2, 3, 4, 6, 8, 12, 16, 32)  # parts of the inner dimension
_STEP = 64  # elements of the inner dimension that a tile loads at once

# bytes of an operand's element where matrix units take it otherwise than the encoding of its name alone
_OPERAND_BYTES = {"fp64": 8.0, "fp4": 0.5625}  # no encoding is so wide; four bits come with nvfp4's scales
_OUTPUT = 2.0  # bytes of a result element: products of narrow formats give bf16
_PARTIAL = 8.0  # bytes of a partial sum: fp32, written and read

_CHUNK = 256  # shapes evaluated at once: the arrays of all tiles stay in the processor's cache

_TILE_ROWS = np.repeat([rows for rows, _ in _TILES], len(_SPLITS)).astype(float)[:, None]
_TILE_COLUMNS = np.repeat([columns for _, columns in _TILES], len(_SPLITS)).astype(float)[:, None]
_SPLIT = np.tile(_SPLITS, len(_TILES)).astype(float)[:, None]


@dataclass(frozen=True)
class _GemmTime:
    """Times of matrix products [s], as arrays of the broadcast shape of their sizes.

    `time` [s] includes the quantisation of activations where asked for; `compute`, `l2`, `dram` and `latency` [s] are
    what each alone would take with the chosen tile, of both kernels; `bound` indexes `BOUNDS`, the longest of them.
    """

    time: FloatArray
    bound: IntArray
    compute: FloatArray
    l2: FloatArray
    dram: FloatArray
    latency: FloatArray
    dram_bytes: FloatArray
    l2_bytes: FloatArray
    flops: FloatArray

    def take(self, index: IntArray) -> _GemmTime:
        """Return the times of the products at `index` of the first axis."""
        return _GemmTime(*(getattr(self, field.name)[index] for field in fields(self)))


Reuse = Callable[[FloatArray, FloatArray, FloatArray], tuple[FloatArray, FloatArray, FloatArray]]


def _weights_cold(a: FloatArray, b: FloatArray, c: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the reuse distances [B] of A, B and C inside a network: activations just written, weights long evicted.

    Parameters are the operands' bytes; a distance counts the bytes touched since the operand's last use.
    """
    return a + b + c, np.full_like(b, np.inf), np.full_like(c, np.inf)


def _gemm(
    sizes: tuple[ArrayLike, ArrayLike, ArrayLike],
    *,
    format: str,
    chip: Chip,
    batch: ArrayLike = 1,
    stored: ArrayLike | None = None,
    quantise_activations: bool = False,
    reuse: Reuse = _weights_cold,
) -> _GemmTime:
    """Return the times [s] of `batch` matrix products C[m,n] = A[m,k] B[k,n] in one kernel; all sizes broadcast.

    Parameters
    ----------
    sizes : m, n and k.
    format : number format of A and B, a key of ``chip.peak``.
    stored : elements that A takes in memory, where it is not m k for each product: a convolution reads each several
        times, and its kernel makes the copies as it goes.
    quantise_activations : A arrives as bf16 and is quantised by a kernel of its own.
    reuse : operands' bytes -> reuse distances, which decide what the L2 still holds.

    Errors
    ------
    SlipstickError for a format that the chip does not multiply.

    Examples
    --------
    >>> from slipstick.core.catalogue import resolve_system
    >>> chip = Chip.of(resolve_system("h100-sxm-80gb"))
    >>> long, short = _gemm(([8192, 1], 8192, 8192), format="bf16", chip=chip).time
    >>> bool(1.3e-3 < long < 2.0e-3), bool(short < 80e-6)
    (True, True)
    """
    element = _operand_bytes(format, chip)
    product_sizes = (*sizes, batch) if stored is None else (*sizes, batch, stored)
    arrays = np.broadcast_arrays(*(np.asarray(size, dtype=np.float64) for size in product_sizes))
    shape = arrays[0].shape
    flat = [np.atleast_1d(size).reshape(-1) for size in arrays]
    constants = chip.constants.of(format)
    starts = range(0, max(1, len(flat[0])), _CHUNK)
    parts = [_best([size[s : s + _CHUNK] for size in flat], (format, element), chip, constants, reuse) for s in starts]
    time, compute, l2, dram, latency, dram_bytes, l2_bytes = (
        np.concatenate(columns).reshape(shape) for columns in zip(*parts, strict=True)
    )
    flops = 2.0 * arrays[0] * arrays[1] * arrays[2] * arrays[3]
    bound = np.argmax([compute, l2, dram, latency], axis=0)
    times = _GemmTime(time, bound, compute, l2, dram, latency, dram_bytes, l2_bytes, flops)
    if quantise_activations:
        return _after_quantisation(times, arrays[0] * arrays[2] * arrays[3], element, chip, constants)
    return times


def _operand_bytes(format: str, chip: Chip) -> float:
    """Return the bytes of an operand's element.

    Errors
    ------
    SlipstickError for a format that the chip does not multiply.
    """
    if format not in chip.peak:
        raise SlipstickError(
            f"{chip.name} does not multiply in this format", path="format", value=format, allowed=list(chip.peak)
        )
    return _OPERAND_BYTES[format] if format in _OPERAND_BYTES else element_bytes(format)


def _best(
    sizes: list[FloatArray], operand: tuple[str, float], chip: Chip, constants: _MatmulConstants, reuse: Reuse
) -> tuple[FloatArray, ...]:
    """Return the times of the fastest tile and split (first axis of the candidates) for some shapes (second axis)."""
    m, n, k, batch = sizes[:4]
    stored = sizes[4] if len(sizes) > 4 else m * k * batch
    format, element = operand
    fits = (constants.largest_tile >= _TILE_ROWS * _TILE_COLUMNS)[:, 0]
    rows, columns, split = _TILE_ROWS[fits], _TILE_COLUMNS[fits], _SPLIT[fits]
    operands = (stored * element, n * k * batch * element, m * n * batch * _OUTPUT)
    steps = np.ceil(k / (split * _STEP)) * _STEP
    blocks = np.ceil(m / rows) * np.ceil(n / columns) * batch * split
    filled = blocks / chip.cores
    waves = constants.whole_waves * np.ceil(filled) + (1 - constants.whole_waves) * np.maximum(1.0, filled)
    compute = _compute_time(rows * columns, steps, waves, 2.0 * m * n * k * batch, format, chip, constants)
    moved = blocks * (np.minimum(rows, m) + np.minimum(columns, n)) * steps * element + operands[2]
    l2_rate, draw = constants.l2 * chip.l2_bandwidth, constants.draw * chip.clock
    drawn = waves * (rows + columns) * (steps + constants.fill) * element  # by one core
    l2 = np.maximum(moved / l2_rate, drawn / draw)
    far_a, far_b, far_c = (_misses(distance, chip, constants) for distance in reuse(*operands))
    missed = operands[0] * far_a + operands[1] * far_b + operands[2] * far_c
    dram = missed / (constants.dram * chip.dram_bandwidth)
    summed = constants.split + split * (operands[2] / _OUTPUT) * _PARTIAL * constants.partial_sums / l2_rate
    latency = constants.launch + np.where(split > 1, summed, 0.0)
    time = _smooth_maximum(compute, l2, dram, constants.sharpness) + latency
    best = time.argmin(axis=0), np.arange(time.shape[1])
    tables = (time, compute, l2, latency, moved)
    time, compute, l2, latency, moved = (table[best] for table in tables)
    return time, compute, l2, dram, latency, missed, moved


def _compute_time(
    area: FloatArray,
    steps: FloatArray,
    waves: FloatArray,
    flops: FloatArray,
    format: str,
    chip: Chip,
    constants: _MatmulConstants,
) -> FloatArray:
    """Compute time [s] of waves of tiles: small tiles feed matrix units worse, long kernels run at a lower clock."""
    tile = 2.0 * (area + constants.half_area) * chip.cores / (chip.peak[format] * constants.efficiency)
    clock = 1 - constants.sag * flops / (flops + constants.sag_flops)
    return np.asarray(waves * (steps + constants.fill) * (tile / clock))


def _misses(distance: FloatArray, chip: Chip, constants: _MatmulConstants) -> FloatArray:
    """L2 miss rate of an operand after `distance` other bytes: 0 below the capacity, 1 well above."""
    capacity = max(chip.l2_capacity * constants.capacity, 1.0)
    return np.clip((distance / capacity - 1) / constants.eviction, 0.0, 1.0)


def _smooth_maximum(a: FloatArray, b: FloatArray, c: FloatArray, sharpness: float) -> FloatArray:
    """Power mean of three phases' times, because phases of similar length do not overlap fully."""
    return np.asarray((a**sharpness + b**sharpness + c**sharpness) ** (1 / sharpness))


def _after_quantisation(
    product: _GemmTime, elements: FloatArray, element: float, chip: Chip, constants: _MatmulConstants
) -> _GemmTime:
    """Return the product's times with those of the kernel that quantises its bf16 activations (read twice for a scale).

    It streams through the cores at a rate of their clock while the L2 holds both tensors, and through DRAM beyond.
    """
    gone = _misses(elements * (_OUTPUT + element), chip, constants)
    streamed = elements * (_OUTPUT * constants.quantise_reads + element)
    missed = streamed * gone
    cores = elements / (constants.quantise_rate * chip.cores * chip.clock)
    memory = missed / (constants.dram * chip.dram_bandwidth)
    l2, dram, latency = product.l2 + cores, product.dram + memory, product.latency + constants.quantise_launch
    return replace(
        product,
        time=product.time + constants.quantise_launch + np.hypot(cores, memory),
        bound=np.argmax([product.compute, l2, dram, latency], axis=0),
        l2=l2,
        dram=dram,
        latency=latency,
        dram_bytes=product.dram_bytes + missed,
        l2_bytes=product.l2_bytes + streamed,
    )
