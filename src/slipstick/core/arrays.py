"""Types of numpy arrays by element type, shared by all signatures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
RealArray = NDArray[np.floating[Any]]  # of any width: what arithmetic of sizes and rates gives
Float32Array = NDArray[np.float32]
IntArray = NDArray[np.int64]
Int8Array = NDArray[np.int8]
ByteArray = NDArray[np.uint8]
CodeArray = NDArray[np.uint32]
BoolArray = NDArray[np.bool_]
ComplexArray = NDArray[np.complex128]
NamedArrays = Mapping[str, NDArray[Any]]
AnyArray = NDArray[Any]
