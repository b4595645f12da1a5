"""Formats by text: ``int8``, ``fp8``, ``int4:axis=0``, or ``name:value,argument=value`` of any registered family."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any

from slipstick.core.errors import SlipstickError
from slipstick.core.format import Format
from slipstick.formats.floating import NAMES, Float
from slipstick.formats.integer import Int
from slipstick.formats.pool import Pool
from slipstick.formats.swis import Swis
from slipstick.formats.truncate import Round, Truncate


@dataclasses.dataclass(frozen=True)
class Family:
    """A kind of format as text knows it.

    `build` takes the arguments behind the colon as keywords; `arguments` names them in order, each with the function
    that reads it from text (ValueError: not such a value); `examples` are the texts that the conformance suite tries.
    """

    name: str
    build: Callable[..., Format]
    arguments: Mapping[str, Callable[[str], Any]]
    examples: tuple[str, ...]
    aliases: tuple[str, ...] = ()


_FAMILIES: dict[str, Family] = {}


def register(family: Family) -> Family:
    """Make a family known to `format_of` and to the conformance suite.

    Errors
    ------
    SlipstickError if one of its names is taken.
    """
    for name in (family.name, *family.aliases):
        if name in _FAMILIES:
            raise SlipstickError("a format of this name is registered already", value=name)
    _FAMILIES.update(dict.fromkeys((family.name, *family.aliases), family))
    return family


def families() -> dict[str, Family]:
    """Return every family by its name, aliases left out."""
    return {name: family for name, family in _FAMILIES.items() if name == family.name}


def names() -> list[str]:
    """Return every name that `format_of` knows, aliases included."""
    return sorted(_FAMILIES)


def examples() -> list[str]:
    """Return the texts of all families that the conformance suite tries."""
    return [text for family in families().values() for text in family.examples]


def format_of(spec: str | Format) -> Format:
    """Return the format that a text names; a Format is returned as it is.

    Errors
    ------
    SlipstickError for an unknown name (with the nearest), an unknown argument or a value that does not fit.

    Examples
    --------
    >>> format_of("int4:axis=0")
    Int(bits=4, symmetric=True, axis=0)
    >>> format_of("mxfp4").bits_per_element
    4.25
    """
    if isinstance(spec, Format):
        return spec
    if not isinstance(spec, str):
        raise SlipstickError("not a number format", value=spec, allowed="text such as int8, or a Format")
    name, colon, rest = spec.strip().casefold().partition(":")
    digits = re.fullmatch(r"(.*?)(\d{1,3})", name)
    if name not in _FAMILIES and digits and digits[1] in _FAMILIES:  # int8 is int:8
        name, rest = digits[1], ",".join(part for part in (digits[2], rest) if part)
    elif name not in _FAMILIES or (colon and not rest):
        raise SlipstickError("no such number format", path="format", value=spec, allowed=_shown())
    family = _FAMILIES[name]
    return family.build(**_arguments(family, rest, spec))


def _arguments(family: Family, text: str, spec: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    order = list(family.arguments)
    # a semicolon serves where commas already separate the fields of a plan
    for place, part in enumerate(filter(None, (piece.strip() for piece in re.split("[,;]", text)))):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            key, value = (order[place] if place < len(order) else part), part
        if key not in family.arguments:
            raise SlipstickError(f"no such argument of {family.name}", path=f"format {spec}", value=key, allowed=order)
        if key in found:
            raise SlipstickError("the argument stands twice", path=f"format {spec}", value=key)
        try:
            found[key] = family.arguments[key](value)
        except ValueError as error:
            raise SlipstickError(f"{key}: {error}", path=f"format {spec}") from None
    return found


def _shown() -> list[str]:
    return sorted({text.partition(":")[0] for text in examples()} | set(_FAMILIES) - {"int"})


def whole(text: str) -> int:
    """Read a whole number of an argument."""
    if not re.fullmatch(r"[-+]?\d{1,9}", text):
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)


def flag(text: str) -> bool:
    """Read true or false of an argument."""
    if text not in ("true", "false"):
        raise ValueError(f"{text!r} is not true or false")
    return text == "true"


def number(text: str) -> float:
    """Read a number of an argument."""
    if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?(e-?\d{1,2})?", text):
        raise ValueError(f"{text!r} is not a number")
    return float(text)


def word(text: str) -> str:
    """Read a word of an argument; what builds the format knows which there are."""
    return text


register(
    Family(
        "int",
        Int,
        {"bits": whole, "symmetric": flag, "axis": whole},
        ("int2", "int3", "int4", "int8", "int8:axis=0", "int8:symmetric=false", "int5:symmetric=false,axis=0", "int16"),
    )
)
_FLOAT_ALIASES = {
    "fp32": ("float32", "float"),
    "tf32": (),
    "bf16": ("bfloat16",),
    "fp16": ("float16", "half"),
    "fp8": ("fp8_e4m3", "e4m3", "float8_e4m3fn"),
    "fp8_e5m2": ("e5m2", "float8_e5m2"),
    "fp4": ("fp4_e2m1", "e2m1"),
}
for _name in NAMES:
    register(Family(_name, (lambda kind: lambda: Float(kind))(_name), {}, (_name,), _FLOAT_ALIASES.get(_name, ())))

register(Family("truncate", Truncate, {"bits": whole}, ("truncate:2", "truncate:4", "truncate:7")))
register(Family("round", Round, {"bits": whole}, ("round:1", "round:4", "round:7")))
_SWIS = {"shifts": whole, "group": whole, "consecutive": flag, "alpha": number, "bits": whole, "layout": word}
register(
    Family(
        "swis",
        Swis,
        _SWIS,
        (
            "swis:3",
            "swis:shifts=2,group=4",
            "swis:4,group=16,layout=positions",
            "swis:3,consecutive=true",
            "swis:2,consecutive=true,layout=positions,bits=8",
            "swis:3,alpha=1.0",
            "swis:7,group=5",
        ),
    )
)
register(
    Family(
        "pool",
        Pool,
        {"size": whole, "vector": whole, "index_bits": whole, "metric": word, "kind": word},
        (
            "pool:size=64,vector=8",
            "pool:16,4",
            "pool:size=32,vector=8,index_bits=8,metric=cosine",
            "pool:size=64,vector=9,kind=xy",
        ),
    )
)
