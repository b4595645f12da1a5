"""Rows of CMSIS-NN's and esp-nn's functions, like those of our own kernels, from folders that the user gives.

Nothing of either library is kept here. Fetch them with

    git clone https://github.com/ARM-software/CMSIS-NN
    git clone https://github.com/espressif/esp-nn
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from slipstick.edge.kernels.kernel import Kernel
from slipstick.edge.layers import AddLayer, ConvLayer

HERE = Path(__file__).parent
_DRIVERS = {"cmsis-nn": "cmsis", "esp-nn": "espnn"}
_HEADERS = {"cmsis-nn": ["Include", "Include/Internal"], "esp-nn": ["include", "src/common"]}
_CMSIS = ("ConvolutionFunctions", "NNSupportFunctions", "BasicMathFunctions")
_OTHER_TYPES = ("f16", "f32", "flt", "s4", "s4_fast", "s4_opt")  # of CMSIS-NN's files, by how their names end
_ESP = (
    "convolution/esp_nn_conv_opt",
    "convolution/esp_nn_conv_ansi",
    "convolution/esp_nn_depthwise_conv_opt",
    "convolution/esp_nn_depthwise_conv_ansi",
    "basic_math/esp_nn_add_ansi",
)


@dataclass(frozen=True)
class Library:
    """Vendor's library: its name, and its folder, None where the user gave none."""

    name: str
    folder: Path | None

    @property
    def missing(self) -> str:
        """Why the library is not run; empty where its folder is there."""
        if self.folder is None:
            owner = {"cmsis-nn": "ARM-software/CMSIS-NN", "esp-nn": "espressif/esp-nn"}[self.name]
            return f"no folder of {self.name}: git clone https://github.com/{owner}, then --{self.name} FOLDER"
        absent = [path for path in self.sources() if not path.is_file()]
        return f"{self.folder} is not {self.name}: no {absent[0]}" if absent or not self.sources() else ""

    def sources(self) -> list[Path]:
        """Return the library's C files that integer layers may need."""
        assert self.folder
        if self.name == "esp-nn":
            return [self.folder / "src" / f"{name}.c" for name in _ESP]
        files = [path for part in _CMSIS for path in sorted((self.folder / "Source" / part).glob("*.c"))]
        return [path for path in files if not path.stem.endswith(_OTHER_TYPES)]

    def include(self) -> tuple[Path, ...]:
        """Return the folders of the library's headers, and ours."""
        assert self.folder
        return (HERE, HERE / "stubs", *(self.folder / name for name in _HEADERS[self.name]))

    def kernel(self, kind: str) -> Kernel:
        """Return the row of the library's function for conv, depthwise or add."""
        driver = HERE / f"{_DRIVERS[self.name]}_driver.c"
        return Kernel(
            f"{_DRIVERS[self.name]}_{kind}",
            "peer_add" if kind == "add" else "peer_conv",
            (kind,),
            {"c": (str(driver), *map(str, self.sources()))},
            applies=lambda layer: True,
            scratch_bytes=_room,
            pack=_pack,
            fields=_fields,
            header="peer.h",
        )


def _fields(layer: Any, names: Mapping[str, str]) -> dict[str, str]:
    if isinstance(layer, AddLayer):
        parts = [f"{{{', '.join(str(getattr(s, part)) for s in layer.scalings)}}}" for part in ("multiplier", "shift")]
        numbers: list[Any] = [layer.size, *layer.offsets, *parts, layer.output_offset, layer.least, layer.most]
        return {str(place): str(number) for place, number in enumerate(numbers)}
    requant = layer.requant
    numbers = [*layer.input, *layer.output, *layer.kernel, *layer.stride, *layer.dilation, *layer.padding]
    numbers += [layer.input_offset, requant.output_offset, requant.least, requant.most]
    numbers += [names[name] for name in ("bias", "multiplier", "shift")]
    return {str(place): str(number) for place, number in enumerate(numbers)}


def _pack(layer: Any) -> dict[str, Any]:
    if not isinstance(layer, ConvLayer):
        return {}
    return {"weights": layer.weights, "shift": layer.requant.shift.astype(np.int32)}


def _room(layer: Any) -> int:
    """Return more bytes than either library asks for as scratch; what it uses is measured."""
    if not isinstance(layer, ConvLayer):
        return 0
    height, width = layer.kernel
    return 4 * height * width * (layer.input[2] + 3) + 4096
