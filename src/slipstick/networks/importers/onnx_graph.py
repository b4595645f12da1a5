"""ONNX importer: an operator graph from a parsed file with inferred shapes; nothing is executed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.core.files import read_bytes
from slipstick.networks.graphs.imported import MAX_OPERATIONS, ImportedGraph, Recorder
from slipstick.networks.graphs.product_sizes import Sized
from slipstick.networks.importers.onnx_operators import KINDS, PARAMETER_INPUTS, VIEWS, _sized_product

MAX_ONNX_BYTES = 512 * 2**20  # of a file; larger networks have external weights, which are never opened
_MAX_ELEMENTS = 2**62  # of one tensor, so that sizes of a damaged or hostile file cannot overflow
_MAX_SHAPE_ELEMENTS = 4096  # of a constant that shape inference may need: a shape, an axis, a pad


def from_onnx(path: str | Path, *, name: str = "", dims: Mapping[str, int] | None = None) -> ImportedGraph:
    """Return the operator graph of an ONNX file.

    Weights are never looked at, only their shapes; external data stays closed. What an exporter has folded (a batch
    norm into its convolution) stays folded. Floating-point initializers that an operation reads count as parameters.

    Parameters
    ----------
    dims : the size of each dimension that the file leaves open, by its name; the first of the first input, the batch,
        is 1 unless given.

    Errors
    ------
    SlipstickError if onnx is not installed; for a file that is missing, too large, not ONNX or damaged; for control
    flow and local functions; and for shapes that cannot be inferred, with the dimensions that are open.
    """
    onnx = require("onnx", "import")
    model = _without_values(parse_onnx(onnx, path))
    graph = model.graph
    _bind(graph, dict(dims or {}), str(path))
    model = _inferred(onnx, model, str(path))
    trace = _Trace(onnx, model.graph, str(path))
    for node in model.graph.node:
        _record(trace, node, str(path))
    note = ", ".join(f"{kind} ({count})" for kind, count in trace.recorder.uncounted.items())
    operations = trace.recorder.finished()
    if not operations:
        raise SlipstickError("the ONNX file has no operation that reads an input", path=str(path))
    return ImportedGraph(
        name=name or Path(path).stem,
        source=f"ONNX file {Path(path).name}",
        note=f"only their traffic is counted: {note}" if note else "",
        batch=trace.batch,
        count=sum(trace.recorder.parameters.values()),
        operations=operations,
    )


def parse_onnx(onnx: Any, path: str | Path) -> Any:
    """Return the ONNX model of a file, parsed within size limits, with its weights.

    Errors
    ------
    SlipstickError for a file that is missing, too large, not ONNX or damaged; for control flow and local functions.
    """
    return parse_onnx_bytes(onnx, read_bytes(path, limit=MAX_ONNX_BYTES), str(path))


def parse_onnx_bytes(onnx: Any, raw: bytes, path: str) -> Any:
    """Return the model in the bytes of an ONNX file, as `parse_onnx` does; errors name `path`."""
    try:
        model = onnx.ModelProto.FromString(raw)
    except Exception as error:  # protobuf's DecodeError, which its back ends import from different places
        raise SlipstickError(f"not an ONNX file, or a damaged one: {error}", path=path) from None
    graph = model.graph
    if not graph.node:
        raise SlipstickError("not an ONNX file, or one without a graph", path=path)
    if len(graph.node) > MAX_OPERATIONS:
        raise SlipstickError("the ONNX file has too many operations", path=path, allowed=f"at most {MAX_OPERATIONS}")
    if model.functions:
        raise SlipstickError("local functions are not read: inline them (onnx.inliner)", path=path)
    for node in graph.node:
        if any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
            raise SlipstickError("control flow (If, Loop, Scan) has no operator graph", path=path, value=node.op_type)
    for tensor in graph.initializer:
        if any(size < 0 for size in tensor.dims):
            raise SlipstickError("the ONNX file has a weight of negative size", path=path, value=tensor.name)
    return model


def _without_values(model: Any) -> Any:
    """Drop the weights' values from the model; shape inference needs only their shapes."""
    graph = model.graph
    for tensor in graph.initializer:
        if math.prod(tensor.dims) > _MAX_SHAPE_ELEMENTS:
            for field in ("raw_data", "float_data", "int32_data", "int64_data", "double_data", "uint64_data"):
                tensor.ClearField(field)
    own = {name for node in graph.node if node.domain not in ("", "ai.onnx") for name in node.output}
    stated = [value for value in graph.value_info if value.name in own]  # shape inference does not know their operators
    del graph.value_info[:]
    graph.value_info.extend(stated)
    return model


def _bind(graph: Any, dims: dict[str, int], path: str) -> None:
    """Assign sizes to the open dimensions of the model's inputs."""
    fixed = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in fixed]
    missing, used = [], set()
    for number, value in enumerate(inputs):
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if dim.HasField("dim_value"):
                continue
            key = dim.dim_param or f"{value.name}.{axis}"
            if key not in dims and axis == 0 and number == 0:
                dims[key] = 1
            used.add(key)
            if key not in dims:
                missing.append(key)
            else:
                dim.dim_value = dims[key]
    if missing:
        raise SlipstickError(
            f"open dimensions: give dims={{{missing[0]!r}: ...}}", path=path, value=sorted(set(missing))
        )
    for key, size in dims.items():
        if key not in used:
            raise SlipstickError("no such open dimension", path=f"{path}: dims", value=key, allowed=used)
        if size < 1:
            raise SlipstickError(
                "not a size of a dimension", path=f"{path}: dims.{key}", value=size, allowed="a whole number from 1"
            )


def _inferred(onnx: Any, model: Any, path: str) -> Any:
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")  # the exporter's shapes may have names for sizes that are given now
    try:
        return onnx.shape_inference.infer_shapes(model, check_type=False, strict_mode=False, data_prop=True)
    except Exception as error:  # InferenceError, or an exception of its C++ library
        first = str(error).strip().splitlines() or [type(error).__name__]
        raise SlipstickError(f"shape inference of the ONNX file failed: {first[0]}", path=path) from None


def _record(trace: _Trace, node: Any, path: str) -> None:
    try:
        trace.record(node)
    except (IndexError, KeyError, TypeError, ValueError, ZeroDivisionError):  # too few inputs, of a wrong rank, empty
        raise SlipstickError(
            "the operator does not fit its inputs", path=f"{path}: {node.name}", value=node.op_type
        ) from None


class _Trace:
    """Translation of a graph with inferred shapes into operations, node by node."""

    def __init__(self, onnx: Any, graph: Any, path: str) -> None:
        self.recorder = Recorder()
        self._path = path
        self._shapes: dict[str, tuple[int, ...] | None] = {}
        types = onnx.TensorProto
        floating = {types.FLOAT, types.FLOAT16, types.BFLOAT16, types.DOUBLE, types.INT8, types.UINT8}
        self._constants, self._weights = set(), {}
        for tensor in graph.initializer:
            self._constants.add(tensor.name)
            self._shapes[tensor.name] = tuple(tensor.dims)
            if tensor.data_type in floating:
                self._weights[tensor.name] = tensor.name
        for value in (*graph.input, *graph.value_info, *graph.output):
            if value.name not in self._shapes:
                self._shapes[value.name] = _shape_of(value)
        inputs = [value.name for value in graph.input if value.name not in self._constants]
        self.batch = next((shape[0] for name in inputs if (shape := self._shapes[name])), 1)

    def record(self, node: Any) -> None:
        """Record the operation of one node of the graph."""
        read = [name for name in node.input if name]
        base = node.op_type
        if base in ("Constant", "Shape", "Size") or all(name in self._constants for name in read):
            self._record_constants(node, read)
            return
        if base in VIEWS:
            for value in node.output:
                self.recorder.alias(value, read[0])
            return
        weights = self._used(node, base)
        shapes = [self.shape(name) if name else () for name in node.input]
        sized, kind = self._sizes(node, base, shapes, weights)
        activations = [(name, self._elements(name)) for name in read if name not in self._constants]
        outputs = sum(self._elements(name) for name in node.output if name and self._shapes.get(name) is not None)
        if not outputs:
            outputs = self._elements(node.output[0])
        if "dims" not in sized:
            sized = {**sized, "dims": {"m": self.batch, "n": max(1, math.ceil(outputs / self.batch))}}
        values = [name for name in node.output if name]
        name = _readable(node)
        self.recorder.add(name, kind, *values, reads=activations, outputs=outputs, weights=weights, **sized)

    def shape(self, value: str) -> tuple[int, ...]:
        """Return the inferred shape of a value.

        Errors
        ------
        SlipstickError where it could not be inferred.
        """
        shape = self._shapes.get(value)
        if shape is None or math.prod(shape) > _MAX_ELEMENTS:
            raise SlipstickError("the shape of a value cannot be inferred", path=self._path, value=value)
        return shape

    def _elements(self, value: str) -> float:
        return float(math.prod(self.shape(value)))

    def _record_constants(self, node: Any, read: list[str]) -> None:
        """Record a node with constant inputs as constant; a view of a weight remains that weight."""
        for value in node.output:
            self._constants.add(value)
            if read and read[0] in self._weights:
                # torch stores equal vectors (the scales of an untrained norm) once: those are not shared parameters
                apart = node.op_type == "Identity" and len(self.shape(read[0])) == 1
                self._weights[value] = value if apart else self._weights[read[0]]

    def _used(self, node: Any, base: str) -> dict[str, int]:
        """Return the parameters that a node reads, without running statistics of norms and zero points."""
        places = PARAMETER_INPUTS.get(base)
        names = [name for place, name in enumerate(node.input) if places is None or place in places]
        used = {self._weights[name] for name in names if name in self._weights}
        return {name: math.prod(self.shape(name)) for name in sorted(used)}

    def _sizes(
        self, node: Any, base: str, shapes: list[tuple[int, ...]], weights: Mapping[str, int]
    ) -> tuple[Sized, str]:
        attributes = {attribute.name: attribute for attribute in node.attribute}
        product = _sized_product(base, attributes, shapes, lambda: self.shape(node.output[0]), bool(weights))
        if product is not None:
            return product
        if base == "Gather":
            return {}, "embedding" if weights else "copy"
        kind = KINDS.get(base, "other")
        if kind == "other":
            self.recorder.uncounted[base] += 1
        return {}, kind


def _shape_of(value: Any) -> tuple[int, ...] | None:
    tensor = value.type.tensor_type
    if not value.type.HasField("tensor_type") or not tensor.HasField("shape"):
        return None
    dims = [dim.dim_value if dim.HasField("dim_value") else -1 for dim in tensor.shape.dim]
    return None if any(size < 0 for size in dims) else tuple(dims)


def _readable(node: Any) -> str:
    """Return the module path in a torch node name (/layer1/layer1.0/conv1/Conv), else the name unchanged."""
    name = str(node.name or (node.output[0] if node.output else node.op_type))
    if not name.startswith("/"):
        return name
    modules: list[str] = []
    for part in name.strip("/").split("/")[:-1]:
        if modules and part.startswith(f"{modules[-1]}."):
            modules.pop()
        modules.append(part)
    return ".".join(modules) or name.strip("/")
