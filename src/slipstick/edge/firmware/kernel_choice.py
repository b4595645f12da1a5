"""Choice of a kernel for each call, and the constants that it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipstick.core.arrays import AnyArray
from slipstick.core.errors import SlipstickError
from slipstick.edge.firmware.c_fields import REQUANT_ARRAYS, layer_fields
from slipstick.edge.firmware.lowering import KernelCall, LoweredNetwork
from slipstick.edge.layers import ConvLayer

if TYPE_CHECKING:
    from slipstick.edge.kernels.table import Kernel

# bytes of the structs of nn.h where pointers have four
_STRUCT_BYTES = {
    "nn_conv": 40, "nn_add": 40, "nn_pool": 22, "nn_mean": 20, "nn_pad": 20, "nn_softmax": 16, "nn_requantize": 20,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class KernelUse:
    """Kernel of one call with the constant arrays that it takes, by name, and its scratch [B]."""

    call: KernelCall
    kernel: Kernel
    arrays: Mapping[str, AnyArray]
    scratch: int

    def fields(self, names: Mapping[str, str]) -> Mapping[str, str]:
        """Return the fields of the kernel's struct as C text, from the C names of its arrays.

        Errors
        ------
        SlipstickError naming the operator, for a size that a field cannot hold.
        """
        try:
            return layer_fields(self.call.layer, names)
        except SlipstickError as error:
            path = f"operators.{self.call.operator}.{self.call.layer.kind}"
            raise SlipstickError(error.message, path=path, value=error.value, allowed=error.allowed) from None

    @property
    def sources(self) -> tuple[str, ...]:
        """File names of the kernel's sources."""
        return tuple(self.kernel.sources["c"])

    @property
    def struct_bytes(self) -> int:
        """Bytes of the kernel's struct in flash."""
        return _STRUCT_BYTES[self.kernel.struct]

    @property
    def array_bytes(self) -> int:
        """Bytes of the constant arrays, each filled up to words."""
        return sum(-(-array.nbytes // 4) * 4 for array in self.arrays.values())


def choose_kernels(network: LoweredNetwork, features: Sequence[str]) -> tuple[KernelUse, ...]:
    """Return the kernel of each call for a core with these features.

    Errors
    ------
    SlipstickError naming the operator that no kernel takes.
    """
    return tuple(_use(call, features) for call in network.calls)


def _use(call: KernelCall, features: Sequence[str]) -> KernelUse:
    from slipstick.edge.kernels.table import KERNELS

    layer = call.layer
    fitting = [kernel for kernel in KERNELS if set(kernel.requires) <= set(features) and kernel.applies(layer)]
    if not fitting:
        path = f"operators.{call.operator}.{layer.kind}"
        allowed = sorted({kind for kernel in KERNELS for kind in kernel.kinds})
        raise SlipstickError("no kernel computes this operator", path=path, value=layer.kind, allowed=allowed)
    kernel = fitting[0]
    arrays = {**_requant_arrays(call), **kernel.pack(layer)}
    return KernelUse(call, kernel, arrays, kernel.scratch_bytes(layer))


def _requant_arrays(call: KernelCall) -> dict[str, AnyArray]:
    if not isinstance(call.layer, ConvLayer):
        return {}
    return {name: getattr(call.layer.requant, name) for name in REQUANT_ARRAYS}
