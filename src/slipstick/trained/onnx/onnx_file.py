"""ONNX classifier file, parsed and checked: its constants, image shape, and the nodes that the output needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.core.files import read_bytes
from slipstick.networks.importers.onnx_graph import MAX_ONNX_BYTES, parse_onnx_bytes
from slipstick.trained.onnx.constants import FLOATS, _type_name
from slipstick.trained.onnx.named_constants import _make_plain, constants
from slipstick.trained.onnx.node_attributes import HIGHEST, STANDARD, _node_of, _OnnxNode

_MOST = 16384  # nodes: the largest published networks have a few thousand
_OLDEST = 7  # version of the operators: elementwise ones broadcast otherwise before it
DAMAGE = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, ZeroDivisionError, RuntimeError)


@dataclass(frozen=True)
class _Parsed:
    """Parsed graph of an ONNX file.

    Parameters
    ----------
    model : the file as onnx parses it, its constants made plain (`_make_plain`).
    source, result : the names of the images and of the first output.
    batch : the images in a batch that the file was exported with; None: it leaves that open.
    image : channels, height, width; None where the file leaves one open.
    constants : onnx's tensors by name: initializers, and the values of Constant nodes.
    nodes : what the result needs, in the file's order, without constants.
    """

    path: str
    model: Any
    source: str
    result: str
    batch: int | None
    image: tuple[int | None, ...]
    constants: Mapping[str, Any]
    nodes: tuple[_OnnxNode, ...]


def _read(path: str | Path) -> _Parsed:
    """Return the parsed graph of an ONNX file.

    Errors
    ------
    SlipstickError if onnx is not installed, or for a file that is missing, too large, not ONNX or damaged, that does
    not read one image tensor, or whose operators are older or newer than those that are known.
    """
    return _parse_onnx(read_bytes(path, limit=MAX_ONNX_BYTES), str(path))


def _parse_onnx(raw: bytes, path: str) -> _Parsed:
    """Return the graph in the bytes of an ONNX file, as `_read` does; errors name `path`."""
    onnx = require("onnx", "import")
    model = parse_onnx_bytes(onnx, raw, path)
    try:
        return _parsed(onnx, model, path)
    except DAMAGE as error:
        raise SlipstickError(f"a damaged ONNX file: {error}", path=path) from None


def _parsed(onnx: Any, model: Any, path: str) -> _Parsed:
    graph = model.graph
    if len(graph.node) > _MOST:
        raise SlipstickError("too many nodes", path=path, value=len(graph.node), allowed=f"at most {_MOST}")
    if graph.sparse_initializer:
        raise SlipstickError("sparse weights are not read", path=path)
    version = _version(onnx, model, path)
    _make_plain(onnx, graph)
    known = constants(graph)
    source, batch, image = _images(graph, known, path)
    if not graph.output:
        raise SlipstickError("a graph without an output", path=path)
    result = str(graph.output[0].name)
    needed = _needed(graph, result, {source, *known}, path)
    nodes = tuple(_node_of(node, version) for node in needed)
    return _Parsed(path, model, source, result, batch, image, known, nodes)


def _version(onnx: Any, model: Any, path: str) -> int:
    newest = int(onnx.defs.onnx_opset_version())
    versions = [int(entry.version) for entry in model.opset_import if entry.domain in STANDARD]
    if len(versions) != 1 or not _OLDEST <= versions[0] <= newest:
        allowed = f"{_OLDEST} to {newest}"
        raise SlipstickError(
            "a version of ONNX's operators that is not read", path=path, value=versions, allowed=allowed
        )
    return versions[0]


def _images(graph: Any, known: Mapping[str, Any], path: str) -> tuple[str, int | None, tuple[int | None, ...]]:
    """Return the name of the image input, its batch size, and its channels, height and width."""
    inputs = [value for value in graph.input if value.name not in known]
    if len(inputs) != 1:
        raise SlipstickError("one input is read", path=path, value=f"{len(inputs)} inputs")
    kind = inputs[0].type.tensor_type
    if _type_name(kind.elem_type) not in FLOATS:
        raise SlipstickError("images are floats", path=path, value=_type_name(kind.elem_type), allowed=FLOATS)
    sizes = [int(dim.dim_value) if dim.HasField("dim_value") else None for dim in kind.shape.dim]
    if not kind.HasField("shape"):
        sizes = [None] * 4
    if len(sizes) != 4 or any(size is not None and not 0 < size <= HIGHEST for size in sizes):
        raise SlipstickError("images are [n, channels, height, width]", path=path, value=sizes)
    return str(inputs[0].name), sizes[0], tuple(sizes[1:])


def _needed(graph: Any, result: str, known: set[str], path: str) -> list[Any]:
    """Return the nodes that the result depends on; each value must be computed once, and before it is read."""
    made = set(known)
    for node in graph.node:
        if node.op_type == "Constant":
            continue
        if missing := [name for name in node.input if name and name not in made]:
            raise SlipstickError("reads what nothing before it makes", path=f"{path}: {node.name}", value=missing[0])
        if twice := [name for name in node.output if name in made]:
            raise SlipstickError("makes what is there already", path=f"{path}: {node.name}", value=twice[0])
        made.update(name for name in node.output if name)
    if result not in made - known:
        raise SlipstickError("nothing makes the output", path=path, value=result)
    required_values, needed = {result}, []
    for node in reversed(graph.node):
        if node.op_type != "Constant" and required_values & set(node.output):
            needed.append(node)
            required_values.update(name for name in node.input if name)
    return needed[::-1]
