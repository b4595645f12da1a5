"""Kernels of microcontrollers: C and assembly sources, and for each kernel what it takes, packs and needs."""

from slipstick.edge.kernels.kernel import SOURCES, Kernel
from slipstick.edge.kernels.table import KERNELS, choose_kernel

__all__ = ["KERNELS", "SOURCES", "Kernel", "choose_kernel"]
