"""Compiled kernels of approximate arithmetics: numba, always there, and C that this machine's compiler builds."""
