"""Which format each layer has, from one line of text: ``swis:3``, or ``swis:3;depthwise=int8;last=int8``.

Pieces follow each other by semicolons; the last one that fits a layer decides. A pattern is a kind (conv, depthwise,
pointwise, linear), ``first``, ``last``, or a layer's name with ``*`` for any text. A piece that is an argument of the
format at hand continues it: ``swis:3;group=8``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from slipstick.core.errors import SlipstickError
from slipstick.formats.registry import ENCODINGS

DEFAULT = "int8"
KINDS = ("conv", "depthwise", "pointwise", "linear")


@dataclass(frozen=True)
class Layer:
    """A layer as patterns see it: its name and its kind, one of `KINDS`."""

    name: str
    kind: str


def formats_of(text: str, layers: Sequence[Layer], *, path: str = "formats") -> list[str]:
    """Return the text of each layer's format: `DEFAULT` where no pattern fits.

    Errors
    ------
    SlipstickError for a pattern that fits no layer.

    Examples
    --------
    >>> formats_of("swis:3;group=8;last=int4", [Layer("a", "conv"), Layer("b", "linear")])
    ['swis:3;group=8', 'int4']
    """
    found = [DEFAULT] * len(layers)
    for pattern, chosen in pieces(text):
        fitting = [place for place in range(len(layers)) if _fits(pattern, place, layers)]
        if not fitting and pattern != "*":
            names = [*KINDS, "first", "last", *(layer.name for layer in layers)]
            raise SlipstickError("no layer fits the pattern", path=path, value=pattern, allowed=names)
        for place in fitting:
            found[place] = chosen
    return found


def pieces(text: str) -> list[tuple[str, str]]:
    """Split a line into patterns and the texts of formats.

    Examples
    --------
    >>> pieces("swis:3;group=8;fc=int8")
    [('*', 'swis:3;group=8'), ('fc', 'int8')]
    """
    found: list[tuple[str, str]] = []
    arguments = {name for family in ENCODINGS.families().values() for name in family.arguments}
    for piece in filter(None, (part.strip() for part in text.split(";"))):
        key, equals, value = piece.partition("=")
        if found and equals and key.strip() in arguments:
            found[-1] = (found[-1][0], f"{found[-1][1]};{piece}")
        elif not equals or ":" in key:
            found.append(("*", piece))
        else:
            found.append((key.strip(), value.strip()))
    return found


def _fits(pattern: str, place: int, layers: Sequence[Layer]) -> bool:
    if pattern in ("first", "last"):
        return place == (0 if pattern == "first" else len(layers) - 1)
    return pattern == layers[place].kind or fnmatchcase(layers[place].name, pattern)
