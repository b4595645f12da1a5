"""Constants of an ONNX file: sizes are checked against the bytes present before memory is taken."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require

DIMENSIONS = 8  # of a tensor: images have 4, a channel shuffle 5
LARGEST = 2**28  # elements of a tensor, of one image's flows, and of a convolution's unfolded input: 1 GiB as float32
FLOATS = {"FLOAT": 4, "FLOAT16": 2, "BFLOAT16": 2, "DOUBLE": 8}  # bytes of an element
WHOLE = {"INT32": 4, "INT64": 8, "BOOL": 1}
_FIELDS = {"FLOAT": "float_data", "DOUBLE": "double_data", "INT64": "int64_data"}  # others of the above: int32_data


def _type_name(number: int) -> str:
    """Return onnx's name of a data type number; ValueError for an unknown number."""
    return str(require("onnx", "import").TensorProto.DataType.Name(number))


def _shape_of(tensor: Any) -> tuple[int, ...]:
    """Return the shape of a constant; ValueError for too many dimensions or elements."""
    shape = tuple(int(size) for size in tensor.dims)
    if len(shape) > DIMENSIONS or any(size < 0 for size in shape) or math.prod(shape) > LARGEST:
        raise ValueError(f"a constant of the shape {shape}")
    return shape


def _floats(tensor: Any) -> NDArray[np.float32]:
    """Return a floating-point constant as an array of its shape, from any float type of ONNX.

    Errors
    ------
    SlipstickError if the numbers lie in another file; ValueError if they are no floats, not as many as the shape needs,
    or beyond float32.
    """
    stored = _values(tensor, FLOATS)
    with np.errstate(all="ignore"):  # a damaged file may hold any bits; what becomes infinite is looked for below
        values = np.array(stored, np.float32)
        if np.isinf(values).sum() > np.isinf(stored).sum():
            raise ValueError(f"{tensor.name} holds numbers beyond float32")
    return values


def integers(tensor: Any) -> list[int]:
    """Return the integers of a short constant (a shape, axes, pads); errors as those of `_floats`."""
    if math.prod(_shape_of(tensor)) > 2 * DIMENSIONS:  # pads have two for each dimension
        raise ValueError(f"{tensor.name} holds more than {2 * DIMENSIONS} whole numbers")
    return [int(number) for number in _values(tensor, WHOLE).reshape(-1)]


def number(tensor: Any) -> float:
    """Return the value of an ONNX tensor of one element as a float.

    Errors
    ------
    ValueError for several elements, for NaN, and as those of `_floats`.
    """
    values = _floats(tensor).reshape(-1)
    if values.size != 1 or np.isnan(values[0]):
        raise ValueError(f"{tensor.name} is not one number")
    return float(values[0])


def _values(tensor: Any, types: dict[str, int]) -> NDArray[Any]:
    shape, kind = _shape_of(tensor), _type_name(tensor.data_type)
    if tensor.data_location or tensor.external_data:
        raise SlipstickError("weights in another file are not read", value=tensor.name, allowed="weights in the file")
    if kind not in types:
        raise ValueError(f"{tensor.name} is {kind}, not one of {', '.join(types)}")
    elements = math.prod(shape)
    if tensor.HasField("raw_data"):
        stored, required, unit = len(tensor.raw_data), elements * types[kind], "bytes"
    else:
        stored, required, unit = len(getattr(tensor, _FIELDS.get(kind, "int32_data"))), elements, "numbers"
    if stored != required:
        raise ValueError(f"{tensor.name} of the shape {shape} needs {required} {unit}; the file has {stored}")
    values: NDArray[Any] = require("onnx.numpy_helper", "import").to_array(tensor)
    return values.reshape(shape)
