"""Texts in the cells of published tables: comments in brackets, and units in which our figure is known."""

from __future__ import annotations

from slipstick.core.errors import SlipstickError
from slipstick.report.published import RowDict


def split_comments(text: str) -> tuple[str, list[str]]:
    """Return a cell's text without its comments in brackets, and the comments, all in lower case.

    Examples
    --------
    >>> split_comments("Output tok/s (whole instance)"), split_comments("TFLOP/s (96BslH^2(1+s/6H))")
    (('output tok/s', ['whole instance']), ('tflop/s', ['96bslh^2(1+s/6h)']))
    """
    parts, depth = [""], 0  # texts outside and inside of brackets in turn
    for letter in text.lower():
        depth += (letter == "(") - (letter == ")")
        if (letter == "(" and depth == 1) or (letter == ")" and depth == 0):
            parts.append("")
        else:
            parts[-1] += letter
    return " ".join(" ".join(parts[::2]).split()), [part.strip() for part in parts[1::2]]


def require_unit(row: RowDict, *units: str) -> None:
    """Raise a SlipstickError unless the row's unit, without comments, is one of some in which our figure is known.

    Examples
    --------
    >>> require_unit({"unit": "cycles (8 bit)"}, "cycles")
    """
    if split_comments(row["unit"])[0] not in {unit.lower() for unit in units}:
        raise SlipstickError("another unit than ours", path="unit", value=row["unit"], allowed=units)
