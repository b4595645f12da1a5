"""Small .tflite files for the tests, written with the classes that the package `tflite` generates from the schema."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
import tflite

Values = Any
TYPES = {"float32": 0, "int32": 2, "uint8": 3, "int64": 4, "int8": 9}


@dataclass
class Writer:
    """Collects tensors and operators; `bytes` is the file."""

    tensors: list[tuple[Any, ...]] = field(default_factory=list)
    operators: list[tuple[Any, ...]] = field(default_factory=list)
    builder: Any = field(default_factory=lambda: flatbuffers.Builder(4096))

    def tensor(
        self, shape: Values, dtype: str, scale: Values = (), zero: Values = (), axis: int = 0, data: Values = None
    ) -> int:
        """Add a tensor and return its index."""
        scale, zero = np.atleast_1d(np.float32(scale)), np.atleast_1d(np.int64(zero))
        self.tensors.append((tuple(shape), dtype, scale, zero, axis, data))
        return len(self.tensors) - 1

    def constant(self, data: Values, scale: Values = (), zero: Values = (), axis: int = 0) -> int:
        """Add a constant tensor and return its index."""
        return self.tensor(data.shape, str(data.dtype), scale, zero, axis, data)

    def operator(
        self, word: str, version: int, inputs: list[int], output: int, table: str = "", **options: Any
    ) -> None:
        """Add an operator whose table of options has these fields."""
        self.operators.append((word, version, inputs, output, table, options))

    def bytes(self, source: int, sink: int, schema: int = 3) -> bytes:
        """Return the file of the network from tensor `source` to tensor `sink`."""
        b = self.builder
        empty = _table(b, "Buffer")
        buffers, tensors = [empty], []
        for place, (shape, dtype, scale, zero, axis, data) in enumerate(self.tensors):
            number = 0
            if data is not None:
                number = len(buffers)
                b.StartVector(1, data.nbytes, 16)  # as the real converter: constants lie on 16 bytes
                b.head -= data.nbytes
                b.Bytes[b.head : b.head + data.nbytes] = data.tobytes()
                buffers.append(_table(b, "Buffer", Data=b.EndVector()))
            name = b.CreateString(f"tensor_{place}")
            vector = b.CreateNumpyVector(np.int32(shape)) if shape else None
            about = None
            if scale.size:
                scales, zeros = b.CreateNumpyVector(scale), b.CreateNumpyVector(zero)
                about = _table(b, "QuantizationParameters", Scale=scales, ZeroPoint=zeros, QuantizedDimension=axis)
            fields = {"Shape": vector, "Type": TYPES[dtype], "Buffer": number, "Name": name, "Quantization": about}
            tensors.append(_table(b, "Tensor", **{key: value for key, value in fields.items() if value is not None}))
        codes, operators = [], []
        for word, version, inputs, output, table, options in self.operators:
            number = getattr(tflite.BuiltinOperator, word)
            codes.append(_table(b, "OperatorCode", DeprecatedBuiltinCode=number, BuiltinCode=number, Version=version))
            read, written = b.CreateNumpyVector(np.int32(inputs)), b.CreateNumpyVector(np.int32([output]))
            extra = {}
            if table:
                kind = getattr(tflite.BuiltinOptions, table)
                extra = {"BuiltinOptionsType": kind, "BuiltinOptions": _table(b, table, **options)}
            operators.append(_table(b, "Operator", OpcodeIndex=len(codes) - 1, Inputs=read, Outputs=written, **extra))
        ends = [b.CreateNumpyVector(np.int32([end])) for end in (source, sink)]
        graph = _table(
            b, "SubGraph", Tensors=_tables(b, tensors), Inputs=ends[0], Outputs=ends[1], Operators=_tables(b, operators)
        )
        model = _table(
            b, "Model", Version=schema, OperatorCodes=_tables(b, codes), Subgraphs=_tables(b, [graph]),
            Buffers=_tables(b, buffers),
        )  # fmt: skip
        b.Finish(model, b"TFL3")
        return bytes(b.Output())


def _table(builder: Any, name: str, **fields: Any) -> Any:
    getattr(tflite, f"{name}Start")(builder)
    for key, value in fields.items():
        getattr(tflite, f"{name}Add{key}")(builder, value)
    return getattr(tflite, f"{name}End")(builder)


def _tables(builder: Any, offsets: list[Any]) -> Any:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def small(kind: str = "int8", *, seed: int = 0) -> bytes:
    """Return a file that has most operators: two convolutions, a depth-wise one, an addition, pools, a dense layer."""
    rng, w = np.random.default_rng(seed), Writer()
    low = -128 if kind == "int8" else 0

    def flow(*shape: int, scale: float = 0.05, zero: int = 7) -> int:
        return w.tensor((1, *shape), kind, scale, low + 100 + zero)

    def layer(word: str, table: str, x: int, y: int, shape: tuple[int, ...], axis: int, **options: Any) -> None:
        filters = shape[axis]
        if kind == "int8":
            codes = rng.integers(-127, 128, shape).astype(np.int8)
            scales, zeros = rng.uniform(0.001, 0.004, filters).astype(np.float32), np.zeros(filters, int)
            if word == "FULLY_CONNECTED":
                scales, zeros = scales[:1], zeros[:1]
        else:
            codes, scales, zeros = rng.integers(0, 256, shape).astype(np.uint8), 0.003, 121
        weights = w.constant(codes, scales, zeros, axis)
        bias = w.constant(rng.integers(-3000, 3000, filters).astype(np.int32), np.float32(scales) * 0.05, zeros * 0)
        w.operator(word, 3 if kind == "int8" else 1, [x, weights, bias], y, table, **options)

    one = {"StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}
    image = flow(9, 8, 3)
    first, deep, second, both, padded, pooled = (
        flow(5, 4, 8), flow(5, 4, 8, scale=0.06), flow(5, 4, 8, zero=-20),
        flow(5, 4, 8, scale=0.07, zero=3), flow(7, 5, 8, scale=0.07, zero=3), flow(3, 2, 8, scale=0.07, zero=3),
    )  # fmt: skip
    layer(
        "CONV_2D",
        "Conv2DOptions",
        image,
        first,
        (8, 3, 3, 3),
        0,
        **one | {"StrideH": 2, "StrideW": 2},
        FusedActivationFunction=3,
    )
    layer("DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions", first, deep, (1, 3, 3, 8), 3, **one, DepthMultiplier=1)
    layer("CONV_2D", "Conv2DOptions", deep, second, (8, 1, 1, 8), 0, **one, Padding=1)
    w.operator("ADD", 2 if kind == "int8" else 1, [first, second], both, "AddOptions", FusedActivationFunction=1)
    w.operator(
        "PAD", 2 if kind == "int8" else 1, [both, w.constant(np.int32([[0, 0], [1, 1], [0, 1], [0, 0]]))], padded
    )
    pool = {"StrideH": 2, "StrideW": 2, "FilterHeight": 3, "FilterWidth": 2, "Padding": 1}
    w.operator("AVERAGE_POOL_2D", 2 if kind == "int8" else 1, [padded], pooled, "Pool2DOptions", **pool)
    flat, scores = w.tensor((1, 48), kind, 0.07, low + 103), w.tensor((1, 5), kind, 0.11, low + 120)
    w.operator("RESHAPE", 1, [pooled, w.constant(np.int32([-1, 48]))], flat)
    layer("FULLY_CONNECTED", "FullyConnectedOptions", flat, scores, (5, 48), 0)
    shares = w.tensor((1, 5), kind, 1 / 256, low)
    w.operator("SOFTMAX", 2 if kind == "int8" else 1, [scores], shares, "SoftmaxOptions", Beta=1.0)
    return w.bytes(image, shares)
