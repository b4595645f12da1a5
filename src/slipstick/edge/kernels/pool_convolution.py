"""Pool convolution with tap reuse, 3x3 at stride 1: the Python twins of `nn_conv3x3_pool.c` by family of cores."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from slipstick.edge.firmware.c_fields import layer_fields
from slipstick.edge.firmware.c_values import c_struct
from slipstick.edge.kernels.kernel import Kernel
from slipstick.edge.kernels.packed_weights import VECTOR, holds_pool, index_bits, pack_pool, pool_of
from slipstick.edge.layers import ConvLayer

_WORD = 4  # bytes
_CHUNK = 64  # pool vectors that lie together in lookup tables
_SOURCES = ("nn_conv3x3_pool.c", "nn_pool_scatter.c", "nn_pool_tables.c")
_SCATTER, _DSP, _LOOKUP = "nn_pool_scatter.S", "nn_pool_tables_dsp.S", "nn_pool_lookup.S"


def _applies(layer: ConvLayer) -> bool:
    """Return whether a layer is a 3x3 pool convolution of stride 1 whose output is as large as its input."""
    if layer.kind != "conv" or layer.weight_offset or not holds_pool(layer):
        return False
    same = (layer.kernel, layer.stride, layer.dilation, layer.padding) == ((3, 3), (1, 1), (1, 1), (1, 1))
    shift = np.asarray(layer.requant.shift)
    return same and layer.input[:2] == layer.output[:2] and bool(((shift <= -1) & (shift > -(2**5))).all())


def _scratch(layer: ConvLayer, *, entry: int, block: int, lookup: int) -> int:
    """Return the bytes of lists, tables, sums and rows where pointers have four bytes.

    Parameters
    ----------
    entry : words of a table entry.
    block : output columns of a block.
    lookup : lookup tables of 256 rows for 64 vectors, 0 for products.
    """
    (_, width, channels), filters, groups = layer.input, layer.output[2], layer.input[2] // VECTOR
    size, columns = len(pool_of(layer)), _filled(width, block)
    chunks = -(-size // _CHUNK)
    return sum(
        _filled(words, 1) * _WORD
        for words in (
            filters * 3 * groups * 3 + filters * 3,  # lists of addresses
            groups * _filled(size, _CHUNK if lookup else 32) * entry,
            2 * columns * filters,
            chunks * lookup * 256 * _CHUNK // 2,
            3 * filters if lookup else 0,
        )
    ) + sum(_filled(count, _WORD) for count in (channels, channels * width, block * filters * (columns > width)))


def _filled(size: int, step: int) -> int:
    return -(-size // step) * step


def _fields(layer: ConvLayer, names: Mapping[str, str]) -> dict[str, str]:
    pool = pool_of(layer)
    conv = c_struct(layer_fields(layer, names))
    return {"conv": conv, "vectors": names["vectors"], "size": str(len(pool)), "index_bits": str(index_bits(pool))}


def _kernel(symbol: str, requires: str, entry: int, block: int, lookup: int, **assembly: tuple[str, ...]) -> Kernel:
    sources = {"c": _SOURCES} | {family: (*_SOURCES, *files) for family, files in assembly.items()}
    return Kernel(
        symbol,
        "nn_pool_conv",
        ("conv",),
        sources,
        _applies,
        frozenset({requires} if requires else ()),
        lambda layer: max(
            _scratch(layer, entry=entry, block=block, lookup=lookup), _scratch(layer, entry=10, block=block, lookup=0)
        ),
        pack_pool,
        _fields,
        header="nn_pool.h",
        struct_bytes=48,  # as in nn.h
    )


POOL_CONVOLUTIONS = (
    _kernel("nn_conv3x3_pool_dsp", "dsp", 10, 4, 0, thumbv7em=(_SCATTER, _DSP)),
    _kernel("nn_conv3x3_pool_bits_dsp", "dsp", 10, 4, 1, thumbv7em=(_SCATTER, _LOOKUP)),
    _kernel("nn_conv3x3_pool_bits", "thumb2", 6, 4, 1, thumbv7m=(_SCATTER, _LOOKUP)),
    _kernel("nn_conv3x3_pool_wide", "rv32", 10, 8, 2),
    _kernel("nn_conv3x3_pool", "", 10, 8, 0),
)
