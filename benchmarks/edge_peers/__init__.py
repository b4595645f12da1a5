"""Kernels of CMSIS-NN and esp-nn, called on the same layers and bytes as our own."""
