"""Kernel: the Python twin of a C function that computes a layer on a microcontroller."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from slipstick.core.arrays import AnyArray
from slipstick.edge.arena.arena_problem import Overlap
from slipstick.edge.layers import ConvLayer

SOURCES = Path(__file__).parent / "sources"  # of all kernels, C and assembly, and their header nn.h

Packed = dict[str, AnyArray]
_Fields = Callable[[Any, Mapping[str, str]], Mapping[str, str]]


def _file_order(layer: Any) -> Packed:
    """Return a layer's weights in the order of the file."""
    return {"weights": np.ascontiguousarray(layer.weights, np.int8)} if isinstance(layer, ConvLayer) else {}


@dataclass(frozen=True)
class Kernel:
    """C function that computes a kind of layer, and what a code generator has to know of it.

    Parameters
    ----------
    symbol : the C function, its name in the table. It takes `const struct *`, then "weights" if `pack` gives them, the
        inputs, the output and the scratch.
    struct : C type of the function's first argument, in `header`; it takes `struct_bytes` where pointers have four.
    kinds : of layers that it may compute; `applies` says whether it does.
    sources : files below `SOURCES` by family of instruction sets: "c" is portable, others put assembly in place of
        some of its files. The results are the same.
    requires : features that the core must have.
    scratch_bytes : memory that a call uses, for a layer.
    pack : constants as the kernel reads them, by name; bias, multiplier and shift of each filter where they differ
        from the layer's own.
    fields : C text of the struct's fields in order, from a layer and the C names of its arrays; None where the struct
        is the one of nn.h for this kind of layer.
    overlap : how far before the first input (of an addition: both) the output of a layer must begin where it overlaps
        it (`kernels/overlap.py`); None where it may not.
    """

    symbol: str
    struct: str
    kinds: tuple[str, ...]
    sources: Mapping[str, tuple[str, ...]]
    applies: Callable[[Any], bool]
    requires: frozenset[str] = frozenset()
    scratch_bytes: Callable[[Any], int] = lambda layer: 0
    pack: Callable[[Any], Packed] = _file_order
    fields: _Fields | None = None
    overlap: Callable[[Any], Overlap | None] = lambda layer: None
    header: str = "nn.h"
    struct_bytes: int | None = None

    def flash_bytes(self, layer: Any) -> int:
        """Return the bytes of a layer's packed constants in flash; the code, shared by layers, is not counted."""
        return sum(values.nbytes for values in self.pack(layer).values())

    def files(self, features: Iterable[str]) -> tuple[str, ...]:
        """Return the source files for a core's features: with assembly for its best family, or the portable ones."""
        return next((self.sources[name] for name in _families(features) if name in self.sources), self.sources["c"])

    def headers(self, features: Iterable[str]) -> tuple[str, ...]:
        """Return the files below `SOURCES` that the kernel's sources include, and those include in turn."""
        reached: dict[str, None] = {}
        waiting = [self.header, *self.files(features)]
        for name in waiting:
            includes = re.findall(r'^#include "([^"]+)"', (SOURCES / name).read_text(), re.MULTILINE)
            fresh = [include for include in [name, *includes] if include not in reached]
            reached |= dict.fromkeys(fresh)
            waiting += [include for include in fresh if include != name]
        return tuple(name for name in reached if name not in self.files(features))


def _families(features: Iterable[str]) -> list[str]:
    """Return the families of instruction sets that a core executes, the best first."""
    by_feature = {"dsp": "thumbv7em", "thumb2": "thumbv7m", "thumb": "thumbv6m", "rv32": "rv32"}
    abilities = set(features)
    return [family for feature, family in by_feature.items() if feature in abilities]
