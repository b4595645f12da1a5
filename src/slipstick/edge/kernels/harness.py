"""Harness of kernels: C text that calls kernels on layers, and its execution in the emulator."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slipstick.edge.emulator import Build, Core, Machine, Profile, build_image
from slipstick.edge.firmware.c_fields import REQUANT_ARRAYS, layer_fields
from slipstick.edge.kernels.kernel import SOURCES, Kernel
from slipstick.edge.layers import ConvLayer

_TYPES = {"i1": "int8_t", "u1": "uint8_t", "i2": "int16_t", "u2": "uint16_t", "i4": "int32_t", "u4": "uint32_t"}
_GUARD = bytes([0xC3]) * 16  # around what a kernel may write


@dataclass(frozen=True)
class Case:
    """Kernel and the layer that it is to compute."""

    kernel: Kernel
    layer: Any


def harness_text(cases: Sequence[Case]) -> str:
    """Return C text with a function case_N(inputs..., output, scratch) for each case."""
    headers = sorted({case.kernel.header for case in cases} | {"nn.h"})
    lines = [f'#include "{header}"' for header in headers]
    return "\n".join(lines + [_case(place, case) for place, case in enumerate(cases)])


def _case(place: int, case: Case) -> str:
    kernel, layer = case.kernel, case.layer
    requant = {name: getattr(layer.requant, name) for name in REQUANT_ARRAYS} if isinstance(layer, ConvLayer) else {}
    packed = requant | kernel.pack(layer)
    names = {name: f"{name}_{place}" for name in packed}
    fields = (kernel.fields or layer_fields)(layer, names)
    inputs = ["a", "b"] if layer.kind == "add" else ["a"]
    taken = ", ".join(f"const void *{name}" for name in inputs)
    weights = f"(const int8_t *){names.get('weights')}"
    arguments = ", ".join([f"&layer_{place}", *([weights] if "weights" in names else []), *inputs])
    return "\n".join(
        [
            *(_array(names[name], values) for name, values in packed.items()),
            f"static const {kernel.struct} layer_{place} = {{{', '.join(fields.values())}}};",
            f"void case_{place}({taken}, void *output, void *scratch);",
            f"void case_{place}({taken}, void *output, void *scratch) {{",
            f"  {kernel.symbol}({arguments}, output, scratch);\n}}",
        ]
    )


def _array(name: str, values: NDArray[Any]) -> str:
    numbers = ", ".join(str(value).replace("-2147483648", "INT32_MIN") for value in values.ravel().tolist())
    kind = _TYPES[values.dtype.str[1:]]
    return f"static const {kind} {name}[] __attribute__((aligned(4), unused)) = {{{numbers}}};"


def harness_files(cases: Sequence[Case], features: Sequence[str] = ()) -> list[Path]:
    """Return the kernels' source files, each once; without features the portable ones."""
    return [SOURCES / name for name in dict.fromkeys(name for case in cases for name in case.kernel.files(features))]


class Harness:
    """Cases compiled for a core and held by an emulated machine.

    Parameters
    ----------
    assembly : whether assembly sources are taken where a kernel has them for the core.
    """

    def __init__(self, core: Core, cases: Sequence[Case], *, assembly: bool = True, build: Build | None = None) -> None:
        self.cases = tuple(cases)
        self.scratch_used = 0  # bytes up to the last one that the latest call has changed
        build = build or Build()
        build = Build(build.optimise, build.flags, (SOURCES, *build.include))
        with tempfile.TemporaryDirectory(prefix="slipstick-harness-") as folder:
            text = Path(folder, "cases.c")
            text.write_text(harness_text(cases))
            files = [text, *harness_files(cases, sorted(core.features) if assembly else ())]
            self.machine = Machine(build_image(core, files, [f"case_{place}" for place in range(len(cases))], build))

    def run(
        self, place: int, inputs: Sequence[NDArray[Any]], output_bytes: int, *, ahead: int | None = None, over: int = 0
    ) -> tuple[NDArray[np.uint8], Profile]:
        """Return the output bytes of a case, and its profile.

        Parameters
        ----------
        ahead : bytes from the output's first byte to that of the input at place `over`, where both overlap.

        Errors
        ------
        RuntimeError for a kernel that writes beyond its output or its scratch.
        """
        machine, case = self.machine, self.cases[place]
        machine.release()
        addresses = [machine.place(values) for values in inputs]
        sizes = (output_bytes, case.kernel.scratch_bytes(case.layer))
        content = b"" if ahead is None else _GUARD[:1] * ahead + inputs[over].tobytes()
        content += _GUARD[:1] * (output_bytes - len(content))
        areas = [machine.place(_GUARD + content + _GUARD), machine.place(_GUARD + _GUARD[:1] * sizes[1] + _GUARD)]
        if ahead is not None:
            addresses[over] = areas[0] + 16 + ahead
        profile = machine.profile(f"case_{place}", *addresses, *(area + 16 for area in areas))
        rest = (content + _GUARD)[output_bytes:][:16]  # what follows the output must stay
        for area, size, kind, after in zip(areas, sizes, ("output", "scratch"), (rest, _GUARD), strict=True):
            if machine.read(area, 16) != _GUARD or machine.read(area + 16 + size, 16) != after:
                raise RuntimeError(f"{case.kernel.symbol} writes beyond its {kind}")
        scratch = np.frombuffer(machine.read(areas[1] + 16, sizes[1]), np.uint8)
        self.scratch_used = int(np.flatnonzero(scratch != _GUARD[0])[-1] + 1) if (scratch != _GUARD[0]).any() else 0
        return np.frombuffer(machine.read(areas[0] + 16, output_bytes), np.uint8), profile
