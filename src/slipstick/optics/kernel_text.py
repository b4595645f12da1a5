"""Kernels from a text of rows, or from a CSV file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.core.errors import SlipstickError
from slipstick.core.files import read_text

_MAX_BYTES = 2**20  # of a file: 256 x 256 taps of 16 characters
_MAX_TAPS = 256  # of a row or a column
_SHOWN = 40  # characters of a wrong tap in an error


def read_kernel(kernel: str | Path) -> FloatArray:
    """Return a kernel [rows, columns] from ``"1 0 -1; 2 0 -2; 1 0 -1"``, or from a CSV file with a row a line.

    Errors
    ------
    SlipstickError for a file that cannot be read, rows of different lengths, what is no number, more than 256 taps.

    Examples
    --------
    >>> read_kernel("1 0 -1; 2 0 -2").tolist()
    [[1.0, 0.0, -1.0], [2.0, 0.0, -2.0]]
    """
    text = str(kernel)
    from_file = text.lower().endswith(".csv")
    lines = read_text(text, limit=_MAX_BYTES).splitlines() if from_file else text.split(";")
    rows = [line.replace(",", " ").split() for line in lines if line.strip()]
    lengths = sorted({len(row) for row in rows})
    if len(lengths) != 1:
        seen = f"rows of {', '.join(map(str, lengths)) or 'no'} taps"
        allowed = '"1 0 -1; 2 0 -2; 1 0 -1", or a CSV file'
        raise SlipstickError("not a table of rows and columns", path="kernel", value=seen, allowed=allowed)
    if max(len(rows), lengths[0]) > _MAX_TAPS:
        raise SlipstickError(
            "too many taps", path="kernel", value=f"{len(rows)} x {lengths[0]}", allowed=f"at most {_MAX_TAPS}"
        )
    return np.array([[_tap(word) for word in row] for row in rows])


def _tap(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise SlipstickError("not a number", path="kernel", value=word[:_SHOWN]) from None
