"""Closed-form models of accelerator clusters: kernels, collectives, parallelism, memory, training and inference."""
