"""Arithmetics, one a file: how products of encoded numbers are computed, bit for bit, and what each product costs."""

from slipstick.formats.arithmetic.bit_serial import BitSerial
from slipstick.formats.arithmetic.exact import Exact

__all__ = ["BitSerial", "Exact"]
