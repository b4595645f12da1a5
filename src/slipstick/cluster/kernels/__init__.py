"""Kernels of one device: from operations to matrix products and traffic, and from those to seconds and joules."""
