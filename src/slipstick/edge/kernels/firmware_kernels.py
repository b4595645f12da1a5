"""Table of kernels, the fastest first among those for one kind of layer; the generic ones close it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from slipstick.core.errors import SlipstickError
from slipstick.edge.kernels.dense_layers import DENSE_LAYERS, POINT_CONVOLUTIONS
from slipstick.edge.kernels.dsp_convolutions import CONV3X3_DSP, CONV_DSP, DEPTHWISE3X3_DSP
from slipstick.edge.kernels.float_border import DEQUANTIZE, QUANTIZE
from slipstick.edge.kernels.kernel import Kernel
from slipstick.edge.kernels.packed_layers import PACKED_LAYERS
from slipstick.edge.kernels.plain_convolutions import (
    CONV3X3_LONG,
    CONV_PAIRS,
    CONV_PAIRS_QUAD,
    CONV_WORDS,
    DEPTHWISE3X3,
    DEPTHWISE_VALID,
)
from slipstick.edge.kernels.pool_convolution import POOL_CONVOLUTIONS

_ENOUGH = 1024  # elements: two tables take as many instructions as some 500 elements by the generic kernel [measured]
_RIGHT = 22  # bits: so that the output's offset, shifted to the left by as many, keeps to 32 bits


def _generic(kind: str, struct: str = "", *, in_place: bool = False) -> Kernel:
    """Return the portable kernel of a kind of layer, for any shape."""
    symbol = f"nn_{kind}_s8"
    sources = {"c": (f"{symbol}.c",)}
    return Kernel(symbol, struct or f"nn_{kind}", (kind,), sources, lambda layer: layer.kind == kind, in_place=in_place)


def _tables_pay(layer: Any) -> bool:
    """Whether an addition is large enough to fill two tables, and its sum is not shifted to the left."""
    return bool(layer.size >= _ENOUGH and -_RIGHT <= layer.scalings[2].shift <= 0)


_ADD_TABLES = Kernel(
    "nn_add_s8_tables",
    "nn_add",
    ("add",),
    {"c": ("nn_add_s8_tables.c",)},
    applies=_tables_pay,
    scratch_bytes=lambda layer: 2048,
    in_place=True,
)

KERNELS: tuple[Kernel, ...] = (
    *POOL_CONVOLUTIONS,
    *PACKED_LAYERS,
    *POINT_CONVOLUTIONS,
    CONV3X3_DSP,
    CONV_DSP,
    CONV_PAIRS_QUAD,
    CONV_PAIRS,
    CONV3X3_LONG,
    CONV_WORDS,
    DEPTHWISE3X3_DSP,
    DEPTHWISE3X3,
    DEPTHWISE_VALID,
    *DENSE_LAYERS,
    _ADD_TABLES,
    _generic("conv"),
    _generic("depthwise", "nn_conv"),
    _generic("dense", "nn_conv"),
    _generic("add", in_place=True),
    _generic("average_pool", "nn_pool"),
    _generic("max_pool", "nn_pool"),
    _generic("mean"),
    _generic("pad"),
    _generic("softmax", in_place=True),
    _generic("requantize", in_place=True),
    QUANTIZE,
    DEQUANTIZE,
    Kernel("nn_copy_s8", "nn_copy", ("copy",), {"c": ("nn_copy_s8.c",)}, lambda layer: True, header="nn_copy.h"),
)


def choose_kernel(layer: Any, features: Iterable[str] = ()) -> Kernel:
    """Return the first kernel of the table that computes a layer on a core with these features.

    Errors
    ------
    SlipstickError where no kernel does.
    """
    abilities = frozenset(features)
    for kernel in KERNELS:
        if kernel.requires <= abilities and layer.kind in kernel.kinds and kernel.applies(layer):
            return kernel
    allowed = sorted({kind for kernel in KERNELS for kind in kernel.kinds})
    raise SlipstickError("no kernel computes it", path="layer", value=layer.kind, allowed=allowed)
