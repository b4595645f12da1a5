"""Kernels of microcontrollers: C and assembly sources, and for each kernel what it takes, packs and needs."""
