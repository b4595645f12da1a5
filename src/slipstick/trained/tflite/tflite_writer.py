"""Writer of integer networks as .tflite files, which TensorFlow Lite's interpreters and `read_tflite` read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.trained.integer.integer_network import IntegerNetwork, IntegerOperator, IntegerTensor
from slipstick.trained.tflite.operator_options import _ACTIVATIONS, _PADDINGS
from slipstick.trained.tflite.tflite_file import _IDENTIFIER, _TYPES, _VERSION

_FIRST_BUFFER = 1024  # bytes of the builder, which grows
_ALIGNMENT = 16  # bytes on which constants lie, as in the converter's files
_OPERATORS = {  # kind -> operator, its version with these 8-bit types (TensorFlow Lite's `op_version.cc`), its options
    "conv": ("CONV_2D", 3, "Conv2DOptions"),
    "depthwise": ("DEPTHWISE_CONV_2D", 3, "DepthwiseConv2DOptions"),
    "dense": ("FULLY_CONNECTED", 4, "FullyConnectedOptions"),
    "add": ("ADD", 2, "AddOptions"),
    "average_pool": ("AVERAGE_POOL_2D", 2, "Pool2DOptions"),
    "max_pool": ("MAX_POOL_2D", 2, "Pool2DOptions"),
    "mean": ("MEAN", 2, "ReducerOptions"),
    "reshape": ("RESHAPE", 1, ""),
    "pad": ("PAD", 2, "PadOptions"),
    "quantize": ("QUANTIZE", 2, "QuantizeOptions"),
    "softmax": ("SOFTMAX", 2, "SoftmaxOptions"),
}


def tflite_bytes(network: IntegerNetwork) -> bytes:
    """Return the .tflite file of an integer network; `parse_tflite` gives the same network back.

    Errors
    ------
    SlipstickError for an operator that is not written, and where the extra `import` is missing.
    """
    return _Writer(network).file()


class _Writer:
    """Flatbuffer of one network: buffers, tensors, operators, in the order in which they are referred to."""

    def __init__(self, network: IntegerNetwork) -> None:
        self.network = network
        self.schema = require("tflite", "import")
        self.builder = require("flatbuffers", "import").Builder(_FIRST_BUFFER)
        self.buffers = [self.table("Buffer")]  # the first is that of tensors without data
        self.codes: list[tuple[str, int]] = []

    def file(self) -> bytes:
        """Return the finished file."""
        network, builder = self.network, self.builder
        tensors = self.tables([self.tensor(tensor) for tensor in network.tensors])
        operators = self.tables([self.operator(op) for op in network.operators])
        ends = {"Inputs": self.vector([network.input]), "Outputs": self.vector([network.output])}
        graph = self.table("SubGraph", Tensors=tensors, Operators=operators, **ends)
        codes = self.tables([self.code(word, version) for word, version in self.codes])
        fields = {"OperatorCodes": codes, "Subgraphs": self.tables([graph]), "Buffers": self.tables(self.buffers)}
        builder.Finish(self.table("Model", Version=_VERSION, **fields), _IDENTIFIER)
        return bytes(builder.Output())

    def tensor(self, tensor: IntegerTensor) -> int:
        """Write a tensor with its quantisation and, of a constant, its data."""
        number = 0
        if tensor.data is not None:
            number = len(self.buffers)
            self.buffers.append(self.table("Buffer", Data=self.data(tensor)))
        fields: dict[str, Any] = {"Name": self.builder.CreateString(tensor.name), "Buffer": number}
        if tensor.shape:
            fields["Shape"] = self.vector(tensor.shape)
        if tensor.scales.size:
            scales = self.builder.CreateNumpyVector(np.ascontiguousarray(tensor.scales, np.float32))
            zeros = self.builder.CreateNumpyVector(np.ascontiguousarray(tensor.zero_points, np.int64))
            arrays = {"Scale": scales, "ZeroPoint": zeros, "QuantizedDimension": tensor.axis}
            fields["Quantization"] = self.table("QuantizationParameters", **arrays)
        kind = next(name for name, dtype in _TYPES.items() if np.dtype(dtype) == tensor.dtype)
        return self.table("Tensor", Type=getattr(self.schema.TensorType, kind), **fields)

    def data(self, tensor: IntegerTensor) -> Any:
        """Write the bytes of a constant."""
        raw = np.ascontiguousarray(tensor.values, tensor.dtype.newbyteorder("<")).tobytes()
        self.builder.StartVector(1, len(raw), _ALIGNMENT)
        self.builder.head -= len(raw)
        self.builder.Bytes[self.builder.head : self.builder.head + len(raw)] = raw
        return self.builder.EndVector()

    def operator(self, op: IntegerOperator) -> int:
        """Write an operator with its options."""
        if op.kind not in _OPERATORS:
            raise SlipstickError("an operator that is not written", path="operators", value=op.kind, allowed=_OPERATORS)
        word, version, table = _OPERATORS[op.kind]
        if (word, version) not in self.codes:
            self.codes.append((word, version))
        fields = {"Inputs": self.vector(op.inputs), "Outputs": self.vector([op.output])}
        if table:
            fields["BuiltinOptions"] = self.table(table, **self.options(op))
            fields["BuiltinOptionsType"] = getattr(self.schema.BuiltinOptions, table)
        return self.table("Operator", OpcodeIndex=self.codes.index((word, version)), **fields)

    def options(self, op: IntegerOperator) -> dict[str, Any]:
        """Return the fields of an operator's options."""
        options, fields = op.options, dict[str, Any]()
        activation = _ACTIVATIONS.index(options.activation)
        if op.kind in ("conv", "depthwise", "average_pool", "max_pool"):
            fields |= {"StrideH": options.stride[0], "StrideW": options.stride[1]}
            fields |= {"Padding": _PADDINGS.index(options.padding), "FusedActivationFunction": activation}
        if op.kind in ("conv", "depthwise"):
            fields |= {"DilationHFactor": options.dilation[0], "DilationWFactor": options.dilation[1]}
        if op.kind == "depthwise":
            x, w = (self.network.tensors[index] for index in op.inputs[:2])
            fields["DepthMultiplier"] = w.shape[3] // x.shape[3]
        if op.kind in ("average_pool", "max_pool"):
            fields |= {"FilterHeight": options.window[0], "FilterWidth": options.window[1]}
        if op.kind in ("dense", "add"):
            fields["FusedActivationFunction"] = activation
        if op.kind == "mean":
            fields["KeepDims"] = len(self.network.tensors[op.output].shape) == len(
                self.network.tensors[op.inputs[0]].shape
            )
        if op.kind == "softmax":
            fields["Beta"] = options.beta
        return fields

    def code(self, word: str, version: int) -> int:
        """Write an operator's number and version; the older field holds numbers up to 127."""
        number = getattr(self.schema.BuiltinOperator, word)
        return self.table("OperatorCode", DeprecatedBuiltinCode=number, BuiltinCode=number, Version=version)

    def vector(self, numbers: Sequence[int]) -> Any:
        """Write a vector of 32-bit integers."""
        return self.builder.CreateNumpyVector(np.array(numbers, np.int32))

    def tables(self, places: Sequence[int]) -> Any:
        """Write a vector of tables that stand in the buffer."""
        self.builder.StartVector(4, len(places), 4)
        for place in reversed(places):
            self.builder.PrependUOffsetTRelative(place)
        return self.builder.EndVector()

    def table(self, name: str, **fields: Any) -> int:
        """Write a table of the schema with these fields, and return its place."""
        getattr(self.schema, f"{name}Start")(self.builder)
        for field, value in fields.items():
            getattr(self.schema, f"{name}Add{field}")(self.builder, value)
        return int(getattr(self.schema, f"{name}End")(self.builder))
