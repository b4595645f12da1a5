"""Fields of a catalogue entry as text: value with unit, source and description, as `show` prints them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, get_args

from slipstick.core.spec import Spec
from slipstick.core.units import format_quantity

Field = tuple[str, str, str, str]  # dotted path, value with unit, source, description

_ABOUT = ("name", "source", "sources")  # fields of an entry that its rows carry otherwise
_AS_STATED = ("element", "years", "USD/kWh", "g/kWh", "USD/h", "B/s/m")  # units that take no prefix


def _entry_fields(spec: Any, *, prefix: str = "", unknown: bool = False) -> list[Field]:
    """Return every field of a catalogue entry that has a value.

    Parameters
    ----------
    spec : the entry; its `source_of`, where it has one, gives the sources.
    prefix : a dotted path to put before those of the fields.
    unknown : whether quantities without a value have a row too, with their own source alone.

    Examples
    --------
    >>> from slipstick.cluster.constants.prices import prices
    >>> _entry_fields(prices.entry("datacentre"))[1][:3]
    ('amortisation', '4 years', 'assumed: common depreciation of servers')
    """
    source_of = getattr(spec, "source_of", lambda _: "")
    fields: list[Field] = []
    for path, value, unit, description in _leaves(spec):
        if path.partition(".")[0] in _ABOUT:
            continue
        if text := _quantity_text(value, unit):
            fields.append((prefix + path, text, source_of(path), description))
        elif unknown and unit and value is None:
            fields.append((prefix + path, "unknown", spec.sources.get(path, ""), description))
    return fields


def _quantity_text(value: object, unit: str = "") -> str:
    """Return a number with its prefixed unit as text; empty for no value, or an infinite one.

    Examples
    --------
    >>> _quantity_text(3.35e12, "B/s"), _quantity_text((8, 4)), _quantity_text(None)
    ('3.35 TB/s', '8, 4', '')
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float) and unit in _AS_STATED:
        return f"{value:,.6g} {unit}"
    if isinstance(value, float) or (isinstance(value, int) and unit):
        return format_quantity(value, unit)
    if isinstance(value, tuple | list):
        return ", ".join(str(item) for item in value)
    return "" if value == {} else str(value)


def _unit_of(kind: type[Spec], name: str) -> str:
    """Return the unit of a field of a spec's class, from its annotation or declaration; empty for plain numbers."""
    declared = kind.model_fields[name]
    return next(_units_in((declared, declared.annotation)), "")


def _leaves(spec: Spec) -> Iterator[tuple[str, Any, str, str]]:
    """Yield dotted path (as `--set` takes it), value, unit and description of every leaf field below a spec."""
    for name, declared in type(spec).model_fields.items():
        yield from _below(getattr(spec, name), name, _unit_of(type(spec), name), declared.description or "")


def _below(node: Any, path: str, unit: str, description: str) -> Iterator[tuple[str, Any, str, str]]:
    if isinstance(node, Spec):
        for below, value, own, words in _leaves(node):
            yield f"{path}.{below}", value, own, words or description
    elif isinstance(node, dict):
        for key, child in node.items():
            yield from _below(child, f"{path}.{key}", unit, description)
    elif isinstance(node, tuple) and any(isinstance(item, Spec) for item in node):
        for place, item in enumerate(node):
            yield from _below(item, f"{path}.{place}", unit, description)
    else:
        yield path, node, unit, description


def _units_in(annotation: Any) -> Iterator[str]:
    extra = getattr(annotation, "json_schema_extra", None)
    if isinstance(extra, dict) and "unit" in extra:
        yield extra["unit"]
    inside = (
        annotation if isinstance(annotation, tuple) else (*get_args(annotation), *getattr(annotation, "metadata", ()))
    )
    for part in inside:
        yield from _units_in(part)
