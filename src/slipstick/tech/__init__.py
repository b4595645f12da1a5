"""Technology: how logic, DRAM and networks scale from one generation to the next."""

from slipstick.tech.derive import derive, resolve
from slipstick.tech.logic import Peak, operating_point, operation_energy, peak
from slipstick.tech.technology_tables import dram_generations, law, network_generations, nodes

__all__ = [
    "Peak",
    "derive",
    "dram_generations",
    "law",
    "network_generations",
    "nodes",
    "operating_point",
    "operation_energy",
    "peak",
    "resolve",
]
