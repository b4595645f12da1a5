"""Systolic and bit-serial array accelerators: their dataflow, cycles, memory traffic and energy."""
