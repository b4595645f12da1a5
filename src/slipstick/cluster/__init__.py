"""Accelerators in numbers: kernels, collectives, parallelism, memory, training and inference in closed form."""
