"""Choice of a kernel for each call, and the constants that it takes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from slipstick.core.arrays import AnyArray
from slipstick.core.errors import SlipstickError
from slipstick.edge.firmware.lowering import KernelCall, LoweredNetwork
from slipstick.edge.firmware.struct_sizes import struct_sizes
from slipstick.edge.kernels.kernel import SOURCES, Kernel
from slipstick.edge.kernels.table import choose_kernel
from slipstick.edge.layers import ConvLayer, Layer, PoolLayer

_INCLUDE = re.compile(r'^#include "([\w.]+)"', re.MULTILINE)
_LARGEST_SIZE = 2**16 - 1  # height, width, channels: uint16 in the kernels' structs
_LARGEST_STEP = 2**8 - 1  # side of a window, stride, dilation, padding: uint8


@dataclass(frozen=True, eq=False)
class KernelUse:
    """Kernel of one call: the constant arrays that it takes, by name, its scratch [B] and the files of its source.

    Parameters
    ----------
    struct_bytes : of the kernel's struct in flash.
    """

    call: KernelCall
    kernel: Kernel
    arrays: Mapping[str, AnyArray]
    scratch: int
    files: tuple[str, ...]
    struct_bytes: int

    @property
    def array_bytes(self) -> int:
        """Bytes of the constant arrays, each filled up to words."""
        return sum(-(-array.nbytes // 4) * 4 for array in self.arrays.values())


def choose_kernels(
    network: LoweredNetwork, features: Collection[str], families: Collection[str]
) -> tuple[KernelUse, ...]:
    """Return the kernel of each call for a core.

    Parameters
    ----------
    features : of the core, which kernels may require.
    families : of instruction sets in which kernels may have assembly, the best first.

    Errors
    ------
    SlipstickError naming the operator, for one that no kernel takes, and for sizes beyond the kernels' fields.
    """
    return tuple(_use(call, features, tuple(families)) for call in network.calls)


def _use(call: KernelCall, features: Collection[str], families: tuple[str, ...]) -> KernelUse:
    layer = call.layer
    try:
        _check_sizes(layer)
        kernel = choose_kernel(layer, features)
    except SlipstickError as error:
        path = f"operators.{call.operator}.{layer.kind}"
        raise SlipstickError(error.message, path=path, value=error.value, allowed=error.allowed) from None
    files = kernel.files(families)
    size = struct_sizes(source_texts([kernel.header]).values())[kernel.struct]
    return KernelUse(call, kernel, kernel.pack(layer), kernel.scratch_bytes(layer), files, size)


def source_texts(names: Iterable[str]) -> dict[str, str]:
    """Return the texts of kernel sources, and before them of the headers that they include, by file name."""
    texts: dict[str, str] = {}
    for name in names:
        text = (SOURCES / name).read_text("utf-8")
        for file, content in {**source_texts(_INCLUDE.findall(text)), name: text}.items():
            texts.setdefault(file, content)
    return texts


def _check_sizes(layer: Layer) -> None:
    """Raise a SlipstickError for sizes that the fields of the kernels' structs cannot hold."""
    if not isinstance(layer, ConvLayer | PoolLayer):
        return
    dilation = layer.dilation if isinstance(layer, ConvLayer) else (1, 1)
    steps = (*layer.kernel, *layer.stride, *dilation, *layer.padding)
    for name, sizes, most in (
        ("a size", (*layer.input, *layer.output), _LARGEST_SIZE),
        ("a window, stride, dilation or padding", steps, _LARGEST_STEP),
    ):
        if max(sizes) > most:
            raise SlipstickError(f"{name} beyond the kernels' fields", value=max(sizes), allowed=f"at most {most}")
