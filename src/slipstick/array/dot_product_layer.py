"""Cost of one layer on a dot-product array, in closed form: weights at rest, inputs pass, array by array.

A layer of K inputs and F filters fills ceil(K / rows) by ceil(F cells / columns) arrays, with as many cells a weight as
the arithmetic needs. Each array takes the cycles of one product for every pixel; a layer of few arrays is copied
to the others, each of which takes a part of the pixels. Partial sums of further rows are added in the outputs' memory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from slipstick.array.dot_product_array import DotProductArray
from slipstick.array.dram_traffic import _dram_traffic, _DramTraffic
from slipstick.array.matrix_products import Product
from slipstick.core.errors import SlipstickError
from slipstick.core.format import Format
from slipstick.core.system import System
from slipstick.formats import format_of

_PARTIAL = 4  # bytes of a sum that further rows are added to


@dataclass(frozen=True)
class DotProductLayer:
    """Cycles, traffic and energy of one matrix product on dot-product arrays, for one of its `count` equal copies.

    `sram` are bytes in and out of each memory; `products` is the energy of all products [J], None where unknown.
    """

    product: Product
    form: Format
    cycles: float
    used: float  # share of the cells that hold weights, over all cycles
    traffic: _DramTraffic
    nbytes: float  # of the weights, packed
    sram: dict[str, float]
    products: float | None
    memory_cycles: float  # that the DRAM takes for the layer's bytes

    @property
    def total_cycles(self) -> float:
        """Cycles of the layer: the larger of the arrays' and the DRAM's, which overlap."""
        return max(self.cycles, self.memory_cycles)

    @property
    def bound(self) -> str:
        """The slower part, which the layer waits for: ``compute`` or ``DRAM``."""
        return "compute" if self.cycles >= self.memory_cycles else "DRAM"


def _checked(form: Format, array: DotProductArray) -> Format:
    """Return a format that the array multiplies.

    Errors
    ------
    SlipstickError for formats of another arithmetic than the array's.
    """
    own = format_of(array.format).arithmetic
    if form.arithmetic.family != own.family:
        message = f"the array's multipliers are {own.family} ones"
        allowed = f"{form.encoding.name}@{own.name}, or others of {own.family}"
        raise SlipstickError(message, path="plan.formats.layers", value=form.name, allowed=allowed)
    return form


def _dot_product_layer(product: Product, form: Format, system: System) -> DotProductLayer:
    """Return cycles, traffic and energy of a product in a format on the arrays of `system`."""
    array, memory = system.device_as(DotProductArray), system.memory
    arithmetic = _checked(form, array).arithmetic
    cost, cells = arithmetic.cost(form.encoding), arithmetic.cells
    rows = min(array.rows, arithmetic.read_rows or array.rows)
    deep = math.ceil(product.reduction / rows)
    folds = deep * math.ceil(product.filters * cells / array.columns) * product.groups
    copies = max(1, array.arrays // folds)  # of a small layer's weights, each for some of the pixels
    reads = math.ceil(folds / array.arrays) * math.ceil(product.pixels / copies)  # of all arrays at once
    cycles = reads * cost.cycles * array.sharing
    outputs = float(product.pixels * product.filters * product.groups)
    paid = product.macs if arithmetic.read_rows is None else outputs * deep * arithmetic.read_rows
    shape = (product.groups * product.filters, product.reduction)
    nbytes = form.encoding.storage_bytes(shape)
    traffic = _dram_traffic(
        product, nbytes, memory["inputs"].capacity, memory["weights"].capacity, array.rows, array.columns
    )
    sums = outputs if deep == 1 else outputs * (2 * deep - 1) * _PARTIAL
    sram = {
        "inputs": float(product.pixels * product.reduction * folds / deep) + traffic.inputs,
        "weights": 2 * nbytes,
        "outputs": sums + traffic.outputs + traffic.shortcuts,
    }
    bandwidth = system.main_memory.bandwidth
    return DotProductLayer(
        product,
        form,
        cycles=cycles,
        used=product.weights * cells * product.pixels / (reads * array.rows * array.columns * array.arrays),
        traffic=traffic,
        nbytes=nbytes,
        sram=sram,
        products=None if cost.joules is None else paid * cost.joules,
        memory_cycles=0.0 if bandwidth is None else traffic.total * array.clock / bandwidth,
    )
