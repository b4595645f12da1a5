"""Sweeps over plans held as arrays: fields of plans, distinct kernels, and the fastest plan that fits in memory."""
