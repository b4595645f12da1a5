"""Kernel: the Python twin of a C function that computes a layer on a microcontroller."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slipstick.edge.kernels.initialisers import initialisers
from slipstick.edge.layers import ConvLayer, Layer

SOURCES = Path(__file__).parent / "sources"  # of all kernels, C and assembly, and their header nn.h

Packed = dict[str, NDArray[Any]]
Names = Mapping[str, str]


def plain_pack(layer: Layer) -> Packed:
    """Return a layer's constants in the order of the file: weights, bias, multiplier and shift of each filter."""
    if not isinstance(layer, ConvLayer):
        return {}
    return {"weights": np.ascontiguousarray(layer.weights, np.int8)} | packed_requant(layer)


def packed_requant(layer: ConvLayer) -> Packed:
    """Return the requantisation constants of each filter."""
    requant = layer.requant
    return {
        "bias": requant.bias.astype(np.int32),
        "multiplier": requant.multiplier.astype(np.int32),
        "shift": requant.shift.astype(np.int8),
    }


@dataclass(frozen=True)
class Kernel:
    """C function that computes a kind of layer, and what a code generator has to know of it.

    Parameters
    ----------
    name : of the kernel; `symbol` is the C function's. It takes `const struct *`, then "weights" if `pack` gives them,
        the inputs, the output and the scratch.
    struct : C type of the function's first argument.
    sources : files below `SOURCES`, by family of instruction sets; "c" is portable, the others are assembly in place
        of some of its files. The same results from all.
    requires : features that the core must have.
    applies : whether the kernel computes a layer.
    scratch_bytes : memory that a call uses, for a layer.
    pack : constants of a layer as the kernel reads them, by name.
    fields : C initialisers of the struct's fields in order, from a layer and the C names of its packed arrays.
    in_place : whether the output may lie where the first input does.
    header : file below `SOURCES` that declares the function and its struct.
    """

    name: str
    symbol: str
    struct: str
    sources: Mapping[str, tuple[str, ...]]
    applies: Callable[[Layer], bool]
    requires: frozenset[str] = frozenset()
    scratch_bytes: Callable[[Layer], int] = lambda layer: 0
    pack: Callable[[Layer], Packed] = plain_pack
    fields: Callable[[Layer, Names], list[str]] = initialisers
    in_place: bool = False
    header: str = "nn.h"

    def flash_bytes(self, layer: Layer) -> int:
        """Return the bytes of a layer's constants in flash; the code, shared by layers, is not counted."""
        return sum(values.nbytes for values in self.pack(layer).values())

    def files(self, families: tuple[str, ...]) -> tuple[str, ...]:
        """Return the source files for a core: those of the first family that the kernel has, else the portable ones."""
        family = next((family for family in families if family in self.sources), "c")
        return self.sources[family]
