"""Tables of products in files: CSV or NPY of whole numbers, of bounded size; read and written."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from slipstick.core.errors import SlipstickError
from slipstick.core.files import read_bytes, read_text, write_bytes, write_text

if TYPE_CHECKING:
    from slipstick.core.arrays import AnyArray, IntArray

TABLE_SUFFIXES = (".csv", ".npy")
_MAX_CSV_BYTES = 2**20  # 65,536 products of at most 6 characters, their signs and separators fill 0.6 MB
_SHOWN = 40  # characters of a wrong cell in an error
_MAX_NPY_BYTES = 2**19 + 2**12  # 65,536 products of 8 bytes and a header


def _is_table_file(name: str | Path) -> bool:
    """Return whether a text is the name of a table of products: it ends in .csv or .npy.

    Examples
    --------
    >>> _is_table_file("own.CSV"), _is_table_file("mul7u_09Y")
    (True, False)
    """
    return str(name).lower().endswith(TABLE_SUFFIXES)


def _read_table(path: str | Path) -> AnyArray:
    """Return the array of a CSV or NPY file; whether it is a table of products is not yet checked.

    A CSV file has a row of whole numbers a line, parted by commas, semicolons or blanks; ``#`` starts a comment.

    Errors
    ------
    SlipstickError if the file cannot be read, is too large, or holds something other than numbers.
    """
    if str(path).lower().endswith(".npy"):
        return _read_npy(path)
    if not _is_table_file(path):
        raise SlipstickError("not a table of products", path=str(path), allowed="a file ending in .csv or .npy")
    lines = [line.partition("#")[0] for line in read_text(path, limit=_MAX_CSV_BYTES).splitlines()]
    rows = [_row(line, number, path) for number, line in enumerate(lines, 1) if line.strip()]
    lengths = {len(row) for row in rows}
    if lengths != {len(rows)}:
        seen = f"{len(rows)} rows of {', '.join(map(str, sorted(lengths)[:3])) or 'no'} columns"
        raise SlipstickError("the table is not square", path=str(path), value=seen)
    return np.array(rows, np.int64)


def _write_table(path: str | Path, products: IntArray) -> None:
    """Write a table of products as CSV or NPY, by the file's suffix; the whole file or nothing.

    Errors
    ------
    SlipstickError for another suffix, or a file that cannot be written.
    """
    if not _is_table_file(path):
        raise SlipstickError("not a table of products", path=str(path), allowed="a file ending in .csv or .npy")
    if str(path).lower().endswith(".npy"):
        room = io.BytesIO()
        np.save(room, products.astype("<i4"), allow_pickle=False)
        write_bytes(path, room.getvalue())
    else:
        write_text(path, "".join(",".join(map(str, row)) + "\n" for row in products.tolist()))


def _read_npy(path: str | Path) -> AnyArray:
    raw = io.BytesIO(read_bytes(path, limit=_MAX_NPY_BYTES))
    try:
        version = np.lib.format.read_magic(raw)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, by_columns, dtype = header(raw)
        rest = raw.getbuffer()[raw.tell() :]
        if dtype.hasobject or math.prod(shape) * dtype.itemsize > len(rest):  # it promises more than the file holds
            raise ValueError
        table = np.frombuffer(rest, dtype, math.prod(shape))
        return table.reshape(shape, order="F" if by_columns else "C")
    except (ValueError, TypeError, SyntaxError, OverflowError):
        raise SlipstickError("not an NPY file of numbers", path=str(path)) from None


def _row(line: str, number: int, path: str | Path) -> list[int]:
    cells = line.replace(",", " ").replace(";", " ").split()
    try:
        return [int(cell) for cell in cells]
    except ValueError:
        wrong = next((cell for cell in cells if not cell.lstrip("+-").isdecimal()), cells[0])
        message = "a product is no integer"
        raise SlipstickError(message, path=f"{path}, line {number}", value=wrong[:_SHOWN], allowed="integers") from None
