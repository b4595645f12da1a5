"""Weights of a compressed network in one file: the packed codes and side arrays of every tensor.

The file is a safetensors container (8 bytes of header length, JSON, arrays). In its header's ``__metadata__`` the key
``slipstick-packed`` holds JSON: ``{"version": 1, "tensors": {name: {"format": text, "shape": [...], "codes": key,
"side": {name: key}}}}``; keys name the container's arrays. Equal arrays, such as a network's pool, are stored once.
``"network": {"kind": ".onnx", "rest": key}`` may stand beside the tensors: all else that the network is, as the bytes
of a file of that kind whose packed weights are zeros, deflated.
A second key, ``slipstick-sha256``, is the digest of that JSON and of all arrays, so that no flipped bit goes unseen.
A short file is written by `compact_file`: 0.3 kB of header in place of 6.4 kB for a network of 16 layers. Short files
of an earlier version are read: the container with its header deflated and its arrays numbered: ``slipzip1``, 4 bytes of
the deflated header's length, the deflated header, the arrays.
Formats are texts that `encoding_of` reads. Nothing of the file is executed, and its sizes are checked before memory is
taken: no tensor may have more elements than `_MAX_ELEMENTS`, nor codes of another size than its format gives its shape.
"""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slipstick.core.encoding import Encoded
from slipstick.core.errors import SlipstickError
from slipstick.core.files import parse_json, read_bytes, write_bytes
from slipstick.formats.compact_file import START, _compact_bytes, _parse_compact
from slipstick.formats.grammar import encoding_of

KEY, DIGEST = "slipstick-packed", "slipstick-sha256"
VERSION = 1
_MAX_BYTES = 2**32  # of a file: 4 GiB
_MAX_HEADER = 2**24  # bytes: names and shapes of some 100,000 tensors
_MAX_ELEMENTS = 2**31  # elements of one tensor
_MAX_AXES = 8
_MAX_REST = 2**29  # bytes of the rest of a network, inflated: as much as a .tflite file may have
_SMALLEST = 9  # level of zlib: the smallest file
_REST = "network"  # key of its array
_TYPES = {"U8": np.uint8, "I8": np.int8, "U16": np.uint16, "I32": np.int32, "F32": np.float32}
_NAMES = {np.dtype(kind): name for name, kind in _TYPES.items()}
_LENGTH = 8  # bytes of the header's length
_SHORT, _SHORT_LENGTH = (
    b"slipzip1",
    4,
)  # start of a short file of version 1, and the bytes of its deflated header's length
_COMPACT = (",", ":")  # of JSON: names and shapes are a large part of a small network


@dataclass(frozen=True)
class NetworkRest:
    """Rest of a network with packed weights: a file of its `kind` (a suffix) in which the weights are zeros."""

    kind: str
    file: bytes


def write_packed(
    path: str | Path, tensors: Mapping[str, Encoded], rest: NetworkRest | None = None, *, short: bool = False
) -> int:
    """Write encoded tensors by name, atomically; return the file's bytes.

    Parameters
    ----------
    rest : what makes the file a network that `slipstick.trained.open_network` opens again.
    short : a compact file (`compact_file`), which is small, and no safetensors container.

    Errors
    ------
    SlipstickError for a side array of a type that the file does not know, or a path that cannot be written.
    """
    if short:
        return _write_compact(path, tensors, rest)
    arrays: dict[str, NDArray[Any]] = {}
    known: dict[tuple[str, tuple[int, ...], bytes], str] = {}
    about: dict[str, Any] = {}
    for name, encoded in tensors.items():
        codes = _stored(encoded.codes, f"{name}.codes", arrays, known)
        side = {key: _stored(array, f"{name}.{key}", arrays, known) for key, array in encoded.side.items()}
        about[name] = {"format": encoded.encoding.name, "shape": list(encoded.shape), "codes": codes, "side": side}
    whole: dict[str, Any] = {"version": VERSION, "tensors": about}
    if rest is not None:
        arrays[_REST] = np.frombuffer(zlib.compress(rest.file, _SMALLEST), np.uint8)
        whole["network"] = {"kind": rest.kind, "rest": _REST}
    raw = _container(arrays, json.dumps(whole, separators=_COMPACT))
    write_bytes(path, raw)
    return len(raw)


def _write_compact(path: str | Path, tensors: Mapping[str, Encoded], rest: NetworkRest | None) -> int:
    deflated = None if rest is None else (rest.kind, zlib.compress(rest.file, _SMALLEST))
    raw = _compact_bytes(tensors, deflated)
    write_bytes(path, raw)
    return len(raw)


def stored_bytes(tensors: Mapping[str, Encoded]) -> int:
    """Return the bytes of codes and side arrays as stored in a file, where equal arrays (a pool) count once."""
    arrays: dict[str, NDArray[Any]] = {}
    known: dict[tuple[str, tuple[int, ...], bytes], str] = {}
    for name, encoded in tensors.items():
        _stored(encoded.codes, f"{name}.codes", arrays, known)
        for key, array in encoded.side.items():
            _stored(array, f"{name}.{key}", arrays, known)
    return sum(array.nbytes for array in arrays.values())


def read_packed(path: str | Path) -> dict[str, Encoded]:
    """Return the encoded tensors of a file by name.

    Errors
    ------
    SlipstickError, one clear line, for other files, truncated ones, or parts that do not fit together.
    """
    return parse_packed(read_bytes(path, limit=_MAX_BYTES), where=str(path))


def parse_packed(raw: bytes, *, where: str = "packed") -> dict[str, Encoded]:
    """Return the encoded tensors in the bytes of a packed file, as `read_packed` does."""
    return parse_packed_network(raw, where=where)[0]


def is_packed(raw: bytes) -> bool:
    """Return whether bytes are a file of packed weights, by the key in their header or the start of a short file."""
    if raw.startswith((_SHORT, START)):
        return True
    size = int.from_bytes(raw[:_LENGTH], "little")
    return f'"{KEY}"'.encode() in raw[_LENGTH : _LENGTH + min(size, _MAX_HEADER)]


def parse_packed_network(raw: bytes, *, where: str = "packed") -> tuple[dict[str, Encoded], NetworkRest | None]:
    """Return the encoded tensors of a file's bytes, and the rest of their network where the file has it.

    Errors
    ------
    SlipstickError as `read_packed` raises it, and for a rest that is damaged or larger than 512 MiB.
    """
    if raw.startswith(START):
        compact, deflated = _parse_compact(raw, where)
        return compact, None if deflated is None else NetworkRest(deflated[0], _inflated(deflated[1], where))
    arrays, about = _contents(raw, where)
    if not isinstance(about, dict) or about.get("version") != VERSION or not isinstance(about.get("tensors"), dict):
        raise SlipstickError("not a file of packed weights", path=where, allowed=f"version {VERSION}")
    tensors = {name: _encoded(entry, arrays, f"{where}: {name}") for name, entry in about["tensors"].items()}
    return tensors, None if "network" not in about else _rest(about["network"], arrays, f"{where}: network")


def _rest(entry: Any, arrays: dict[str, NDArray[Any]], where: str) -> NetworkRest:
    if not isinstance(entry, dict) or set(entry) != {"kind", "rest"} or not isinstance(entry["kind"], str):
        raise SlipstickError("not the rest of a network", path=where)
    deflated = arrays.get(entry["rest"]) if isinstance(entry["rest"], str) else None
    if deflated is None or deflated.dtype != np.uint8:
        raise SlipstickError("an array of it is missing", path=where)
    return NetworkRest(entry["kind"], _inflated(deflated.tobytes(), where))


def _inflated(deflated: bytes, where: str) -> bytes:
    reader = zlib.decompressobj()
    try:
        file = reader.decompress(deflated, _MAX_REST + 1)
    except zlib.error as error:
        raise SlipstickError(f"damaged: {error}", path=where) from None
    if len(file) > _MAX_REST or not reader.eof or reader.unused_data:
        raise SlipstickError("damaged, or too large", path=where, allowed=f"at most {_MAX_REST} bytes")
    return file


def _stored(array: NDArray[Any], key: str, arrays: dict[str, NDArray[Any]], known: dict[Any, str]) -> str:
    if array.dtype not in _NAMES:
        raise SlipstickError("not a type of the file", path=key, value=str(array.dtype), allowed=list(_TYPES))
    plain = np.ascontiguousarray(array)
    same = (str(plain.dtype), plain.shape, plain.tobytes())
    if same not in known:
        known[same] = key
        arrays[known[same]] = plain
    return known[same]


def _container(arrays: dict[str, NDArray[Any]], about: str) -> bytes:
    header: dict[str, Any] = {}
    parts, at = [], 0
    for key, array in sorted(arrays.items(), key=lambda item: -item[1].dtype.itemsize):  # so that all are aligned
        data = array.astype(array.dtype.newbyteorder("<")).tobytes()
        header[key] = {
            "dtype": _NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [at, at + len(data)],
        }
        parts.append(data)
        at += len(data)
    header["__metadata__"] = {KEY: about, DIGEST: _digest(about, b"".join(parts))}
    text = json.dumps(header, separators=_COMPACT).encode()
    text += b" " * (-len(text) % _LENGTH)
    return b"".join([len(text).to_bytes(_LENGTH, "little"), text, *parts])


def _header_and_body(raw: bytes, where: str) -> tuple[bytes, memoryview]:
    """Return the JSON of a container or a short file, and the bytes of its arrays."""
    if not raw.startswith(_SHORT):
        size = int.from_bytes(raw[:_LENGTH], "little")
        if len(raw) < _LENGTH or size > min(_MAX_HEADER, len(raw) - _LENGTH):
            raise SlipstickError("not a safetensors file, or its end is missing", path=where)
        return raw[_LENGTH : _LENGTH + size], memoryview(raw)[_LENGTH + size :]
    start = len(_SHORT) + _SHORT_LENGTH
    size = int.from_bytes(raw[len(_SHORT) : start], "little")
    reader = zlib.decompressobj()
    try:
        header = reader.decompress(raw[start : start + size], _MAX_HEADER + 1)
    except zlib.error as error:
        raise SlipstickError(f"damaged: {error}", path=where) from None
    if not reader.eof or reader.unused_data or len(header) > _MAX_HEADER:
        raise SlipstickError("damaged, or its end is missing", path=where)
    return header, memoryview(raw)[start + size :]


def _contents(raw: bytes, where: str) -> tuple[dict[str, NDArray[Any]], Any]:
    """Return the arrays of a container, as views of its bytes, and its metadata."""
    header_bytes, body = _header_and_body(raw, where)
    try:
        text = header_bytes.decode("utf-8")
    except UnicodeDecodeError:
        raise SlipstickError("the header is not UTF-8 text", path=where) from None
    header = parse_json(text, where=where)
    metadata = header.pop("__metadata__", None) if isinstance(header, dict) else None
    if not isinstance(metadata, dict) or not isinstance(metadata.get(KEY), str):
        raise SlipstickError("not a file of packed weights", path=where, allowed=f"a header with {KEY}")
    arrays: dict[str, NDArray[Any]] = {}
    at = 0
    for key, entry in sorted(header.items(), key=_start):
        arrays[key], at = _array(entry, body, at, f"{where}: {key}")
    if metadata.get(DIGEST) != _digest(metadata[KEY], body):
        raise SlipstickError("damaged: the digest is of other contents", path=where)
    if at != len(body):
        raise SlipstickError(f"{len(body) - at} bytes belong to no array", path=where)
    return arrays, parse_json(metadata[KEY], where=f"{where}: {KEY}")


def _digest(about: str, body: bytes | memoryview) -> str:
    digest = hashlib.sha256(about.encode("utf-8", "surrogatepass"))
    digest.update(body)
    return digest.hexdigest()


def _start(item: tuple[str, Any]) -> int:
    offsets = item[1].get("data_offsets") if isinstance(item[1], dict) else None
    start = offsets[0] if isinstance(offsets, list) and offsets else 0
    return start if _whole(start) else 0


def _array(entry: Any, body: memoryview, at: int, where: str) -> tuple[NDArray[Any], int]:
    """Return one array and the offset of the next; arrays follow without gaps, as safetensors requires."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise SlipstickError("not an array of a safetensors file", path=where)
    if not isinstance(entry["dtype"], str) or entry["dtype"] not in _TYPES:
        raise SlipstickError("not a type of the file", path=where, value=entry["dtype"], allowed=list(_TYPES))
    kind, shape, offsets = np.dtype(_TYPES[entry["dtype"]]), _shape(entry["shape"], where), entry["data_offsets"]
    end = at + math.prod(shape) * kind.itemsize
    if offsets != [at, end] or end > len(body):
        raise SlipstickError("bytes missing, or not where they belong", path=where, value=offsets)
    values = np.frombuffer(body[at:end], kind.newbyteorder("<")).reshape(shape)
    return values.astype(kind, copy=False), end


def _shape(sizes: Any, where: str) -> tuple[int, ...]:
    if not isinstance(sizes, list) or len(sizes) > _MAX_AXES or not all(_whole(n) for n in sizes):
        raise SlipstickError("not a shape", path=where, value=sizes, allowed=f"up to {_MAX_AXES} whole numbers")
    if math.prod(max(n, 1) for n in sizes) > _MAX_ELEMENTS:
        raise SlipstickError("too large", path=where, value=sizes, allowed=f"at most {_MAX_ELEMENTS} elements")
    return tuple(sizes)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_BYTES


def _encoded(entry: Any, arrays: dict[str, NDArray[Any]], where: str) -> Encoded:
    """Return one encoded tensor, after checking its arrays' types and sizes against its format and shape."""
    if not isinstance(entry, dict) or set(entry) != {"format", "shape", "codes", "side"}:
        raise SlipstickError("not a packed tensor", path=where)
    text, keys = entry["format"], entry["side"]
    if not isinstance(text, str) or not isinstance(keys, dict):
        raise SlipstickError("not a packed tensor", path=where)
    keyed = {"codes": entry["codes"], **keys}
    named = {name: arrays.get(key) for name, key in keyed.items() if isinstance(key, str)}
    if len(named) != len(keyed) or any(array is None for array in named.values()):
        raise SlipstickError("an array of it is missing", path=where)
    side = {name: array for name, array in named.items() if array is not None}
    codes = side.pop("codes")
    if codes.dtype != np.uint8 or codes.ndim != 1:
        raise SlipstickError("codes are not bytes", path=where, value=str(codes.dtype))
    encoded = Encoded(encoding_of(text), _shape(entry["shape"], where), codes, side)
    try:
        encoded.encoding.check(encoded)
    except SlipstickError as error:
        raise SlipstickError(str(error), path=where) from None
    return encoded
