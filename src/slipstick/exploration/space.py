"""Design space: a workload, a system and a plan with several values in some of their fields."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slipstick.core.errors import SlipstickError
from slipstick.core.plan import plan_pairs, short_keys
from slipstick.core.system import System
from slipstick.core.value_ranges import values_of, whole_numbers

_COUNTS = re.compile(r"(.+):(\d+\.\.\d+(?:\+\d+)?|\d+(?:\|\d+)+)")


@dataclass(frozen=True)
class Space:
    """Every combination of the axes' values; `axes` maps a dotted path below system, workload or plan to values.

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
        """Return the space of the given axes.

        ``low..high`` doubles from low to high (1..64 is 1, 2, 4, ... 64), ``low..high+step`` adds, ``a|b|c`` and lists
        are those values; a unit behind a range holds for all of it. A system may have a range of counts
        (``h100-sxm:64..1024``) or be a list.

        Errors
        ------
        SlipstickError for ranges that hold nothing, unknown fields of a plan (with the nearest), keys that stand twice.
        """
        axes: dict[str, tuple[Any, ...]] = {}
        fixed: dict[str, Any] = {}
        settings = [("system", system), *(fields or {}).items()]  # a plan's fields last: they change fastest
        settings += [(_plan_path(key), value) for key, value in _plan_items(plan)]
        for path, value in settings:
            if path in axes or path in fixed:
                raise SlipstickError("stands twice", path=path, value=value)
            values = _systems(value) if path == "system" else values_of(value, path)
            if len(values) > 1:
                axes[path] = values
            else:
                fixed[path] = values[0]
        return cls(axes, fixed)

    def wider(self, fields: Mapping[str, Sequence[Any]]) -> Space:
        """Return the space with further fields, which change faster than its own.

        Errors
        ------
        SlipstickError for a field that it has already.
        """
        for path, values in fields.items():
            if path in self.axes or path in self.fixed:
                raise SlipstickError("stands twice", path=path, value=list(values))
        several = {path: tuple(values) for path, values in fields.items() if len(values) > 1}
        single = {path: values[0] for path, values in fields.items() if len(values) == 1}
        return Space({**self.axes, **several}, {**self.fixed, **single})

    def __len__(self) -> int:
        return math.prod(len(values) for values in self.axes.values())

    def point(self, index: int) -> dict[str, Any]:
        """Return one combination's values by path, in the space's order; the last axis changes fastest."""
        places = {}
        for path, values in reversed(list(self.axes.items())):
            index, places[path] = divmod(index, len(values))
        return {**{path: values[places[path]] for path, values in self.axes.items()}, **self.fixed}


def _value_text(value: object) -> str:
    """Return an axis value as tables and commands show it: a System by its name, a flag as true or false."""
    if isinstance(value, System):
        return f"{value.name}:{value.devices}" if value.devices > 1 else value.name
    return str(value).lower() if isinstance(value, bool) else str(value)


def _systems(value: str | Sequence[str]) -> tuple[Any, ...]:
    systems: list[str] = []
    for name in [value] if isinstance(value, str) else value:
        match = _COUNTS.fullmatch(name) if isinstance(name, str) else None
        counts = whole_numbers(match[2], "system") if match else ()
        systems += [f"{match[1]}:{count}" for count in counts] if match else [name]
    return tuple(systems)


def _plan_items(plan: str | Mapping[str, Any]) -> list[tuple[str, Any]]:
    if isinstance(plan, Mapping):
        return list(plan.items())
    return list(plan_pairs(plan, "tp=1..8").items())


def _plan_path(key: str) -> str:
    keys = short_keys()
    path = keys.get(key, key)
    if path not in keys.values():
        raise SlipstickError(
            "no such field of a plan (slipstick list plan prints them)", path="plan", value=key, allowed=keys
        )
    return f"plan.{path}"
