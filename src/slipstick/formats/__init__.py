"""Number formats, one a file, and their registry: `format_of("int8")`, `format_of("nvfp4")`, `format_of("swis:3")`."""

from slipstick.formats.floating import Float
from slipstick.formats.grammar import Family, examples, families, format_of, names, register
from slipstick.formats.integer import Int
from slipstick.formats.pool import Pool
from slipstick.formats.swis import Swis
from slipstick.formats.truncate import Round, Truncate

__all__ = [
    "Family",
    "Float",
    "Int",
    "Pool",
    "Round",
    "Swis",
    "Truncate",
    "examples",
    "families",
    "format_of",
    "names",
    "register",
]
