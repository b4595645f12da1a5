"""DRAM traffic of an array in closed form [B]: the operand kept on chip, and how often the other is reread.

Every memory is double-buffered: half of it holds the tile at work, the other half receives the next.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from slipstick.array.matrix_products import Product

_BUFFERS = 2  # a count: one half of the memory computes while the other is filled


@dataclass(frozen=True)
class _DramTraffic:
    """DRAM traffic of one product [B] by operand, and the tile order that needs the least."""

    inputs: float
    weights: float
    outputs: float
    shortcuts: float
    order: str

    @property
    def total(self) -> float:
        """DRAM traffic of all operands together [B]."""
        return self.inputs + self.weights + self.outputs + self.shortcuts


def compulsory(product: Product, weight_bytes: float) -> _DramTraffic:
    """Return the compulsory DRAM traffic of a product [B]: every operand moved once, with 8-bit activations."""
    return _DramTraffic(product.inputs, weight_bytes, product.outputs, product.shortcuts, "all")


def _dram_traffic(
    product: Product, weight_bytes: float, inputs: float, weights: float, rows: int, columns: int
) -> _DramTraffic:
    """Return the least DRAM traffic [B] over three tile orders of a product, for all its groups.

    With I, W and O bytes of one group, S_i and S_w bytes of half a memory, P pixels, K products an output, F filters:

    * ``weights stay``: as many filters as fit S_w, in whole columns; all inputs pass for each such tile:
      W + ceil(F / F_tile) I. Inputs that fit S_i as a whole pass once. The rows of the image under the kernel stay in
      S_i; where even they do not fit, every pixel's K inputs pass instead of I.
    * ``inputs stay``: as much of the image as fits S_i beside the kernel's rows; all weights pass for each such band:
      I + ceil(I / (S_i - rows)) W.
    * ``streamed``: nothing stays: ceil(F/C) P K + ceil(P/R) W.

    Outputs leave once: they are summed in the array, or in half of the outputs' memory, pixels tiled to fit.

    Parameters
    ----------
    weight_bytes : of all groups, packed.
    inputs, weights : capacity of the memories [B].
    rows, columns : of the array.

    Examples
    --------
    >>> product = Product("conv", "conv", 3136, 576, 64, 56 * 56 * 64, 56 * 56 * 64, taps=9)
    >>> _dram_traffic(product, 36864, 65536, 131072, 8, 8).total == compulsory(product, 36864).total
    True
    """
    half_inputs, half_weights = inputs / _BUFFERS, weights / _BUFFERS
    image, share = product.inputs / product.groups, weight_bytes / product.groups
    orders = {"streamed": (math.ceil(product.filters / columns) * float(_unrolled(product)),
                           math.ceil(product.pixels / rows) * share)}  # fmt: skip
    window = _window(image, product)
    fits = int(half_weights / (share / product.filters))
    tile = product.filters if fits >= product.filters else fits // columns * columns
    if tile:
        once = image <= half_inputs
        passes = 1 if once else math.ceil(product.filters / tile)
        orders["weights stay"] = (passes * (image if window <= half_inputs else max(image, _unrolled(product))), share)
    if image <= half_inputs:
        orders["inputs stay"] = (image, share)
    elif window < half_inputs:
        orders["inputs stay"] = (image, math.ceil(image / (half_inputs - window)) * share)
    order = min(orders, key=lambda name: sum(orders[name]))
    moved = [product.groups * part for part in orders[order]]
    return _DramTraffic(moved[0], moved[1], product.outputs, product.shortcuts, order)


def _unrolled(product: Product) -> int:
    """Inputs of all pixels of one group, one by one (im2col); never fewer than there are."""
    return max(product.pixels * product.reduction, product.inputs // product.groups)


def _window(image: float, product: Product) -> float:
    """Bytes of the image's rows under the kernel, the image and the kernel taken as squares."""
    channels = product.reduction / product.taps
    side = math.sqrt(image / product.samples / channels)
    return min(image / product.samples, math.ceil(math.sqrt(product.taps)) * side * channels)
