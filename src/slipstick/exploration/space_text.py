"""Space in one line of text: ``board=*,format=int8|int4``: systems by pattern, fields of a plan, any other leaf."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields
from fnmatch import fnmatchcase
from typing import NamedTuple

from slipstick.core.catalogue import systems
from slipstick.core.device import device_kinds
from slipstick.core.errors import SlipstickError
from slipstick.core.plan import short_keys
from slipstick.exploration.treatment import TREATMENT, Treatment
from slipstick.formats.registry import ARITHMETICS, ENCODINGS

_PIECE = re.compile(r"\s*([\w.]+)\s*=")
_SYSTEM, _FORMAT = "system", "format"
_LEAVES = ("system.", "workload.", "plan.", TREATMENT)
_TREATED = tuple(field.name for field in fields(Treatment))  # keys of how the network is retrained in each format
_EXAMPLE = "board=*,format=int8|int4"


class SpaceText(NamedTuple):
    """Parts of a space: names of systems, fields of the plan, and other leaves by dotted path, each with its values."""

    systems: tuple[str, ...]
    plan: dict[str, str]
    fields: dict[str, str]


def read_space(text: str) -> SpaceText:
    """Return the parts of a space written in one line.

    ``system=`` and kinds of devices, such as ``board=``, take names and patterns joined by ``|`` (``board=*`` is every
    board of the catalogue),
    ``format=`` number formats, ``retrain=``, ``rate=``, ``method=`` and ``seed=`` how the network is retrained in each
    (as by `slipstick adapt`; needs a data set), any other key is a field of a plan or the path of a leaf. A comma that
    no key follows belongs to the value: ``format=pool:size=64,vector=8``; so does a ``seed=`` behind an analog format.

    Errors
    ------
    SlipstickError for text without a key, keys that stand twice, patterns that fit no system.

    Examples
    --------
    >>> read_space("board=pico*,format=int8|pool:size=64,vector=8").systems
    ('pico', 'pico-2', 'pico-2-riscv')
    >>> read_space("system=swis-8x8,format=int8|pool:size=64,vector=8").plan
    {'formats': 'int8|pool:size=64,vector=8'}
    """
    names: list[str] = []
    plan: dict[str, str] = {}
    leaves: dict[str, str] = {}
    for key, value in _pieces(text):
        if key == _SYSTEM or key in device_kinds():
            names += _matching(key, value)
        elif key.startswith(_LEAVES):
            leaves[key] = value
        elif key in _TREATED:
            leaves[f"{TREATMENT}{key}"] = value
        else:
            plan["formats" if key == _FORMAT else key] = value
    return SpaceText(tuple(dict.fromkeys(names)), plan, leaves)


def _pieces(text: str) -> list[tuple[str, str]]:
    keys = {_SYSTEM, _FORMAT, *_TREATED, *device_kinds(), *short_keys()}
    pieces: list[tuple[str, str]] = []
    for piece in text.split(","):
        match = _PIECE.match(piece)
        if match and (match[1] in keys or match[1].startswith(_LEAVES)) and not _continues(match[1], pieces):
            if match[1] in dict(pieces):
                raise SlipstickError("stands twice", path="space", value=match[1])
            pieces.append((match[1], piece[match.end() :].strip()))
        elif pieces:
            pieces[-1] = (pieces[-1][0], f"{pieces[-1][1]},{piece}")
        else:
            raise SlipstickError("no key of a space", path="space", value=piece, allowed=sorted(keys))
    if any(not value for _, value in pieces):
        raise SlipstickError("a key without values", path="space", value=text, allowed=_EXAMPLE)
    return pieces


def _continues(key: str, pieces: Sequence[tuple[str, str]]) -> bool:
    """Return whether a key such as ``seed`` is an argument of the number format that stands before it."""
    if key not in _TREATED or not pieces or pieces[-1][0] != _FORMAT:
        return False
    families = {**ENCODINGS.families(), **ARITHMETICS.families()}
    halves = pieces[-1][1].rpartition("|")[2].split("@")
    names = [half.partition(":")[0].strip() for half in halves]
    return any(key in families[name].arguments for name in names if name in families)


def _matching(key: str, value: str) -> list[str]:
    """Return the systems that names and patterns stand for; those of a kind of device, such as ``board=``, alone."""
    matched: list[str] = []
    for pattern in value.split("|"):
        known = [name for name in systems.names() if fnmatchcase(name, pattern.strip())] if "*" in pattern else []
        if key != _SYSTEM:
            known = [name for name in known if systems.entry(name).device.kind == key]
        if "*" in pattern and not known:
            raise SlipstickError(f"fits no {key}", path=f"space.{key}", value=pattern, allowed=systems.names())
        matched += known or [pattern.strip()]
    return matched
