"""Cost of one layer on an array: cycles, memory traffic, and the counted events that determine its energy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from slipstick.array.dram_traffic import _dram_traffic, _DramTraffic
from slipstick.array.format_steps import _array_arithmetic
from slipstick.array.layer_cycles import _fill_cycles, _layer_pass
from slipstick.array.matrix_products import Product, _Move
from slipstick.array.parts import Events, _element_events
from slipstick.array.weight_formats import _StoredWeights
from slipstick.core.device_kinds import SRAMS, Array
from slipstick.core.system import System

_WORD, _PARTIAL = 1, 4  # bytes of an activation, and of a sum that is not finished
_BYTE = 8  # bits


@dataclass(frozen=True)
class LayerCost:
    """Cost of one matrix product on an array: cycles, memory traffic and events, for one of its `count` equal copies.

    `cycles` are those of the array alone; `busy` counts cycles of single elements at work, `shifts` the positions that
    they step through, `steps` the groups that they take in; `sram` are bytes in and out of each memory.
    """

    product: Product
    stored: _StoredWeights
    cycles: int
    busy: float
    shifts: float
    steps: float
    traffic: _DramTraffic
    sram: dict[str, float]
    memory_cycles: float  # that the DRAM takes for the layer's bytes
    array: Array

    @property
    def total_cycles(self) -> float:
        """Cycles of the layer: the larger of the array's and the DRAM's, which overlap."""
        return max(float(self.cycles), self.memory_cycles)

    @property
    def bound(self) -> str:
        """The slower part, which the layer waits for: ``compute`` or ``DRAM``."""
        return "compute" if self.cycles >= self.memory_cycles else "DRAM"

    @property
    def effective_shifts(self) -> float:
        """Positions that a group takes on average."""
        return self.shifts / self.steps

    @property
    def utilisation(self) -> float:
        """Share of the array's elements at work, from the layer's first cycle to its last."""
        return self.busy / ((self.total_cycles + 1) * self.array.rows * self.array.columns)

    @cached_property
    def events(self) -> Events:
        """Events inside the elements, and the bits that cross the DRAM's pins."""
        bits = self.steps * self.array.group * _BYTE * self.stored.nbytes / self.product.weights
        inside = _element_events(self.array.element, self.array.group, self.steps, self.busy, self.shifts, bits)
        return {**inside, "dram": self.traffic.total * _BYTE}


def _layer_cost(product: Product, stored: _StoredWeights, system: System) -> LayerCost:
    """Return cycles, traffic and events of a product on the array of `system`, with its weights as they are stored."""
    array, memory = system.device_as(Array), system.memory
    cycles, words = _cycles(product, stored, array)
    storage = product.weights * float(_WORD) if stored.decoded else stored.nbytes
    traffic = _dram_traffic(
        product, stored.nbytes, memory["inputs"].capacity, memory["weights"].capacity, array.rows, array.columns
    )
    weight_bytes = storage / product.weights  # in the array's memory
    read = (words[0] * _WORD, words[1] * weight_bytes, _sums(words[2], product))
    filled = (traffic.inputs, traffic.weights, traffic.outputs + traffic.shortcuts)
    filters = product.filters if product.groups > 1 else 1  # that an entry of `shifts` stands for
    steps = -(-product.reduction // array.group) * float(product.pixels)
    return LayerCost(
        product,
        stored,
        cycles,
        busy=steps * filters * float(_array_arithmetic(array).cycles(stored.shifts).sum()),
        shifts=steps * filters * float(stored.shifts.sum()),
        steps=steps * filters * len(stored.shifts),
        traffic=traffic,
        sram={name: reads + fills for name, reads, fills in zip(SRAMS, read, filled, strict=True)},
        memory_cycles=traffic.total / _bytes_a_cycle(system),
        array=array,
    )


def _move_bytes(move: _Move) -> int:
    """Return the DRAM traffic [B] of an operation without products, with 8-bit activations."""
    return move.elements * _WORD


def _bytes_a_cycle(system: System) -> float:
    """Return the DRAM bandwidth in bytes per cycle of the array's clock."""
    bandwidth = system.main_memory.bandwidth
    return float("inf") if bandwidth is None else bandwidth / system.device_as(Array).clock


def _cycles(product: Product, stored: _StoredWeights, array: Array) -> tuple[int, tuple[float, float, float]]:
    """Return a product's cycles, groups one behind the other, and the words that cross the array's edges."""
    sizes = product.pixels, product.reduction, product.filters
    if product.groups == 1:
        runs = [(1, stored.shifts)]
    else:
        values, numbers = np.unique(stored.shifts, return_counts=True)
        runs = [(int(number), np.asarray(value)) for value, number in zip(values, numbers, strict=True)]
    once = _fill_cycles(array.rows, array.columns, array.dataflow) if array.overlap else 0
    cycles, words = once - 1, np.zeros(3)
    for number, shifts in runs:
        passed = _layer_pass(*sizes, shifts, array)
        cycles += number * (int(passed.cycles) + 1 - once)
        words += number * np.array([passed.inputs, passed.weights, passed.outputs], float)
    return cycles, (float(words[0]), float(words[1]), float(words[2]))


def _sums(words: float, product: Product) -> float:
    """Return bytes of sums written to and read from the outputs' memory: whole ones once, others to be gone on with."""
    finished = float(product.pixels * product.filters * product.groups)
    return finished * _WORD if words <= finished else (2 * words - finished) * _PARTIAL
