"""Table of kernels, the fastest first among those for one kind of layer; the generic ones close it."""

from __future__ import annotations

from collections.abc import Iterable

from slipstick.core.errors import SlipstickError
from slipstick.edge.kernels.float_border import dequantized_values, quantize_thresholds
from slipstick.edge.kernels.kernel import Kernel
from slipstick.edge.layers import Layer


def _generic(kind: str, struct: str = "", *, in_place: bool = False) -> Kernel:
    """Return the portable kernel of a kind of layer, of any shape."""
    symbol = f"nn_{kind}_s8"
    return Kernel(
        kind,
        symbol,
        struct or f"nn_{kind}",
        {"c": (f"{symbol}.c",)},
        lambda layer: layer.kind == kind,
        in_place=in_place,
    )


_GENERIC = (
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
    Kernel(
        "quantize",
        "nn_quantize_f32",
        "nn_quantize",
        {"c": ("nn_quantize_f32.c",)},
        lambda layer: layer.kind == "quantize",
        pack=lambda layer: {"thresholds": quantize_thresholds(layer)},  # type: ignore[arg-type]
    ),
    Kernel(
        "dequantize",
        "nn_dequantize_f32",
        "nn_dequantize",
        {"c": ("nn_dequantize_f32.c",)},
        lambda layer: layer.kind == "dequantize",
        pack=lambda layer: {"values": dequantized_values(layer)},  # type: ignore[arg-type]
    ),
)

KERNELS: tuple[Kernel, ...] = _GENERIC


def choose_kernel(layer: Layer, features: Iterable[str] = ()) -> Kernel:
    """Return the first kernel of the table that computes a layer on a core with these features.

    Errors
    ------
    SlipstickError where no kernel does.
    """
    held = frozenset(features)
    for kernel in KERNELS:
        if kernel.requires <= held and kernel.applies(layer):
            return kernel
    raise SlipstickError("no kernel computes it", path="layer", value=layer.kind, allowed=[k.name for k in KERNELS])
