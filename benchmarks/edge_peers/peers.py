"""Kernels of CMSIS-NN and esp-nn as rows like our own, from folders that the user gives; `builds` compiles them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from slipstick.edge.kernels.kernel import Kernel
from slipstick.edge.layers import AddLayer, ConvLayer

HERE = Path(__file__).parent


def _fields(layer: Any, names: Any) -> dict[str, str]:
    if isinstance(layer, AddLayer):
        parts = [f"{{{', '.join(str(getattr(s, part)) for s in layer.scalings)}}}" for part in ("multiplier", "shift")]
        numbers = [layer.size, *layer.offsets, *parts, layer.output_offset, layer.least, layer.most]
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


def _cmsis_scratch(layer: Any) -> int:
    """Return bytes that hold what CMSIS-NN asks for: two columns of 16-bit numbers, or a pixel's window of each."""
    if not isinstance(layer, ConvLayer):
        return 0
    height, width = layer.kernel
    return 4 * height * width * (layer.input[2] + 3) + 4096


def peer(library: str, folder: Path, kind: str) -> Kernel:
    """Return the row of a library's function for conv, depthwise or add."""
    prefix = {"cmsis-nn": "cmsis", "esp-nn": "espnn"}[library]
    struct = "peer_add" if kind == "add" else "peer_conv"
    driver = HERE / f"{prefix}_driver.c"
    return Kernel(
        f"{prefix}_{kind}", struct, (kind,), {"c": (str(driver), *map(str, sources(library, folder)))},
        lambda layer: True, scratch_bytes=_cmsis_scratch, pack=_pack, fields=_fields, header="peer.h",
    )  # fmt: skip


def sources(library: str, folder: Path) -> list[Path]:
    """Return the library's C files that integer layers may need."""
    if library == "cmsis-nn":
        parts = ("ConvolutionFunctions", "NNSupportFunctions", "BasicMathFunctions")
        files = [path for part in parts for path in sorted((folder / "Source" / part).glob("*.c"))]
        return [path for path in files if not path.stem.endswith(("f16", "f32", "flt", "s4", "s4_fast", "s4_opt"))]
    names = ("convolution/esp_nn_conv_opt", "convolution/esp_nn_conv_ansi", "basic_math/esp_nn_add_ansi")
    names += ("convolution/esp_nn_depthwise_conv_opt", "convolution/esp_nn_depthwise_conv_ansi")
    return [folder / "src" / f"{name}.c" for name in names]


def includes(library: str, folder: Path) -> tuple[Path, ...]:
    """Return the folders of headers of a library, and ours."""
    theirs = {"cmsis-nn": ["Include", "Include/Internal"], "esp-nn": ["include", "src/common"]}[library]
    return (HERE, HERE / "stubs", *(folder / name for name in theirs))
