"""Chakra execution traces: length-prefixed protobuf messages, one file per node.

Schema: MLCommons Chakra, ``schema/protobuf/et_def.proto`` (fields by number; only those read here are declared, others
are passed over). Files are parsed, never executed; their size is bounded before anything is built.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.core.files import read_bytes, write_bytes
from slipstick.fabric.traces.execution import Trace, TraceStep

_MAX_BYTES = 256 * 2**20
_MAX_NODES = 2**21
_VERSION = "0.0.4"
_COMPUTE, _SEND, _RECEIVE, _COLLECTIVE = 4, 5, 6, 7  # NodeType
_PASSED_OVER = (1, 2, 3)  # metadata, loads and stores: they take no time on the fabric
_COLLECTIVES = {
    0: "all_reduce", 1: "reduce", 2: "all_gather", 3: "gather", 4: "scatter", 5: "broadcast", 6: "all_to_all",
    7: "reduce_scatter",
}  # fmt: skip
# field number and protobuf type of the values of an attribute that are read
_VALUES = {
    "double_val": (3, 1), "float_val": (5, 2), "int32_val": (7, 5), "int64_val": (9, 3), "uint32_val": (11, 13),
    "uint64_val": (13, 4), "bool_val": (27, 8), "string_val": (29, 9),
}  # fmt: skip
_UINT64, _STRING, _ENUM_AS_INT, _MESSAGE = 4, 9, 5, 11  # protobuf's numbers of the types
_MICRO = 1e-6
_LOW = 0x7F  # the bits of a byte that count in a length; the eighth says that another follows


def _read_chakra(path: str | Path) -> Trace:
    """Return the trace steps in one node's file.

    Errors
    ------
    SlipstickError naming the message at which a truncated, oversized or other file goes wrong.
    """
    raw = read_bytes(path, limit=_MAX_BYTES)
    steps = []
    for number, data in enumerate(_messages(raw, str(path))):
        if number == 0:
            continue  # the metadata
        if number > _MAX_NODES:
            raise SlipstickError("too many nodes", path=str(path), allowed=f"at most {_MAX_NODES}")
        steps.append(_step(data, f"{path}, node {number}"))
    return tuple(steps)


def read_chakra_folder(prefix: str | Path) -> list[Trace]:
    """Return the execution traces in the files ``PREFIX.0.et``, ``PREFIX.1.et``, ..., one per node.

    Errors
    ------
    SlipstickError if there is none, or a number is missing; naming the message at which a broken file goes wrong.
    """
    base = Path(prefix)
    paths = {}
    for path in base.parent.glob(f"{base.name}.*.et"):
        match = re.fullmatch(r"\.(\d{1,6})\.et", path.name[len(base.name) :])
        if match:
            paths[int(match[1])] = path
    if sorted(paths) != list(range(len(paths))) or not paths:
        raise SlipstickError("not numbered from 0 without gaps", path=f"{prefix}.N.et", value=sorted(paths)[:8])
    return [_read_chakra(paths[number]) for number in range(len(paths))]


def _write_chakra(trace: Trace, path: str | Path) -> None:
    """Write the trace steps of one node; `_read_chakra` reads equal steps back."""
    _, node_type, metadata = _classes()
    parts = [_framed(metadata(version=_VERSION).SerializeToString())]
    parts += [_framed(_node(step, node_type).SerializeToString()) for step in trace]
    write_bytes(path, b"".join(parts))


def write_chakra_folder(traces: Sequence[Trace], prefix: str | Path) -> None:
    """Write execution traces to ``PREFIX.0.et`` and so on, one file per node; they are read back equal."""
    for number, trace in enumerate(traces):
        _write_chakra(trace, f"{prefix}.{number}.et")


def _messages(raw: bytes, where: str) -> Iterator[bytes]:
    place = 0
    while place < len(raw):
        length, shift = 0, 0
        while True:
            if place >= len(raw) or shift > 28:  # five bytes hold any length
                raise SlipstickError("ends inside a message's length", path=where, value=place)
            byte = raw[place]
            place += 1
            length |= (byte & _LOW) << shift
            shift += 7
            if not byte & 0x80:
                break
        if place + length > len(raw):
            raise SlipstickError(
                "ends inside a message", path=where, value=f"{len(raw) - place} of {length} bytes at {place}"
            )
        yield raw[place : place + length]
        place += length


def _framed(data: bytes) -> bytes:
    length, prefix = len(data), bytearray()
    while True:
        bits, length = length & _LOW, length >> 7
        prefix.append(bits | (0x80 if length else 0))
        if not length:
            return bytes(prefix) + data


def _step(data: bytes, where: str) -> TraceStep:
    """Return the trace step of one message; a message that uses no network becomes a computation of zero time."""
    decode_error = require("google.protobuf.message", "sim").DecodeError
    _, node_type, _ = _classes()
    try:
        node = node_type.FromString(data)
    except decode_error:
        raise SlipstickError("not a Chakra node", path=where) from None
    after = (*node.ctrl_deps, *node.data_deps)
    values = {a.name: getattr(a, a.WhichOneof("value")) for a in node.attr if a.WhichOneof("value")}
    common = {"number": node.id, "name": node.name, "after": tuple(dict.fromkeys(after))}
    match node.type:
        case _ if node.type == _COMPUTE:
            return TraceStep(**common, kind="compute", seconds=node.duration_micros * _MICRO, attributes=values)
        case _ if node.type == _COLLECTIVE:
            kind = int(values.pop("comm_type", -1))
            if kind not in _COLLECTIVES:
                raise SlipstickError("no such collective", path=f"{where}.comm_type", value=kind, allowed="0 to 7")
            size, group = _size(values, where), str(values.pop("pg_name", ""))
            return TraceStep(
                **common, kind="collective", collective=_COLLECTIVES[kind], size=size, group=group, attributes=values
            )
        case _ if node.type in (_SEND, _RECEIVE):
            peer = int(values.pop("comm_dst" if node.type == _SEND else "comm_src", -1))
            tag, size = int(values.pop("comm_tag", 0)), _size(values, where)
            kind_name = "send" if node.type == _SEND else "receive"
            return TraceStep(**common, kind=kind_name, size=size, peer=peer, tag=tag, attributes=values)  # type: ignore[arg-type]
        case _ if node.type in _PASSED_OVER:
            return TraceStep(**common, kind="compute", attributes=values)
        case _:
            raise SlipstickError("no such type of node", path=f"{where}.type", value=node.type, allowed="1 to 7")


def _size(values: dict[str, Any], where: str) -> float:
    size = float(values.pop("comm_size", 0))
    if not 0 <= size < 2.0**63:
        raise SlipstickError("not a number of bytes", path=f"{where}.comm_size", value=size)
    return size


def _node(step: TraceStep, node_type: Any) -> Any:
    kinds = {"compute": _COMPUTE, "collective": _COLLECTIVE, "send": _SEND, "receive": _RECEIVE}
    node = node_type(id=step.number, name=step.name, type=kinds[step.kind])
    node.data_deps.extend(step.after)
    node.duration_micros = round(step.seconds / _MICRO)
    values = dict(step.attributes)
    if step.kind == "collective":
        number = {name: number for number, name in _COLLECTIVES.items()}[step.collective]
        values |= {"comm_type": number, "comm_size": int(step.size)}
        values |= {"pg_name": step.group} if step.group else {}
    elif step.kind in ("send", "receive"):
        end = "comm_dst" if step.kind == "send" else "comm_src"
        values |= {end: step.peer, "comm_size": int(step.size), "comm_tag": step.tag}
    for name, value in values.items():
        attribute = node.attr.add(name=name)
        field = {bool: "bool_val", int: "int64_val", float: "double_val"}.get(type(value), "string_val")
        setattr(attribute, field, value)
    return node


@functools.cache
def _classes() -> tuple[Any, Any, Any]:
    """Return the message classes of an attribute, a node and the metadata, built from their field numbers."""
    descriptor_pb2 = require("google.protobuf.descriptor_pb2", "sim")
    pool = require("google.protobuf.descriptor_pool", "sim").DescriptorPool()
    factory = require("google.protobuf.message_factory", "sim")
    file = descriptor_pb2.FileDescriptorProto(name="chakra.proto", package="ChakraProtoMsg", syntax="proto3")
    attribute = file.message_type.add(name="AttributeProto")
    attribute.field.add(name="name", number=1, type=_STRING, label=1)
    attribute.oneof_decl.add(name="value")
    for name, (number, kind) in _VALUES.items():
        attribute.field.add(name=name, number=number, type=kind, label=1, oneof_index=0)
    metadata = file.message_type.add(name="GlobalMetadata")
    metadata.field.add(name="version", number=1, type=_STRING, label=1)
    node = file.message_type.add(name="Node")
    for name, number, kind, label in (
        ("id", 1, _UINT64, 1), ("name", 2, _STRING, 1), ("type", 3, _ENUM_AS_INT, 1), ("ctrl_deps", 4, _UINT64, 3),
        ("data_deps", 5, _UINT64, 3), ("start_time_micros", 6, _UINT64, 1), ("duration_micros", 7, _UINT64, 1),
    ):  # fmt: skip
        node.field.add(name=name, number=number, type=kind, label=label)
    node.field.add(name="attr", number=10, type=_MESSAGE, label=3, type_name=".ChakraProtoMsg.AttributeProto")
    pool.Add(file)
    names = ("AttributeProto", "Node", "GlobalMetadata")
    classes = [factory.GetMessageClass(pool.FindMessageTypeByName(f"ChakraProtoMsg.{name}")) for name in names]
    return classes[0], classes[1], classes[2]
