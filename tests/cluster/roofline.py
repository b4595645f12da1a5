"""Roofline of a matrix product: the lower bound that no kernel model may beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from slipstick.cluster.kernels.chip import Chip
from slipstick.core.arrays import FloatArray

# bytes of an operand's element by number format, written down here again: scale bytes for 16 and for 32 elements
BYTES = {"fp64": 8.0, "fp32": 4.0, "tf32": 4.0, "bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "int8": 1.0}
BYTES |= {"nvfp4": 0.5625, "fp4": 0.5625, "mxfp4": 0.53125}


def roofline(m: ArrayLike, n: ArrayLike, k: ArrayLike, name: str, chip: Chip) -> FloatArray:
    """Return the lower bound [s]: operations at the peak, or B read once from DRAM (A and C may stay in the L2)."""
    m, n, k = (np.asarray(size, dtype=np.float64) for size in (m, n, k))
    return np.asarray(np.maximum(2.0 * m * n * k / chip.peak[name], n * k * BYTES[name] / chip.dram_bandwidth))
