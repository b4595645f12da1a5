"""Kernels of one device: operations as matrix products and memory traffic, their time [s] and energy [J]."""
