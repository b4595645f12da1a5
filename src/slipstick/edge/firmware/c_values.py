"""Python values as C text: arrays, numbers checked against their C type, comments without a stranger's characters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from slipstick.core.arrays import AnyArray
from slipstick.core.errors import SlipstickError

_TYPES: dict[str, Any] = {
    "uint8_t": np.uint8, "int8_t": np.int8, "uint16_t": np.uint16, "int16_t": np.int16, "uint32_t": np.uint32,
    "int32_t": np.int32,
}  # fmt: skip
_NAMES = {np.dtype(kind): name for name, kind in _TYPES.items()}
_LEAST = "(-2147483647 - 1)"  # 2147483648 has no type of 32 bits in C
_WIDTH = 118  # characters of a line of an array
_COMMENT_LENGTH = 80  # characters of a stranger's text in a comment


def _c_type(array: AnyArray) -> str:
    """Return the C type of an array's elements.

    Examples
    --------
    >>> _c_type(np.zeros(3, np.int8))
    'int8_t'
    """
    try:
        return _NAMES[array.dtype]
    except KeyError:
        raise SlipstickError("no C type of an array", value=str(array.dtype), allowed=_TYPES) from None


def _c_number(value: int, kind: str, field: str) -> str:
    """Return a whole number as C text; an error where its C type cannot hold it.

    Examples
    --------
    >>> _c_number(-128, "int8_t", "least"), _c_number(-(2**31), "int32_t", "bias")
    ('-128', '(-2147483647 - 1)')
    """
    info = np.iinfo(_TYPES[kind])
    if not info.min <= value <= info.max:
        message = f"a size beyond the kernels' field {field}"
        raise SlipstickError(message, value=int(value), allowed=f"{info.min} to {info.max}")
    return _LEAST if value == -(2**31) else str(int(value))


def _c_array(name: str, array: AnyArray) -> str:
    """Return the definition of a constant array, in rows of numbers; aligned to words, which kernels load at once."""
    flat = array.ravel()
    words = [_LEAST if word == "-2147483648" else word for word in flat.astype(str).tolist()]
    return f"NN_CONST {_c_type(array)} {name}[{flat.size}] = {{\n{_rows(words)}}};\n"


def _rows(words: list[str]) -> str:
    """Return words separated by commas in lines of about 118 characters."""
    longest = max(map(len, words), default=1) + 2
    count = max(1, _WIDTH // longest)
    return "".join("  " + ", ".join(words[at : at + count]) + ",\n" for at in range(0, len(words), count))


def c_struct(fields: Mapping[str, str]) -> str:
    """Return an initialiser with the fields by name (C99)."""
    return "{ " + ", ".join(f".{name} = {text}" for name, text in fields.items()) + " }"


def comment(text: str) -> str:
    """Return a stranger's text as it may stand in a C, Make or Markdown comment: printable ASCII of names, one line.

    Examples
    --------
    >>> comment("conv1*/ system(); //\\\\\\n$(shell ls)")
    'conv1__ system__; ______shell ls_'
    """
    plain = "".join(letter if _harmless(letter) else "_" for letter in text[:_COMMENT_LENGTH])
    return plain + "..." if len(text) > _COMMENT_LENGTH else plain


def _harmless(letter: str) -> bool:
    return letter.isascii() and (letter.isalnum() or letter in "_-. :;,=")
