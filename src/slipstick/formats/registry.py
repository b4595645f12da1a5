"""Registries of encodings and arithmetics by name: the families of this package, and those of installed packages."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Generic, TypeVar

from slipstick.core.arithmetic import Arithmetic
from slipstick.core.encoding import Encoding
from slipstick.core.errors import SlipstickError
from slipstick.core.plan import short_keys
from slipstick.core.plugins import Plugin, check_plugins, working

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)


@dataclass(frozen=True)
class FormatFamily(Generic[_T_co]):
    """Family of encodings or arithmetics that texts select: ``name:value,argument=value``.

    `build` takes the arguments behind the colon as keywords; `arguments` names them in order, each with the function
    that reads it from text (ValueError: not such a value); `examples` are the texts that the conformance suites try;
    `synonyms` are other words for arguments, which a plan's text may take for fields of its own. `opens` tells whether
    a text in front of the colon is the name of a member itself, such as a file, which `build` takes first.
    """

    name: str
    build: Callable[..., _T_co]
    arguments: Mapping[str, Callable[[str], Any]]
    examples: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    synonyms: Mapping[str, str] = field(default_factory=dict)
    opens: Callable[[str], bool] | None = None


class Registry(Generic[_T]):
    """Families by name, upper and lower case alike; those of the entry points are loaded when a name asks for them.

    A package adds a family without a change here: the entry point `group` of its metadata names a `FormatFamily`, as in
    ``[project.entry-points."slipstick.encodings"]`` ``ternary = "my_package.ternary:FAMILY"``.
    """

    def __init__(self, noun: str, group: str) -> None:
        self._noun, self._group = noun, group
        self._families: dict[str, FormatFamily[_T]] = {}

    def register(self, family: FormatFamily[_T]) -> FormatFamily[_T]:
        """Add a family under its name and aliases.

        Errors
        ------
        SlipstickError if one of its names is taken, or an argument is a field of the plan: behind ``formats=`` on the
        command line, ``key=value`` would then have two meanings.
        """
        for name in _names(family):
            if name in self._families:
                raise SlipstickError(f"the {self._noun} is registered already", path=self._group, value=name)
        _check_arguments(family, self._group)
        self._families.update(dict.fromkeys(_names(family), family))
        return family

    def families(self) -> dict[str, FormatFamily[_T]]:
        """Return every family by its name, aliases left out, those of installed packages behind the others.

        Errors
        ------
        SlipstickError for a plug-in that does not load.
        """
        check_plugins(self._group, self._plugged)
        known = self._families | self._installed()
        return {family.name: family for name, family in known.items() if name == family.name.casefold()}

    def examples(self) -> list[str]:
        """Return the texts of all families that the conformance suites test."""
        return [text for family in self.families().values() for text in family.examples]

    def build(self, text: str) -> _T:
        """Return the member that a text such as ``swis:3,group=4`` names; digits behind a name are its first argument.

        Errors
        ------
        SlipstickError for an unknown name (with the nearest), an unknown argument or a value that does not fit.
        """
        member, _, own = text.strip().partition(":")
        for family in self._families.values():
            if family.opens and family.opens(member):
                return family.build(member, **_arguments(family, own.casefold(), text))
        name, colon, rest = text.strip().casefold().partition(":")
        digits = re.fullmatch(r"(.*?)(\d{1,3})", name)
        known = self._families
        if name not in known and not (digits and digits[1] in known):
            known = known | self._installed()
        if name not in known and digits and digits[1] in known:  # int8 is int:8
            name, rest = digits[1], ",".join(part for part in (digits[2], rest) if part)
        elif name not in known or (colon and not rest):
            allowed = self._shown()  # or the error of a plug-in that might have brought it
            message = f"no such {self._noun} (slipstick list formats prints them)"
            raise SlipstickError(message, path="format", value=text, allowed=allowed)
        family = known[name]
        return family.build(**_arguments(family, rest, text))

    def _shown(self) -> list[str]:
        return sorted({text.partition(":")[0] for text in self.examples()} | set(self._families) - {"int"})

    def _installed(self) -> dict[str, FormatFamily[_T]]:
        """Return the families that other packages add, by every name; broken packages are left out."""
        plugged = (family for _, family in working(self._group, self._plugged))
        return {name: family for family in plugged for name in _names(family)}

    def _plugged(self, plugin: Plugin) -> FormatFamily[_T]:
        """Return the family to which the entry point of a plug-in refers."""
        family = plugin.value
        if not isinstance(family, FormatFamily):
            raise plugin.error("loads to no FormatFamily", "a slipstick.formats.registry.FormatFamily")
        for name in _names(family):
            if name in self._families:
                raise plugin.error(f"brings the {self._noun} {name!r}, which slipstick has itself", "another name")
        _check_arguments(family, plugin.package)
        return family


def _names(family: FormatFamily[Any]) -> list[str]:
    return [name.casefold() for name in (family.name, *family.aliases)]


def _check_arguments(family: FormatFamily[Any], path: str) -> None:
    for argument in family.arguments:
        if argument in short_keys():
            message = f"an argument of {family.name} has the name of a plan's field"
            raise SlipstickError(message, path=path, value=argument, allowed="another name")


ENCODINGS: Registry[Encoding] = Registry("number format", "slipstick.encodings")
ARITHMETICS: Registry[Arithmetic] = Registry("arithmetic", "slipstick.arithmetics")


def built_by(place: str) -> Callable[..., Any]:
    """Return the builder of a family whose members a domain above `formats` defines, imported when it is first called.

    Parameters
    ----------
    place : ``module:Class``, as the entry point of a package names its own.
    """

    def build(**arguments: Any) -> Any:
        module, _, name = place.partition(":")
        return getattr(import_module(module), name)(**arguments)

    return build


def whole(text: str) -> int:
    """Return the whole number in the text of an argument."""
    if not re.fullmatch(r"[-+]?\d{1,9}", text):
        raise ValueError(f"{text!r} is not a whole number of at most 9 digits")
    return int(text)


def _flag(text: str) -> bool:
    """Return the truth value in the text of an argument: true or false."""
    if text not in ("true", "false"):
        raise ValueError(f"{text!r} is not true or false")
    return text == "true"


def _number(text: str) -> float:
    """Return the number in the text of an argument: digits, a point, an exponent."""
    if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?(e-?\d{1,2})?", text):
        raise ValueError(f"{text!r} is not a number")
    return float(text)


def _word(text: str) -> str:
    """Return the text of an argument as a word; the family's constructor refuses unknown words."""
    return text


def _arguments(family: FormatFamily[_T], text: str, spec: str) -> dict[str, Any]:
    """Return the arguments of a family by name, from ``value,key=value``; a semicolon parts them like a comma."""
    arguments: dict[str, Any] = {}
    order = list(family.arguments)
    for place, part in enumerate(filter(None, (piece.strip() for piece in re.split("[,;]", text)))):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            key, value = (order[place] if place < len(order) else part), part
        key = family.synonyms.get(key, key)
        if key not in family.arguments:
            message = f"no such argument of {family.name} (formats of other layers follow behind a semicolon)"
            raise SlipstickError(message, path=f"format {spec}", value=key, allowed=order)
        if key in arguments:
            raise SlipstickError("the argument is given twice", path=f"format {spec}", value=key)
        try:
            arguments[key] = family.arguments[key](value)
        except ValueError as error:
            raise SlipstickError(f"{key}: {error}", path=f"format {spec}") from None
    return arguments
