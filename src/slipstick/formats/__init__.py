"""Number formats: encodings, one per file, arithmetics, and their registries: `format_of("swis:3@bit_serial")`."""

from slipstick.formats import families as _families  # noqa: F401  registers what this package has
from slipstick.formats.arithmetic import BitSerial, Exact
from slipstick.formats.floating import Float
from slipstick.formats.grammar import arithmetic_of, encoding_of, examples, format_of
from slipstick.formats.integer import Int
from slipstick.formats.pool import Pool
from slipstick.formats.registry import ARITHMETICS, ENCODINGS, FormatFamily
from slipstick.formats.swis import Swis
from slipstick.formats.truncate import Round, Truncate

__all__ = [
    "ARITHMETICS",
    "ENCODINGS",
    "BitSerial",
    "Exact",
    "Float",
    "FormatFamily",
    "Int",
    "Pool",
    "Round",
    "Swis",
    "Truncate",
    "arithmetic_of",
    "encoding_of",
    "examples",
    "format_of",
]
