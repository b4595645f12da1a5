"""Golden vectors of layers on dot-product arrays: operands, expected sums, and references in plain numpy."""
