"""Pool convolution with tap reuse, 3x3 at stride 1 or 2: the Python twins of `nn_conv3x3_pool.c` by family of cores."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from slipstick.edge.firmware.c_fields import layer_fields
from slipstick.edge.firmware.c_values import c_struct
from slipstick.edge.kernels.kernel import Kernel
from slipstick.edge.kernels.packed_weights import VECTOR, holds_pool, index_bits, pack_pool, pool_of
from slipstick.edge.kernels.streams import weight_sums
from slipstick.edge.layers import ConvLayer

_WORD = 4  # bytes
_CHUNK = 64  # pool vectors that lie together in lookup tables
_SOURCES = ("nn_conv3x3_pool.c", "nn_pool_scatter.c", "nn_pool_tables.c")
_SCATTER, _DSP, _LOOKUP = "nn_pool_scatter.S", "nn_pool_tables_dsp.S", "nn_pool_lookup.S"


def _applies(layer: ConvLayer, kernel: int) -> bool:
    """Return whether a layer is a pool convolution of this kernel size whose strides and sums the tables take."""
    if layer.kind != "conv" or layer.weight_offset or not holds_pool(layer):
        return False
    if layer.kernel != (kernel, kernel) or layer.dilation != (1, 1):
        return False
    shifts = bool((np.asarray(layer.requant.shift) < 0).all())
    return shifts and _sums_fit(layer) and (_pointwise(layer) if kernel == 1 else _strided(layer))


def _sums_fit(layer: ConvLayer) -> bool:
    """Return whether doubled sums, and sums with what rounds them, keep to 32 bits."""
    requant = layer.requant
    sums = weight_sums(layer) * (2.0**8 - 1) + np.abs(requant.bias.astype(float))
    rounding = (abs(requant.output_offset) + 0.5) * np.exp2(-requant.shift.astype(float))
    return bool((np.maximum(2 * sums, sums + rounding) < 2.0**31).all())


def _pointwise(layer: ConvLayer) -> bool:
    """Return whether a 1x1 convolution reads each of its input pixels at a place inside the image."""
    ends = [(size - 1) * step for size, step in zip(layer.output[:2], layer.stride, strict=True)]
    inside = all(end < size for end, size in zip(ends, layer.input[:2], strict=True))
    return layer.padding == (0, 0) and layer.stride[0] == layer.stride[1] and inside


def _strided(layer: ConvLayer) -> bool:
    """Return whether stride and padding are such that each input row and column has its place in the tables."""
    if layer.stride == (1, 1):
        return layer.padding == (1, 1) and layer.input[:2] == layer.output[:2]
    middles = [(size - 1) * 2 + 1 - pad for size, pad in zip(layer.output[:2], layer.padding, strict=True)]
    inside = all(middle < size for middle, size in zip(middles, layer.input[:2], strict=True))
    return layer.stride == (2, 2) and max(layer.padding) <= 1 and inside and layer.input[1] > 1


def _pays(layer: ConvLayer, most: float) -> bool:
    """Return whether tables of products cost less than int8 products: at most `most` entries for each filter's tap."""
    pixels = layer.stride[0] * layer.stride[1] if layer.kernel != (1, 1) else 1  # of the input, for one of the output
    return len(pool_of(layer)) * pixels <= most * layer.output[2] * layer.kernel[0] * layer.kernel[1]


def _scratch(layer: ConvLayer, *, entry: int, block: int, lookup: int) -> int:
    """Return the bytes of lists, tables, sums and rows where pointers have four bytes.

    Parameters
    ----------
    entry : words of a table entry.
    block : output columns of a block.
    lookup : lookup tables of 256 rows for 64 vectors, 0 for products.
    """
    channels, (_, width, filters), stride = layer.input[2], layer.output, layer.stride[1]
    size, columns, groups = len(pool_of(layer)), _filled(width, block), channels // VECTOR
    points = layer.kernel == (1, 1)
    taps = -(-groups // 3) * 3 if points else 3 * groups
    fill = taps - groups if points else 0
    sums = block if points else (3 - stride) * columns  # a row of sums, two at stride 1
    chunks = -(-size // _CHUNK)
    return sum(
        _filled(words, 1) * _WORD
        for words in (
            filters * taps * layer.kernel[0] + filters * 6,  # lists of addresses, constants of each filter
            ((1 if points else stride) * groups * _filled(size, _CHUNK if lookup else 32) + fill) * entry,
            sums * filters,
            chunks * lookup * 256 * _CHUNK // 2,
            layer.kernel[0] * filters if lookup else 0,
        )
    ) + sum(
        _filled(count, _WORD) for count in (channels, channels * layer.input[1], block * filters * (columns > width))
    )


def _filled(size: int, step: int) -> int:
    return -(-size // step) * step


def _fields(layer: ConvLayer, names: Mapping[str, str]) -> dict[str, str]:
    pool = pool_of(layer)
    conv = c_struct(layer_fields(layer, names))
    return {"conv": conv, "vectors": names["vectors"], "size": str(len(pool)), "index_bits": str(index_bits(pool))}


def _kernels(
    suffix: str, requires: str, entry: int, block: int, lookup: int, most: float, **assembly: tuple[str, ...]
) -> tuple[Kernel, Kernel]:
    """Return the rows of 3x3 and 1x1; `most` table entries a filter's tap cost as much as int8 products [measured]."""
    sources = {"c": _SOURCES} | {family: (*_SOURCES, *files) for family, files in assembly.items()}

    def scratch(layer: ConvLayer) -> int:
        of_host = _scratch(layer, entry=10, block=block, lookup=0)  # without the instructions of the core
        return max(_scratch(layer, entry=entry, block=block, lookup=lookup), of_host)

    def row(side: int) -> Kernel:
        return Kernel(
            f"nn_conv{side}x{side}_pool{suffix}",
            "nn_pool_conv",
            ("conv",),
            sources,
            lambda layer: _applies(layer, side) and _pays(layer, most),
            frozenset({requires} if requires else ()),
            scratch,
            pack_pool,
            _fields,
            header="nn_pool.h",
            struct_bytes=48,  # as in nn.h
        )

    return row(3), row(1)


# Entries of tables that a filter's tap may cost, until int8 products of unpacked weights take fewer instructions.
_MOST_DSP = 0.89  # measured: 72 filters of 1x1 with 64 vectors
_MOST_WORDS = 1.33  # measured: 48 filters
_MOST_PLAIN = 1.22  # measured on RV32: 52 filters
_DENSE_FILTERS = (
    0.6  # of the vectors: 18 instructions an entry against 29 more for each filter's eight inputs [measured]
)

_DSP_ROWS = _kernels("_dsp", "dsp", 10, 4, 0, _MOST_DSP, thumbv7em=(_SCATTER, _DSP))
_BITS_DSP = _kernels("_bits_dsp", "dsp", 10, 4, 1, _MOST_DSP, thumbv7em=(_SCATTER, _DSP, _LOOKUP))
_BITS = _kernels("_bits", "thumb2", 6, 4, 1, _MOST_WORDS, thumbv7m=(_SCATTER, _LOOKUP))
_WIDE = _kernels("_wide", "rv32", 10, 8, 2, _MOST_PLAIN)
_PLAIN = _kernels("", "", 10, 8, 0, _MOST_PLAIN)

POOL_DSP = (*_DSP_ROWS, _BITS_DSP[0])
POOL_PLAIN = (*_BITS, *_WIDE, *_PLAIN)


def _dense_applies(layer: ConvLayer) -> bool:
    """Return whether a dense layer has so many filters that all vectors' products cost less than its own [measured]."""
    return layer.kind == "dense" and holds_pool(layer) and layer.output[2] > _DENSE_FILTERS * len(pool_of(layer))


DENSE_POOL = Kernel(
    "nn_dense_pool_tables",
    "nn_pool_conv",
    ("dense",),
    {"c": ("nn_dense_pool_tables.c",)},
    _dense_applies,
    scratch_bytes=lambda layer: layer.input[2] // VECTOR * len(pool_of(layer)) * _WORD,
    pack=pack_pool,
    fields=_fields,
    header="nn_pool.h",
    struct_bytes=48,  # as in nn.h
)
