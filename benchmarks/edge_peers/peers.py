"""Kernels of CMSIS-NN and esp-nn as rows like our own, compiled from folders that the user gives.

Baselines are compiled by each compiler that is here (zig's clang; arm-none-eabi-gcc, riscv64-unknown-elf-gcc) with its
fast flags; the fastest build counts.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from slipstick.edge.emulator import Build, Core, Profile
from slipstick.edge.kernels.harness import Case, Harness
from slipstick.edge.kernels.kernel import Kernel
from slipstick.edge.layers import AddLayer, ConvLayer

HERE = Path(__file__).parent
FETCH = {
    "cmsis-nn": "not run: fetch github.com/ARM-software/CMSIS-NN and give its folder with --cmsis-nn",
    "esp-nn": "not run: fetch github.com/espressif/esp-nn and give its folder with --esp-nn",
}
GCC = {
    "thumb": ["arm-none-eabi-gcc", "-mthumb", "-mfloat-abi=soft"],
    "rv32": ["riscv64-unknown-elf-gcc", "-march=rv32imac", "-mabi=ilp32", "-misa-spec=2.2"],
}
FLAGS = {  # of each compiler, tried one after the other
    "zig": ["-O2", "-O3"],
    "gcc": ["-O2", "-Ofast"],
}


@dataclass(frozen=True)
class Counted:
    """Measured call: instructions, estimated cycles, scratch, and the build that took the fewest instructions."""

    instructions: int
    cycles: float
    scratch: int
    build: str
    output: bytes


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


def measure(
    core: Core, kernel: Kernel, layer: Any, inputs: list[Any], size: int, build: Build
) -> tuple[Profile, bytes]:
    """Return profile and output bytes of one call."""
    output, profile = Harness(core, [Case(kernel, layer)], build=build).run(0, inputs, size)
    return profile, output.tobytes()


def compilers(core: Core) -> list[str]:
    """Return the compilers at hand for a core."""
    family = "rv32" if "rv32" in core.features else "thumb"
    return ["zig", *(["gcc"] if shutil.which(GCC[family][0]) else [])]


def fastest(
    core: Core,
    kernel: Kernel,
    layer: Any,
    inputs: list[Any],
    size: int,
    include: tuple[Path, ...] = (),
    only: tuple[str, ...] = (),
) -> Counted:
    """Return the build of a kernel that takes the fewest instructions, of all compilers and flags at hand."""
    best: Counted | None = None
    for compiler in only or compilers(core):
        for flags in FLAGS[compiler]:
            build = Build("-O2", (), (HERE, *include))
            chosen = kernel
            if compiler == "zig":
                build = replace(build, optimise=flags)
            else:
                chosen = gcc_kernel(core, kernel, flags, include)
            profile, output = measure(core, chosen, layer, inputs, size, build)
            name = f"{compiler} {flags}"
            if best is None or profile.instructions < best.instructions:
                best = Counted(
                    profile.instructions, profile.estimated_cycles, kernel.scratch_bytes(layer), name, output
                )
    assert best
    return best


def gcc_kernel(core: Core, kernel: Kernel, flags: str, include: tuple[Path, ...]) -> Kernel:
    """Return a kernel whose C files are objects that gcc has compiled."""
    from slipstick.edge.kernels.kernel import SOURCES

    files = [SOURCES / name for name in kernel.files(core.features)]
    made = [_gcc_object(core, path, flags, include) if path.suffix == ".c" else path for path in files]
    return replace(kernel, sources={"c": tuple(map(str, made))})


def _gcc_object(core: Core, source: Path, flags: str, include: tuple[Path, ...]) -> Path:
    from slipstick.edge.kernels.kernel import SOURCES

    family = "rv32" if "rv32" in core.features else "thumb"
    command = [*GCC[family], flags, "-ffunction-sections", "-fdata-sections", "-fomit-frame-pointer", "-ffreestanding"]
    command += [
        "-fbuiltin",
        *([f"-mcpu={core.name}"] if family == "thumb" else ["-fno-schedule-insns", "-fno-schedule-insns2"]),
    ]
    command += [f"-I{folder}" for folder in (SOURCES, *include)]
    headers = sorted(SOURCES.glob("*.h"))
    text = b"".join(path.read_bytes() for path in (source, *headers)) + repr(command).encode()
    folder = Path(tempfile.gettempdir()) / "slipstick-gcc-objects"
    folder.mkdir(exist_ok=True, mode=0o700)
    target = folder / f"{hashlib.sha256(text).hexdigest()}.o"
    if not target.exists():
        subprocess.run([*command, "-c", str(source), "-o", str(target)], check=True, timeout=120)
    return target
