"""Formats of layers in one line of text: ``swis:3``, or ``swis:3,group=8;depthwise=int8;last=int8@bit_serial``.

Pieces ``pattern=encoding@arithmetic`` are joined by semicolons; of those that fit a layer the last decides. A pattern
is a kind (conv, depthwise, pointwise, linear), ``first``, ``last``, or a layer's name with ``*`` for any text; a piece
without one is for all layers. Arguments of a format are parted by commas; a piece that is an argument of the format
before it continues that format, so that ``swis:3;group=8`` is ``swis:3,group=8``. The same text is a plan's
``formats.layers``, the option ``--format`` and the parameter ``formats`` of Python.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from slipstick.core.errors import SlipstickError
from slipstick.formats.registry import ARITHMETICS, ENCODINGS

DEFAULT = "int8"
_KINDS = ("conv", "depthwise", "pointwise", "linear")


@dataclass(frozen=True)
class PatternLayer:
    """Layer to which patterns apply: its name and its kind (conv, depthwise, pointwise or linear)."""

    name: str
    kind: str


def formats_of(text: str, layers: Sequence[PatternLayer], *, path: str = "formats") -> list[str]:
    """Return the text of each layer's format: `DEFAULT` where no pattern matches.

    Errors
    ------
    SlipstickError for a pattern that fits no layer.

    Examples
    --------
    >>> formats_of("swis:3,group=8;last=int4", [PatternLayer("a", "conv"), PatternLayer("b", "linear")])
    ['swis:3,group=8', 'int4']
    """
    texts = [DEFAULT] * len(layers)
    for pattern, layer_format in pieces(text):
        fitting = [place for place in range(len(layers)) if _fits(pattern, place, layers)]
        if not fitting and pattern != "*":
            names = [*_KINDS, "first", "last", *(layer.name for layer in layers)]
            raise SlipstickError("no layer fits the pattern", path=path, value=pattern, allowed=names)
        for place in fitting:
            texts[place] = layer_format
    return texts


def pieces(text: str) -> list[tuple[str, str]]:
    """Return the patterns of a line, each with the text of its format.

    Examples
    --------
    >>> pieces("swis:3,group=8;fc=int8")
    [('*', 'swis:3,group=8'), ('fc', 'int8')]
    """
    split: list[tuple[str, str]] = []
    families = (*ENCODINGS.families().values(), *ARITHMETICS.families().values())
    arguments = {name for family in families for name in family.arguments}
    for piece in filter(None, (part.strip() for part in text.split(";"))):
        key, equals, value = piece.partition("=")
        if split and equals and key.strip() in arguments:
            split[-1] = (split[-1][0], f"{split[-1][1]};{piece}")
        elif not equals or ":" in key or "," in key:
            split.append(("*", piece))
        else:
            split.append((key.strip(), value.strip()))
    return split


def _fits(pattern: str, place: int, layers: Sequence[PatternLayer]) -> bool:
    """Return whether a pattern matches the layer at an index among all layers."""
    if pattern in ("first", "last"):
        return place == (0 if pattern == "first" else len(layers) - 1)
    return pattern == layers[place].kind or fnmatchcase(layers[place].name, pattern)
