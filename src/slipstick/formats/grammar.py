"""Formats by text: ``encoding@arithmetic``, each half ``name:value,argument=value``; exact arithmetic may be left out.

``int8``, ``fp8``, ``int4:axis=0``, ``swis:3,group=4``, ``swis:3@bit_serial:element=double-shift``. Patterns give layers
their formats (`slipstick.formats.layer_patterns`): ``pattern=encoding@arithmetic``, joined by ``;``.
"""

from __future__ import annotations

from slipstick.core.arithmetic import Arithmetic
from slipstick.core.encoding import Encoding
from slipstick.core.errors import SlipstickError
from slipstick.core.format import EXACT, Format
from slipstick.formats.registry import ARITHMETICS, ENCODINGS


def format_of(spec: str | Format | Encoding) -> Format:
    """Return the format that a text names; an Encoding is given exact arithmetic, a Format is returned as it is.

    Errors
    ------
    SlipstickError for an unknown name (with the nearest), an unknown argument, a value that does not fit, or an
    arithmetic that does not multiply weights of the encoding.

    Examples
    --------
    >>> format_of("int4:axis=0").encoding
    Int(bits=4, symmetric=True, axis=0)
    >>> format_of("mxfp4").encoding.bits_per_element
    4.25
    >>> format_of("swis:3@bit_serial").name
    'swis:3,group=4@bit_serial'
    """
    if isinstance(spec, Format):
        return spec
    if isinstance(spec, Encoding):
        return Format(spec, arithmetic_of(EXACT))
    if not isinstance(spec, str):
        allowed = "text such as int8, a Format or an Encoding"
        raise SlipstickError("not a number format", path="format", value=spec, allowed=allowed)
    encoding, at, arithmetic = spec.partition("@")
    if at and not arithmetic.strip():
        raise SlipstickError(
            "no arithmetic behind @", path="format", value=spec, allowed=sorted(ARITHMETICS.families())
        )
    return Format(ENCODINGS.build(encoding), arithmetic_of(arithmetic if at else EXACT))


def encoding_of(text: str) -> Encoding:
    """Return the encoding that a text without an arithmetic names, such as ``int8`` or ``swis:3,group=4``.

    Errors
    ------
    SlipstickError as `format_of` raises it.
    """
    return ENCODINGS.build(text)


def arithmetic_of(text: str) -> Arithmetic:
    """Return the arithmetic that a text names, such as ``exact`` or ``bit_serial:element=serial``.

    Errors
    ------
    SlipstickError as `format_of` raises it.
    """
    return ARITHMETICS.build(text)


def examples() -> list[str]:
    """Return the texts of all encodings that the conformance suites test, which `slipstick list formats` prints."""
    return ENCODINGS.examples()
