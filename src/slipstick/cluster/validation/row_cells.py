"""Cells of reference rows: whole numbers, stated or not."""

from __future__ import annotations

from collections.abc import Mapping

from slipstick.core.errors import SlipstickError

Row = Mapping[str, str]

_LARGEST = 10**8  # as large as a batch or a sequence may be


def _number(row: Row, column: str) -> int | None:
    """Return the whole number in a row's column, None where it is empty or missing.

    Errors
    ------
    SlipstickError naming the column and the value.
    """
    text = row.get(column, "").strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        raise SlipstickError("not a number", path=column, value=text) from None
    if not value.is_integer() or not 0 <= value <= _LARGEST:  # false for nan and infinity too
        raise SlipstickError("not a whole number", path=column, value=text)
    return int(value)


def _required(row: Row, column: str, why: str) -> int:
    """Return the whole number above 0 in a row's column.

    Errors
    ------
    SlipstickError with `why` it is needed where the cell is empty or 0.
    """
    value = _number(row, column)
    if not value:
        raise SlipstickError(f"not stated: {why}", path=column, value=row.get(column, ""))
    return value
