"""Conformance suites that a package inherits for its own encodings and arithmetics; our own tests run the same."""

from slipstick.testing.arithmetic import ArithmeticSuite
from slipstick.testing.encoding import EncodingSuite

__all__ = ["ArithmeticSuite", "EncodingSuite"]
