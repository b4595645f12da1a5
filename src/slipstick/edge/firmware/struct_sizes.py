"""Bytes of the kernels' structs on a 32-bit core, read from the headers that declare them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from slipstick.core.errors import SlipstickError

_BYTES = {"int8_t": 1, "uint8_t": 1, "int16_t": 2, "uint16_t": 2, "int32_t": 4, "uint32_t": 4}
_POINTER = 4
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_STRUCT = re.compile(r"typedef\s+struct\s*\{(.*?)\}\s*(\w+)\s*;", re.DOTALL)
_FIELD = re.compile(r"^(?:const\s+)?(\w+)\s*(.*)$", re.DOTALL)


def _struct_sizes(headers: Iterable[str]) -> dict[str, int]:
    """Return the bytes of each struct that C headers declare, as compilers lay them out where pointers have four.

    Examples
    --------
    >>> _struct_sizes(["typedef struct { const int8_t *a, *b; int16_t c; int8_t d, e[3]; } nn_sample;"])
    {'nn_sample': 16}
    """
    layouts = {name: (size, size) for name, size in _BYTES.items()}
    sizes: dict[str, int] = {}
    for header in headers:
        for body, name in _STRUCT.findall(_COMMENT.sub("", header)):
            layouts[name] = _layout(body, layouts)
            sizes[name] = layouts[name][0]
    return sizes


def _layout(body: str, layouts: dict[str, tuple[int, int]]) -> tuple[int, int]:
    """Return size and alignment of a struct from the text between its braces."""
    offset, alignment = 0, 1
    for line in filter(None, map(str.strip, body.split(";"))):
        match = _FIELD.match(line)
        if match is None or match[1] not in layouts | {"void": 0, "char": 0, "size_t": 0}:
            raise SlipstickError("a field of a struct that is not understood", path="nn.h", value=line)
        for name in match[2].split(","):
            size, align = (_POINTER, _POINTER) if "*" in name else layouts[match[1]]
            count = re.search(r"\[(\d+)\]", name)
            offset = -(-offset // align) * align + size * (int(count[1]) if count else 1)
            alignment = max(alignment, align)
    return -(-offset // alignment) * alignment, alignment
