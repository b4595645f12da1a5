"""Executable images: the segments and symbols of a linked 32-bit ELF file.

Source: Tool Interface Standard, Executable and Linking Format, version 1.2 (May 1995), part 1.
"""

from __future__ import annotations

import bisect
import struct
from dataclasses import dataclass, field
from functools import cached_property

from slipstick.core.errors import SlipstickError

_HEADER = struct.Struct("<16sHHIIIIIHHHHHH")  # ELF header of 32 bits, little endian
_SEGMENT, _SECTION, _SYMBOL = struct.Struct("<8I"), struct.Struct("<10I"), struct.Struct("<IIIBBH")
_LOAD, _SYMBOL_TABLE, _FUNCTION = 1, 2, 2  # PT_LOAD, SHT_SYMTAB and STT_FUNC of ELF
_NOWHERE = (0, 0xFFF1)  # SHN_UNDEF and SHN_ABS
_LARGEST = 64 << 20  # bytes of a segment: far above any microcontroller


@dataclass(frozen=True)
class Segment:
    """Bytes of an image to be loaded at an address; `size` counts the zeros behind `content` too."""

    address: int
    content: bytes = field(repr=False)
    size: int
    writable: bool


@dataclass(frozen=True, eq=False)
class Image:
    """Linked program: its core, what is loaded where, and the address of each symbol (Thumb's bit 0 cleared)."""

    core: str
    segments: tuple[Segment, ...]
    functions: dict[str, int]
    symbols: dict[str, tuple[int, int]]  # name -> address, bytes

    @property
    def flash_bytes(self) -> int:
        """Bytes that the image takes in flash: code, constants and the initial values of variables."""
        return sum(len(segment.content) for segment in self.segments)

    @property
    def ram_bytes(self) -> int:
        """Bytes of variables with a fixed address, stack not counted."""
        return sum(segment.size for segment in self.segments if segment.writable)

    @cached_property
    def _ordered(self) -> list[tuple[int, str]]:
        return sorted((address, name) for name, address in self.functions.items())

    def function_at(self, address: int) -> str:
        """Return the name of the function that holds the instruction at an address."""
        place = bisect.bisect_right(self._ordered, (address, "\U0010ffff")) - 1
        return self._ordered[place][1] if place >= 0 else "?"


def read_image(data: bytes, core: str) -> Image:
    """Return the image of an ELF file.

    Errors
    ------
    SlipstickError for another kind of file or a damaged one.
    """
    try:
        return _read(data, core)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise SlipstickError("a damaged ELF file", path="image", value=str(error)) from None


def _read(data: bytes, core: str) -> Image:
    ident, *_, segments_at, sections_at, _, _, _, segments, _, sections, _ = _HEADER.unpack_from(data)
    if ident[:6] != b"\x7fELF\x01\x01":
        raise SlipstickError("not an ELF file of 32 bits", path="image", allowed="32 bits, little endian")
    loaded = []
    for at in range(segments):
        kind, offset, address, _, stored, size, flags, _ = _SEGMENT.unpack_from(data, segments_at + at * _SEGMENT.size)
        if kind == _LOAD and size:
            if size > _LARGEST or stored > size or offset + stored > len(data):
                raise SlipstickError("a segment beyond its file or too large", path="image", value=size)
            loaded.append(Segment(address, data[offset : offset + stored], size, bool(flags & 2)))
    headers = [_SECTION.unpack_from(data, sections_at + at * _SECTION.size) for at in range(sections)]
    functions: dict[str, int] = {}
    symbols: dict[str, tuple[int, int]] = {}
    for header in headers:
        if header[1] == _SYMBOL_TABLE:
            _read_symbols(data, header, headers[header[6]][4], functions, symbols)
    return Image(core, tuple(loaded), functions, symbols)


def _read_symbols(
    data: bytes,
    header: tuple[int, ...],
    names_at: int,
    functions: dict[str, int],
    symbols: dict[str, tuple[int, int]],
) -> None:
    for at in range(header[4], header[4] + header[5], _SYMBOL.size):
        name_at, value, size, info, _, section = _SYMBOL.unpack_from(data, at)
        start = names_at + name_at
        name = data[start : data.index(b"\0", start)].decode("ascii")
        if not name or section in _NOWHERE or name.startswith("$"):
            continue
        if info & 15 == _FUNCTION:
            functions[name] = value & ~1
        symbols[name] = (value & ~1, size)
