"""Digital accelerators: systolic and bit-serial arrays, their dataflow, cycles, traffic and energy."""
