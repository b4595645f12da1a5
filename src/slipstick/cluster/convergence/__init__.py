"""Time to converge: epochs to a target accuracy against the batch, and what more workers gain by it."""
