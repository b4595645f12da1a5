"""A space: a workload, a system and a plan with several values in some of their leaves."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slipstick.core.errors import SlipstickError
from slipstick.core.plan import short_keys

_RANGE = re.compile(r"\s*([\d.eE+-]*?[\d.])\s*\.\.\s*([\d.][\d.eE]*)\s*(?:\+\s*([\d.]+))?\s*([A-Za-z%/][\w%/]*)?\s*")
_COUNTS = re.compile(r"(.+):(\d+\.\.\d+(?:\+\d+)?)")
MOST_VALUES = 100_000  # of one leaf


@dataclass(frozen=True)
class Space:
    """Every combination of the axes' values: `axes` maps a dotted path below system, workload or plan to its values.

    Examples
    --------
    >>> space = Space.of(system="h100-sxm:64..256", plan="tp=1..8,pp=1|2")
    >>> space.axes["system"], space.axes["plan.parallel.tp"], len(space)
    (('h100-sxm:64', 'h100-sxm:128', 'h100-sxm:256'), (1, 2, 4, 8), 24)
    """

    axes: Mapping[str, tuple[Any, ...]]
    fixed: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        *,
        system: str | Sequence[str],
        plan: str | Mapping[str, Any] = "",
        fields: Mapping[str, Any] | None = None,
    ) -> Space:
        """Build a space.

        ``low..high`` doubles from low to high (1..64 is 1, 2, 4, ... 64), ``low..high+step`` adds, ``a|b|c`` and lists
        are those values; a unit behind a range holds for all of it. A system may have a range of counts
        (``h100-sxm:64..1024``) or be a list.

        Errors
        ------
        SlipstickError for ranges that hold nothing, unknown fields of a plan (with the nearest), keys that stand twice.
        """
        axes: dict[str, tuple[Any, ...]] = {}
        fixed: dict[str, Any] = {}
        given = [("system", system), *(fields or {}).items()]  # a plan's fields last: they change fastest
        given += [(_plan_path(key), value) for key, value in _plan_items(plan)]
        for path, value in given:
            if path in axes or path in fixed:
                raise SlipstickError("stands twice", path=path, value=value)
            values = _systems(value) if path == "system" else values_of(value, path)
            if len(values) > 1:
                axes[path] = values
            else:
                fixed[path] = values[0]
        return cls(axes, fixed)

    def __len__(self) -> int:
        return math.prod(len(values) for values in self.axes.values())

    def point(self, index: int) -> dict[str, Any]:
        """Return the values of one combination by path; the last axis changes fastest."""
        found = dict(self.fixed)
        for path, values in reversed(list(self.axes.items())):
            index, place = divmod(index, len(values))
            found[path] = values[place]
        return found


def values_of(value: Any, path: str) -> tuple[Any, ...]:
    """Return the values that a text, a list or a plain value stands for.

    Examples
    --------
    >>> values_of("1..10+3", "x"), values_of("2..8 TB/s", "x"), values_of("none|full", "x"), values_of(3, "x")
    ((1, 4, 7, 10), ('2 TB/s', '4 TB/s', '8 TB/s'), ('none', 'full'), (3,))
    """
    if isinstance(value, list | tuple | range):
        found = tuple(value)
    elif not isinstance(value, str):
        found = (value,)
    elif "|" in value:
        found = tuple(_plain(part.strip()) for part in value.split("|"))
    elif ".." in value:
        found = _range(value, path)
    else:
        found = (_plain(value.strip()),)
    if not found or len(set(map(str, found))) < len(found):
        raise SlipstickError("no values, or one of them twice", path=path, value=value)
    return found


def _range(text: str, path: str) -> tuple[Any, ...]:
    match = _RANGE.fullmatch(text)
    if match is None:
        raise SlipstickError("not a range", path=path, value=text, allowed="such as 1..64, 1..10+3 or 2..8 TB/s")
    low, high = float(match[1]), float(match[2])
    step = float(match[3]) if match[3] else 0.0
    if not low <= high or (low <= 0 and not step):
        raise SlipstickError("holds nothing", path=path, value=text, allowed="low..high, doubling from above 0")
    numbers = [low]
    while (following := numbers[-1] + step if step else numbers[-1] * 2) <= high * (1 + 1e-12):
        numbers.append(following)
        if len(numbers) > MOST_VALUES:
            raise SlipstickError("too many values", path=path, value=text, allowed=f"at most {MOST_VALUES}")
    whole = [int(number) if number.is_integer() else number for number in numbers]
    return tuple(f"{number:g} {match[4]}" for number in whole) if match[4] else tuple(whole)


def _plain(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    return int(text) if re.fullmatch(r"\d{1,9}", text) else text


def _systems(value: str | Sequence[str]) -> tuple[Any, ...]:
    found: list[str] = []
    for name in [value] if isinstance(value, str) else value:
        match = _COUNTS.fullmatch(name) if isinstance(name, str) else None
        counts = _range(match[2], "system") if match else ()
        found += [f"{match[1]}:{count}" for count in counts] if match else [name]
    return tuple(found)


def _plan_items(plan: str | Mapping[str, Any]) -> list[tuple[str, Any]]:
    if isinstance(plan, Mapping):
        return list(plan.items())
    found = []
    for part in filter(None, (piece.strip() for piece in plan.split(","))):
        key, equals, value = part.partition("=")
        if not equals or not value.strip():
            raise SlipstickError("not of the form key=values", path="plan", value=part, allowed="such as tp=1..8")
        found.append((key.strip(), value.strip()))
    return found


def _plan_path(key: str) -> str:
    keys = short_keys()
    path = keys.get(key, key)
    if path not in keys.values():
        raise SlipstickError("no such field of a plan", path="plan", value=key, allowed=keys)
    return f"plan.{path}"
