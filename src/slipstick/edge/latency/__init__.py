"""Latency of a network on a board: instructions by class times cycles of the core, memory stalls, energy, battery."""
