"""Time to convergence: epochs to a target accuracy by global batch size, and the speed-up of more workers."""
