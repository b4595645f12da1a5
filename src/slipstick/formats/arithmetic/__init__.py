"""Arithmetics, one per file: how products of encoded numbers are computed, bit for bit, and the cost per product."""

from slipstick.formats.arithmetic.approximate import Approximate
from slipstick.formats.arithmetic.bit_serial import BitSerial
from slipstick.formats.arithmetic.exact import Exact
from slipstick.formats.arithmetic.stochastic import Stochastic

__all__ = ["Approximate", "BitSerial", "Exact", "Stochastic"]
