"""Number formats, one a file, and their registry: `format_of("int8")`, `format_of("nvfp4")`."""

from slipstick.formats.floating import Float
from slipstick.formats.integer import Int
from slipstick.formats.registry import Family, examples, families, format_of, names, register

__all__ = ["Family", "Float", "Int", "examples", "families", "format_of", "names", "register"]
