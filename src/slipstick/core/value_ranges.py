"""Several values in one text: ranges (1..64, 1..10+3, 2..8 TB/s), alternatives (a|b) and lists (2,4,8)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from slipstick.core.errors import SlipstickError

_RANGE = re.compile(r"\s*([\d.eE+-]*?[\d.])\s*\.\.\s*([\d.][\d.eE]*)\s*(?:\+\s*([\d.]+))?\s*([A-Za-z%/][\w%/]*)?\s*")
_MAX_VALUES = 100_000  # of one range
_MAX_COUNT = 10**7  # of anything that is counted


def values_of(value: Any, path: str) -> tuple[Any, ...]:
    """Return the values that a text, a list or a plain value stands for.

    Examples
    --------
    >>> values_of("1..10+3", "x"), values_of("2..8 TB/s", "x"), values_of("none|full", "x"), values_of(3, "x")
    ((1, 4, 7, 10), ('2 TB/s', '4 TB/s', '8 TB/s'), ('none', 'full'), (3,))
    """
    if isinstance(value, list | tuple | range):
        values: tuple[Any, ...] = tuple(value)
    elif not isinstance(value, str):
        values = (value,)
    elif "|" in value:
        values = tuple(_plain(part.strip()) for part in value.split("|"))
    elif ".." in value:
        values = range_values(value, path)
    else:
        values = (_plain(value.strip()),)
    if not values or len(set(map(str, values))) < len(values):
        raise SlipstickError("no values, or one of them twice", path=path, value=value)
    return values


def range_values(text: str, path: str) -> tuple[Any, ...]:
    """Return the values of ``low..high`` (doubling) or ``low..high+step``, each with the unit after the range."""
    match = _RANGE.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        low, high, step = (float(part or 0) for part in match.group(1, 2, 3))  # the end of 1..8..2 is no number
    except ValueError:
        allowed = "such as 1..64, 1..10+3 or 2..8 TB/s"
        raise SlipstickError("not a range", path=path, value=text, allowed=allowed) from None
    if not low <= high or (low <= 0 and not step):
        raise SlipstickError("holds nothing", path=path, value=text, allowed="low..high, doubling from above 0")
    numbers = [low]
    while (following := numbers[-1] + step if step else numbers[-1] * 2) <= high * (1 + 1e-12):
        numbers.append(following)
        if len(numbers) > _MAX_VALUES:
            raise SlipstickError("too many values", path=path, value=text, allowed=f"at most {_MAX_VALUES}")
    whole = [int(number) if number.is_integer() else number for number in numbers]
    return tuple(f"{number:g} {match[4]}" for number in whole) if match[4] else tuple(whole)


def _plain(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    return int(text) if re.fullmatch(r"\d{1,9}", text) else text


def whole_numbers(values: str | Sequence[int], path: str) -> list[int]:
    """Return whole numbers from 1 on: ``2,4,8``, ``2..256`` (doubling), ``8|64``, or the numbers themselves.

    Examples
    --------
    >>> whole_numbers("2..16", "widths"), whole_numbers("2,4", "widths"), whole_numbers([3], "widths")
    ([2, 4, 8, 16], [2, 4], [3])
    """
    counts = []
    for value in _listed(values, path):
        if not value.isdecimal() or not 0 < int(value) < _MAX_COUNT:
            raise SlipstickError(
                "not a whole number",
                path=path,
                value=value,
                allowed=f"from 1 below {_MAX_COUNT}, such as 2..256 or 2,4,8",
            )
        counts.append(int(value))
    return counts


def numbers(values: str | Sequence[float], path: str) -> list[float]:
    """Return the numbers in a text such as ``0.01,0.1``, or those of a sequence as they are."""
    try:
        return [float(value) for value in _listed(values, path)]
    except ValueError:
        raise SlipstickError("not numbers", path=path, value=values, allowed="such as 0.01,0.1") from None


def _listed(values: str | Sequence[float], path: str) -> list[str]:
    if not isinstance(values, str):
        return [str(value) for value in values]
    parts = [values_of(part.strip(), path) for part in values.split(",")]
    return [str(value).strip() for several in parts for value in several]
