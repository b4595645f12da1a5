"""Technology: how logic, DRAM and networks scale from one generation to the next."""

from slipstick.tech.derive import derive, resolve
from slipstick.tech.logic import operation_energy
from slipstick.tech.technology_tables import dram_generations, network_generations, nodes

__all__ = ["derive", "dram_generations", "network_generations", "nodes", "operation_energy", "resolve"]
