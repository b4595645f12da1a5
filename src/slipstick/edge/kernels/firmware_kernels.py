"""Table of kernels, the fastest first among those for one kind of layer; the generic ones close it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from slipstick.core.errors import SlipstickError
from slipstick.edge.arena.arena_problem import Overlap
from slipstick.edge.kernels.dense_layers import DENSE_LAYERS, POINT_CONVOLUTIONS
from slipstick.edge.kernels.dsp_convolutions import CONV3X3_DSP, CONV_DSP, DEPTHWISE3X3_DSP
from slipstick.edge.kernels.float_border import DEQUANTIZE, QUANTIZE
from slipstick.edge.kernels.kernel import Kernel
from slipstick.edge.kernels.overlap import _pad_overlap, window_overlap
from slipstick.edge.kernels.packed_layers import PACKED_DSP, PACKED_LAYERS
from slipstick.edge.kernels.plain_convolutions import (
    CONV3X3_LONG,
    CONV_PAIRS,
    CONV_PAIRS_QUAD,
    CONV_WORDS,
    DEPTHWISE3X3,
    DEPTHWISE_VALID,
)
from slipstick.edge.kernels.pool_convolution import DENSE_POOL, POOL_DSP, POOL_PLAIN

_ENOUGH = 1024  # elements: two tables take as many instructions as some 500 elements by the generic kernel [measured]
_RIGHT = 22  # bits: so that the output's offset, shifted to the left by as many, keeps to 32 bits

_PIXEL = window_overlap(0)  # kernels that write outputs while the rest of the pixel reads the window


def _generic(kind: str, struct: str = "", overlap: Callable[[Any], Overlap | None] = _PIXEL) -> Kernel:
    """Return the portable kernel of a kind of layer, for any shape."""
    symbol = f"nn_{kind}_s8"
    sources = {"c": (f"{symbol}.c",)}
    return Kernel(symbol, struct or f"nn_{kind}", (kind,), sources, lambda layer: layer.kind == kind, overlap=overlap)


def _at_once(layer: Any) -> Overlap:
    """Return the overlap of kernels that read a code, or all that it depends on, before they write the next."""
    return Overlap()


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
    overlap=_at_once,
)

KERNELS: tuple[Kernel, ...] = (
    *POOL_DSP,
    *PACKED_DSP,
    *POOL_PLAIN,
    DENSE_POOL,
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
    _generic("add", overlap=_at_once),
    _generic("average_pool", "nn_pool"),
    _generic("max_pool", "nn_pool"),
    _generic("mean", overlap=_at_once),
    _generic("pad", overlap=_pad_overlap),
    _generic("softmax", overlap=_at_once),
    _generic("requantize", overlap=_at_once),
    QUANTIZE,
    DEQUANTIZE,
    Kernel("nn_copy_s8", "nn_copy", ("copy",), {"c": ("nn_copy_s8.c",)}, lambda layer: True, header="nn_copy.h"),
)


def kernels_for(layer: Any, features: Iterable[str] = ()) -> tuple[Kernel, ...]:
    """Return the kernels of the table that compute a layer on a core with these features, the fastest first.

    Errors
    ------
    SlipstickError where no kernel does.
    """
    abilities = frozenset(features)
    kernels = tuple(k for k in KERNELS if k.requires <= abilities and layer.kind in k.kinds and k.applies(layer))
    if CONV_DSP in kernels:  # its window is as large as that of pairs
        kernels = tuple(k for k in kernels if k is not CONV_PAIRS)
    if not kernels:
        allowed = sorted({kind for kernel in KERNELS for kind in kernel.kinds})
        raise SlipstickError("no kernel computes it", path="layer", value=layer.kind, allowed=allowed)
    return kernels


def choose_kernel(layer: Any, features: Iterable[str] = ()) -> Kernel:
    """Return the fastest kernel of the table that computes a layer on a core with these features.

    Errors
    ------
    SlipstickError where no kernel does.
    """
    return kernels_for(layer, features)[0]
