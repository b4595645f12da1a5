"""Parser of .tflite files into integer networks: a flatbuffer is read, every value is checked, nothing is executed."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slipstick.core.arrays import AnyArray
from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.core.files import read_bytes
from slipstick.trained.integer.integer_network import IntegerNetwork, IntegerOperator, IntegerTensor, _Options
from slipstick.trained.integer.operator_rules import _check
from slipstick.trained.tflite.operator_options import KNOWN

LIMIT = 512 * 2**20  # bytes of a file: the format itself ends at 2 GiB, networks in 8 bits at some tens of MB
_MOST = 16384  # tensors, operators or buffers: the largest published networks have a few thousand
_LARGEST = 2**26  # elements of one tensor: 64 MiB of activations in 8 bits
_DIMENSIONS = 6
_LONGEST = 4096  # characters of a tensor's name
_SCALES = 65536  # of one tensor: its filters
_IDENTIFIER = b"TFL3"
_VERSION = 3
_DAMAGE = (struct.error, IndexError, ValueError, TypeError, OverflowError, AttributeError, BufferError)
_TYPES = {"FLOAT32": np.float32, "INT32": np.int32, "INT64": np.int64, "UINT8": np.uint8, "INT8": np.int8}


def read_tflite(path: str | Path, *, name: str = "") -> IntegerNetwork:
    """Return the integer network in a .tflite file: its tensors, quantisation scales, constants and operators.

    The schema is TensorFlow Lite's (version 3), read by the classes that the package `tflite` generates from it;
    TensorFlow is not needed. Constants are views of the file's bytes, not copies. Networks of one subgraph, one input
    and one output are read, whose layers compute in int8 or uint8; elementwise floating-point operators between
    DEQUANTIZE and QUANTIZE are kept.

    Errors
    ------
    SlipstickError if tflite or flatbuffers is not installed; for a file that is missing, too large, not a .tflite or
    damaged; for an operator, a version or a type that is not read, and for operators that do not fit their tensors.
    """
    raw = read_bytes(path, limit=LIMIT)
    return parse_tflite(raw, name=name or Path(path).stem, where=str(path))


def parse_tflite(raw: bytes, *, name: str = "network", where: str = ".tflite") -> IntegerNetwork:
    """Return the integer network in the bytes of a .tflite file; errors as those of `read_tflite`, naming `where`."""
    require("flatbuffers", "import")
    tflite = require("tflite", "import")
    if len(raw) < 8 or raw[4:8] != _IDENTIFIER:
        raise SlipstickError("not a .tflite file: its bytes 4 to 8 are not TFL3", path=where)
    try:
        network = _Reader(tflite, raw, name).network()
    except _DAMAGE as error:
        raise SlipstickError(f"a damaged .tflite file: {error}", path=where) from None
    except SlipstickError as error:
        place = f"{where}: {error.path}" if error.path else where
        raise SlipstickError(error.message, path=place, value=error.value, allowed=error.allowed) from None
    return network


class _Reader:
    """Reader of the tables of one flatbuffer; offsets that lead out of it raise one of DAMAGE."""

    def __init__(self, tflite: Any, raw: bytes, name: str) -> None:
        self._schema, self._raw, self._name = tflite, raw, name
        self._bytes = np.frombuffer(raw, np.uint8)
        self._model = tflite.Model.GetRootAs(raw, 0)
        self._operators = {number: word for word, number in vars(tflite.BuiltinOperator).items() if word.isupper()}
        self._types = {getattr(tflite.TensorType, word): np.dtype(kind) for word, kind in _TYPES.items()}
        self._type_names = {code: word for word, code in vars(tflite.TensorType).items() if word.isupper()}

    def network(self) -> IntegerNetwork:
        """Return the integer network of the file, checked."""
        if self._model.Version() != _VERSION:
            raise SlipstickError("a schema that is not read", value=self._model.Version(), allowed=str(_VERSION))
        if self._model.SubgraphsLength() != 1:
            raise SlipstickError("control flow is not read", value=f"{self._model.SubgraphsLength()} subgraphs")
        graph = self._model.Subgraphs(0)
        tensors = tuple(self._each(graph.TensorsLength(), graph.Tensors, self._tensor, "tensors"))
        ends = [_indices(graph, which, len(tensors)) for which in ("Inputs", "Outputs")]
        if any(len(end) != 1 or end[0] < 0 for end in ends):
            raise SlipstickError("one input and one output are read", value=f"{len(ends[0])} and {len(ends[1])}")
        count = len(tensors)
        operators = tuple(
            self._each(graph.OperatorsLength(), graph.Operators, lambda op: self._operator(op, count), "operators")
        )
        network = IntegerNetwork(self._name, tensors, operators, ends[0][0], ends[1][0])
        _check(network)
        return network

    def _each(self, count: int, get: Callable[[int], Any], read: Callable[[Any], Any], kind: str) -> list[Any]:
        if count > min(_MOST, len(self._raw) // 4):  # each has an offset of four bytes
            raise SlipstickError(f"too many {kind}", value=count, allowed=f"at most {_MOST}")
        entries = []
        for place in range(count):
            try:
                entries.append(read(get(place)))
            except SlipstickError as error:
                raise SlipstickError(
                    error.message, path=f"{kind}.{place}", value=error.value, allowed=error.allowed
                ) from None
        return entries

    def _tensor(self, table: Any) -> IntegerTensor:
        code = table.Type()
        dtype = self._types.get(code)
        if dtype is None:
            name = self._type_names.get(code, code)
            raise SlipstickError("a type of tensor that is not read", value=name, allowed=_TYPES)
        if table.Sparsity() is not None or table.IsVariable():
            raise SlipstickError("sparse and variable tensors are not read")
        shape = tuple(int(size) for size in _vector(table.ShapeAsNumpy(), np.int32, _DIMENSIONS, "sizes"))
        if any(size < 1 for size in shape) or math.prod(shape) > _LARGEST:
            raise SlipstickError("not a shape", value=shape, allowed=f"sizes from 1, at most {_LARGEST} elements")
        scales, zero_points, axis = _quantisation(table.Quantization(), shape, dtype)
        data = self._constant(table.Buffer(), shape, dtype)
        offset = 0 if data is None else _address(data) - _address(self._bytes)
        name = (table.Name() or b"").decode("utf-8", "replace")
        if len(name) > _LONGEST:  # many that overlap would fill the memory
            raise SlipstickError("too long a name", value=name, allowed=f"at most {_LONGEST} characters")
        length = 0 if data is None else data.nbytes
        return IntegerTensor(name, shape, dtype, scales, zero_points, axis, data, offset, length)

    def _constant(self, index: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray | None:
        if not 0 <= index < self._model.BuffersLength():
            raise SlipstickError("no such buffer", value=index)
        buffer = self._model.Buffers(index)
        if buffer.Offset() > 1 or buffer.Size() > 1:  # 0 or 1: the bytes lie in the flatbuffer itself
            raise SlipstickError("buffers behind the flatbuffer are not read", value=buffer.Offset())
        if buffer.DataLength() == 0:
            return None
        stored = buffer.DataAsNumpy()
        if stored.size != math.prod(shape) * dtype.itemsize:
            raise SlipstickError(f"a constant of {stored.size} bytes for the shape {shape}", value=str(dtype))
        return stored.view(dtype.newbyteorder("<")).reshape(shape)  # type: ignore[no-any-return]

    def _operator(self, table: Any, tensors: int) -> IntegerOperator:
        if not 0 <= table.OpcodeIndex() < self._model.OperatorCodesLength():
            raise SlipstickError("no such operator code", value=table.OpcodeIndex())
        code = self._model.OperatorCodes(table.OpcodeIndex())
        word = self._operators.get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()), "unknown")
        known = KNOWN.get(word)
        if known is None:
            raise SlipstickError("an operator that is not read", value=word, allowed=KNOWN)
        if not 1 <= code.Version() <= known.newest:
            raise SlipstickError(
                f"a version of {word} that is not read", value=code.Version(), allowed=f"1 to {known.newest}"
            )
        inputs, outputs = (_indices(table, which, tensors) for which in ("Inputs", "Outputs"))
        if len(outputs) != 1 or outputs[0] < 0:
            raise SlipstickError(f"{word} with one output is read", value=len(outputs))
        options = _Options()
        if known.table:
            union = table.BuiltinOptions()
            if union is None or table.BuiltinOptionsType() != getattr(self._schema.BuiltinOptions, known.table):
                raise SlipstickError(f"{word} without its options")
            holder = getattr(self._schema, known.table)()
            holder.Init(union.Bytes, union.Pos)
            options = known.read(holder)
        return IntegerOperator(known.kind, inputs, outputs[0], options)


def _address(array: AnyArray) -> int:
    return int(array.__array_interface__["data"][0])


def _vector(vector: Any, dtype: Any, most: int, kind: str) -> NDArray[Any]:
    """Return a vector of the flatbuffer; the generated classes give an absent one as 0."""
    values = np.asarray(vector if isinstance(vector, np.ndarray) else [], dtype)
    if values.size > most:
        raise SlipstickError(f"too many {kind}", value=values.size, allowed=f"at most {most}")
    return values


def _indices(table: Any, which: str, tensors: int) -> tuple[int, ...]:
    values = _vector(getattr(table, f"{which}AsNumpy")(), np.int32, _MOST, which.lower())
    if any(not -1 <= value < tensors for value in values):
        raise SlipstickError(f"{which.lower()} that do not exist", value=values.tolist()[:8])
    return tuple(int(value) for value in values)


def _quantisation(
    table: Any, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> tuple[NDArray[np.float32], NDArray[np.int64], int]:
    """Return a tensor's scales, zero points and quantised axis."""
    none = np.zeros(0, np.float32), np.zeros(0, np.int64), 0
    if table is None or dtype.kind == "f":
        return none
    longest = min(max(shape, default=1), _SCALES)
    scales = _vector(table.ScaleAsNumpy(), np.float32, longest, "scales")
    if not scales.size:
        return none
    zero_points = _vector(table.ZeroPointAsNumpy(), np.int64, longest, "zero points")
    zero_points = zero_points if zero_points.size else np.zeros(scales.size, np.int64)
    axis = table.QuantizedDimension()
    if table.DetailsType() != 0:
        raise SlipstickError("a quantisation that is not affine")
    if zero_points.size != scales.size:
        raise SlipstickError(f"{scales.size} scales, {zero_points.size} zero points")
    if not (np.isfinite(scales).all() and (scales > 0).all()):
        raise SlipstickError("a scale that is not a positive number", value=float(scales.min()))
    least, most = (np.iinfo(dtype).min, np.iinfo(dtype).max) if dtype.itemsize == 1 else (0, 0)
    if not ((zero_points >= least) & (zero_points <= most)).all():
        raise SlipstickError("a zero point outside its type", value=int(zero_points[0]), allowed=f"{least} to {most}")
    if scales.size > 1 and not (0 <= axis < len(shape) and shape[axis] == scales.size):
        raise SlipstickError(f"{scales.size} scales along axis {axis} of the shape {shape}")
    return scales, zero_points, axis if scales.size > 1 else 0
