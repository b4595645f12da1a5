"""The numbers of one device that the kernel models need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from slipstick.cluster.constants.matmul import KernelConstants


@dataclass(frozen=True)
class Chip:
    """One device in SI floats: data-sheet rates, and the constants that say what kernels make of them.

    Attributes
    ----------
    cores : streaming multiprocessors, or whatever a tile is scheduled on.
    clock : boost clock [Hz].
    peak : dense rate of the matrix units by number format [FLOP/s].
    vector : rate of the vector units in fp32 [FLOP/s].
    dram_bandwidth, l2_bandwidth : [B/s].
    l2_capacity, shared_per_core : [B].
    """

    name: str
    cores: int
    clock: float
    peak: Mapping[str, float]
    vector: float
    dram_bandwidth: float
    l2_bandwidth: float
    l2_capacity: float
    shared_per_core: float
    constants: KernelConstants
