"""Conformance suites that a package inherits for its own encodings and arithmetics; our own tests run the same."""

from slipstick.testing.arithmetic_suite import ArithmeticSuite
from slipstick.testing.encoding_suite import EncodingSuite

__all__ = ["ArithmeticSuite", "EncodingSuite"]
