"""Measured matrix products, replayed as their benchmark ran them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slipstick.cluster.gemm import Reuse

FloatArray = NDArray[np.float64]

MAX_COPIES = 5  # of the weights: read off the rows, which are warm where five copies fit the L2


def rotating_weights(l2_capacity: float) -> Reuse:
    """Return the reuse distances of a benchmark that repeats a product with as many weights as fill the L2."""

    def distances(a: FloatArray, b: FloatArray, c: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        once = a + b + c  # one tensor of activations and one of results serve all copies
        copies = np.minimum(MAX_COPIES, np.ceil(l2_capacity / b))
        return once, a + copies * b + c, once

    return distances
