"""Compact file of packed weights: a header of some 10 bytes a layer, then codes and side arrays without gaps.

Layout: ``slipzip2``, 4 bytes of the deflated header's length, the header, the arrays, the SHA-256 of all before it. The
header is JSON, deflated with `_DICTIONARY`: ``[tensors, rest]`` with a row ``[name, format, shape, marks]`` for each
tensor; `marks` may be left out. Types and sizes of arrays are those that the format gives the shape; the codes come
first, then the side arrays in the format's order. A mark ``{key: "F16"}`` says that a side array is stored in fp16,
which holds all of its values exactly; ``{key: 3}`` that it is that of tensor 3, and not stored again (a pool). A
schedule's shifts, which a format may have besides, and the codes' bytes, which then depend on them, are told:
``{"shifts": ["uint8", [16]], "codes": 300}``. `rest` is ``[kind, bytes]`` of all else that a network is, deflated
behind the other arrays; or it is left out.
"""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slipstick.core.encoding import Encoded, Encoding
from slipstick.core.errors import SlipstickError
from slipstick.core.files import parse_json
from slipstick.formats.grammar import encoding_of

START = b"slipzip2"
_LENGTH = 4  # bytes of the header's length
_DIGEST = 32  # bytes of SHA-256
_MAX_HEADER = 2**24  # bytes, inflated: names and shapes of some 100,000 tensors
_MAX_ELEMENTS = 2**31  # elements of one tensor
_MAX_AXES = 8
_SMALLEST = 9  # level of zlib: the smallest file
_HALF, _CODES = "F16", "codes"
_TOLD = ("uint8", "int8", "uint16", "int32", "float32")  # types of arrays that a header tells
_DICTIONARY = (  # what headers are made of, most frequent last: part of the format, never to be changed
    b'"fp16","fc.bias"["fp32",kind=xy,label=features.linear.bias.weight"],[".onnx",downsample.0.bias",swis:shifts='
    b'conv1.bias","fp16",[16]],["layer1.0.conv2","pool:size=64,vector=8",[64,3,3,64],{"scale":"F16","pool":1}],'
    b'["layer2.0.conv1","int8:axis=0",[16,3,3,16],{"scale":"F16"}],[["conv1","'
)
_Rest = tuple[str, bytes]


def _compact_bytes(tensors: Mapping[str, Encoded], rest: _Rest | None = None) -> bytes:
    """Return the contents of a compact file.

    Parameters
    ----------
    rest : kind and deflated bytes of all else that the network is.
    """
    rows: list[list[Any]] = []
    parts: list[bytes] = []
    seen: dict[tuple[str, bytes], int] = {}
    for number, (name, encoded) in enumerate(tensors.items()):
        layout = encoded.encoding.side_layout(encoded.shape)
        more = [key for key in encoded.side if key not in layout]
        marks: dict[str, Any] = {key: [str(encoded.side[key].dtype), list(encoded.side[key].shape)] for key in more}
        if len(encoded.codes) != _code_bytes(encoded.encoding, encoded.shape):
            marks[_CODES] = len(encoded.codes)
        parts.append(encoded.codes.tobytes())
        for key in (*layout, *more):
            array = np.ascontiguousarray(encoded.side[key])
            same = (key + str(array.dtype) + str(array.shape), array.tobytes())
            if seen.setdefault(same, number) != number:
                marks[key] = seen[same]
                continue
            narrow = _narrowed(array)
            if narrow is not array:
                marks[key] = _HALF
            parts.append(narrow.astype(narrow.dtype.newbyteorder("<")).tobytes())
        rows.append([name, encoded.encoding.name, list(encoded.shape), *([marks] if marks else [])])
    header = json.dumps([rows, *([[rest[0], len(rest[1])]] if rest else [])], separators=(",", ":")).encode()
    packer = zlib.compressobj(_SMALLEST, wbits=-zlib.MAX_WBITS, zdict=_DICTIONARY)
    short = packer.compress(header) + packer.flush()
    whole = b"".join([START, len(short).to_bytes(_LENGTH, "little"), short, *parts, rest[1] if rest else b""])
    return whole + hashlib.sha256(whole).digest()


def _parse_compact(raw: bytes, where: str) -> tuple[dict[str, Encoded], _Rest | None]:
    """Return the tensors of a compact file, and kind and deflated bytes of the rest where the file has it.

    Errors
    ------
    SlipstickError, one clear line, for truncated or damaged files, and parts that do not fit together.
    """
    body, header = raw[:-_DIGEST], _header(raw, where)
    if hashlib.sha256(body).digest() != raw[-_DIGEST:]:
        raise SlipstickError("damaged: the digest is of other contents", path=where)
    if not isinstance(header, list) or len(header) not in (1, 2) or not isinstance(header[0], list):
        raise SlipstickError("not a file of packed weights", path=where)
    at = len(START) + _LENGTH + int.from_bytes(raw[len(START) : len(START) + _LENGTH], "little")
    reader = _Reader(memoryview(body), at, where)
    tensors: dict[str, Encoded] = {}
    for row in header[0]:
        name, encoded = reader.tensor(row, list(tensors.values()))
        if name in tensors:
            raise SlipstickError("two tensors of one name", path=where, value=name)
        tensors[name] = encoded
    rest = reader.rest(header[1]) if len(header) == 2 else None
    if reader.at != len(body):
        raise SlipstickError(f"{len(body) - reader.at} bytes belong to no array", path=where)
    return tensors, rest


class _Reader:
    """Reader of the arrays of a compact file, one behind the other; no size is taken on trust."""

    def __init__(self, body: memoryview, at: int, where: str) -> None:
        self.body, self.at, self.where = body, at, where

    def tensor(self, row: Any, before: Sequence[Encoded]) -> tuple[str, Encoded]:
        """Return name and contents of the next tensor."""
        if not isinstance(row, list) or len(row) not in (3, 4) or not all(isinstance(part, str) for part in row[:2]):
            raise SlipstickError("not a packed tensor", path=self.where)
        name, text, sizes = row[:3]
        where, marks = f"{self.where}: {name}", row[3] if len(row) == 4 else {}
        encoding, shape = encoding_of(text), _shape(sizes, where)
        if not isinstance(marks, dict):
            raise SlipstickError("not a packed tensor", path=where)
        count = marks.pop(_CODES, _code_bytes(encoding, shape))
        codes = self._array(np.dtype(np.uint8), _shape([count], where), where)
        side: dict[str, NDArray[Any]] = {}
        layout = dict(encoding.side_layout(shape))
        for key in marks.keys() - layout.keys():
            layout[key] = _told(marks.pop(key), f"{where}.{key}")
        for key, (kind, size) in layout.items():
            side[key] = self._side(key, np.dtype(kind), size, marks.get(key), before, where)
        encoded = Encoded(encoding, shape, codes, side)
        try:
            encoding.check(encoded)
        except SlipstickError as error:
            raise SlipstickError(str(error), path=where) from None
        return name, encoded

    def rest(self, entry: Any) -> _Rest:
        """Return kind and deflated bytes of the rest of a network."""
        if not isinstance(entry, list) or len(entry) != 2 or not isinstance(entry[0], str) or not _whole(entry[1]):
            raise SlipstickError("not the rest of a network", path=self.where)
        return entry[0], self._array(np.dtype(np.uint8), (entry[1],), f"{self.where}: network").tobytes()

    def _side(
        self, key: str, kind: np.dtype[Any], size: tuple[int, ...], mark: Any, before: Sequence[Encoded], where: str
    ) -> NDArray[Any]:
        if mark is None:
            return self._array(kind, size, where)
        if mark == _HALF and kind == np.float32:
            return self._array(np.dtype(np.float16), size, where).astype(np.float32)
        if _whole(mark) and mark < len(before) and key in before[mark].side:
            shared: NDArray[Any] = before[mark].side[key]  # of another type or size: `check` refuses it
            return shared
        raise SlipstickError("no such mark", path=f"{where}.{key}", value=mark)

    def _array(self, kind: np.dtype[Any], size: tuple[int, ...], where: str) -> NDArray[Any]:
        end = self.at + math.prod(size) * kind.itemsize
        if min(size, default=0) < 0 or end > len(self.body):
            raise SlipstickError("bytes are missing", path=where)
        array = np.frombuffer(self.body[self.at : end], kind.newbyteorder("<")).reshape(size).astype(kind)
        self.at = end
        return array


def _code_bytes(encoding: Encoding, shape: tuple[int, ...]) -> int:
    """Return the bytes of a tensor's codes where nothing but its shape decides them."""
    side_bytes = sum(math.prod(size) * np.dtype(kind).itemsize for kind, size in encoding.side_layout(shape).values())
    return encoding.storage_bytes(shape) - side_bytes


def _told(mark: Any, where: str) -> tuple[str, tuple[int, ...]]:
    """Return type and shape of a side array that the format alone does not know."""
    if not isinstance(mark, list) or len(mark) != 2 or mark[0] not in _TOLD:
        raise SlipstickError("no such mark", path=where, value=mark)
    return mark[0], _shape(mark[1], where)


def _header(raw: bytes, where: str) -> Any:
    start = len(START) + _LENGTH
    size = int.from_bytes(raw[len(START) : start], "little")
    if len(raw) < start + size + _DIGEST:
        raise SlipstickError("damaged, or its end is missing", path=where)
    reader = zlib.decompressobj(wbits=-zlib.MAX_WBITS, zdict=_DICTIONARY)
    try:
        text = reader.decompress(raw[start : start + size], _MAX_HEADER + 1).decode("utf-8")
    except (zlib.error, UnicodeDecodeError) as error:
        raise SlipstickError(f"damaged: {error}", path=where) from None
    if not reader.eof or reader.unused_data or len(text) > _MAX_HEADER:
        raise SlipstickError("damaged, or its end is missing", path=where)
    return parse_json(text, where=where)


def _narrowed(array: NDArray[Any]) -> NDArray[Any]:
    """Return an fp32 array in fp16 where that changes no value; else the array itself."""
    if array.dtype != np.float32 or not array.size or np.abs(array).max() > np.finfo(np.float16).max:
        return array
    half = array.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), array) else array


def _shape(sizes: Any, where: str) -> tuple[int, ...]:
    if not isinstance(sizes, list) or len(sizes) > _MAX_AXES or not all(_whole(size) for size in sizes):
        raise SlipstickError("not a shape", path=where, value=sizes, allowed=f"up to {_MAX_AXES} whole numbers")
    if math.prod(max(size, 1) for size in sizes) > _MAX_ELEMENTS:
        raise SlipstickError("too large", path=where, value=sizes, allowed=f"at most {_MAX_ELEMENTS} elements")
    return tuple(sizes)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_ELEMENTS
