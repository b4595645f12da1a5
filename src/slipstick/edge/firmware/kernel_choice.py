"""Choice of a kernel for each call, and the constants that it takes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from slipstick.core.arrays import AnyArray
from slipstick.core.errors import SlipstickError
from slipstick.edge.firmware.c_fields import REQUANT_ARRAYS, layer_fields
from slipstick.edge.firmware.kernel_call import KernelCall
from slipstick.edge.firmware.lowering import LoweredNetwork
from slipstick.edge.firmware.struct_sizes import _struct_sizes
from slipstick.edge.kernels.firmware_kernels import kernels_for
from slipstick.edge.kernels.kernel import SOURCES, Kernel
from slipstick.edge.layers import ConvLayer, Layer

_INCLUDE = re.compile(r'^#include "([\w.]+)"', re.MULTILINE)

_FAMILIES = {  # of instruction sets -> how compilers say that they compile for it
    "thumbv7em": "defined(__ARM_FEATURE_DSP) && defined(__thumb2__)",
    "thumbv7m": "defined(__thumb2__)",
    "thumbv6m": "defined(__thumb__)",
    "rv32": "defined(__riscv) && __riscv_xlen == 32",
}


@dataclass(frozen=True, eq=False)
class KernelUse:
    """Kernel of one call: the constant arrays that it takes, by name, its scratch [B] and the files of its source.

    Parameters
    ----------
    struct_bytes : of the kernel's struct in flash.
    passed_over : the fastest kernel where it was not taken, since its scratch has no room in the arena; or empty.
    """

    call: KernelCall
    kernel: Kernel
    arrays: Mapping[str, AnyArray]
    scratch: int
    files: tuple[str, ...]
    struct_bytes: int
    passed_over: str = ""

    def fields(self, names: Mapping[str, str]) -> Mapping[str, str]:
        """Return the fields of the kernel's struct as C text, from the C names of its arrays.

        Errors
        ------
        SlipstickError naming the operator, for a size that a field cannot hold.
        """
        try:
            return (self.kernel.fields or layer_fields)(self.call.layer, names)
        except SlipstickError as error:
            path = f"operators.{self.call.operator}.{self.call.layer.kind}"
            raise SlipstickError(error.message, path=path, value=error.value, allowed=error.allowed) from None

    @property
    def condition(self) -> str:
        """Preprocessor condition of the family of instruction sets whose assembly is taken; empty for portable C."""
        taken = [family for family, files in self.kernel.sources.items() if files == self.files and family != "c"]
        return _FAMILIES[taken[0]] if taken else ""

    @property
    def array_bytes(self) -> int:
        """Bytes of the constant arrays, each filled up to words."""
        return sum(-(-array.nbytes // 4) * 4 for array in self.arrays.values())


def _kernel_choices(network: LoweredNetwork, features: Collection[str]) -> tuple[tuple[Kernel, ...], ...]:
    """Return the kernels that compute each call on a core with these features, the fastest first.

    Errors
    ------
    SlipstickError naming the operator, for one that no kernel takes.
    """
    return tuple(_choices(call, features) for call in network.calls)


def _choices(call: KernelCall, features: Collection[str]) -> tuple[Kernel, ...]:
    try:
        return kernels_for(call.layer, features)
    except SlipstickError as error:
        path = f"operators.{call.operator}.{call.layer.kind}"
        raise SlipstickError(error.message, path=path, value=error.value, allowed=error.allowed) from None


def _kernel_use(call: KernelCall, kernel: Kernel, fastest: Kernel, features: Collection[str]) -> KernelUse:
    """Return a call with its kernel's constants; assembly is taken where it has some for the core."""
    layer = call.layer
    size = kernel.struct_bytes or _struct_sizes(_source_texts([kernel.header]).values())[kernel.struct]
    arrays = _read_arrays(kernel, layer, _requant_arrays(layer) | kernel.pack(layer))
    return KernelUse(call, kernel, arrays, kernel.scratch_bytes(layer), kernel.files(features), size,
                     fastest.symbol if fastest is not kernel else "")  # fmt: skip


def _kernel_texts(uses: Iterable[KernelUse]) -> dict[str, str]:
    """Return the sources of kernels and their headers, by file name, for every compiler.

    Where a kernel has assembly for the core, the portable files that it takes the place of are there too, and the
    preprocessor takes one or the other: a folder compiles for the board and for the computer that tests it.
    """
    texts: dict[str, str] = {}
    for use in uses:
        portable = use.kernel.sources["c"]
        for name, text in _source_texts([use.kernel.header, *portable, *use.files]).items():
            condition = use.condition
            if condition and name in use.files and name not in portable:
                text = f"#if {condition}\n{text}\n#endif\n"
            elif condition and name in portable and name not in use.files:
                text = f"#if !({condition})\n{text}\n#endif\n"
            texts[name] = text
    return texts


def _source_texts(names: Iterable[str]) -> dict[str, str]:
    """Return the texts of kernel sources, and before them of the headers that they include, by file name."""
    texts: dict[str, str] = {}
    for name in names:
        text = (SOURCES / name).read_text("utf-8")
        for file, content in {**_source_texts(_INCLUDE.findall(text)), name: text}.items():
            texts.setdefault(file, content)
    return texts


def _read_arrays(kernel: Kernel, layer: Layer, arrays: Mapping[str, AnyArray]) -> dict[str, AnyArray]:
    """Return the arrays that a kernel reads: its weights, and those that its struct names."""
    try:
        fields = " ".join((kernel.fields or layer_fields)(layer, {name: f"<{name}>" for name in arrays}).values())
    except SlipstickError:  # said with the operator's place when the fields are written
        return dict(arrays)
    return {name: values for name, values in arrays.items() if name == "weights" or f"<{name}>" in fields}


def _requant_arrays(layer: Layer) -> dict[str, AnyArray]:
    """Return bias, multiplier and shift of each filter of a layer with weights."""
    return {name: getattr(layer.requant, name) for name in REQUANT_ARRAYS} if isinstance(layer, ConvLayer) else {}
