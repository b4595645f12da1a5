"""Builds of a kernel by every compiler at hand; the one of the fewest instructions counts.

zig's clang comes with the extra `edge`; arm-none-eabi-gcc and riscv64-unknown-elf-gcc are taken where installed.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from slipstick.edge.emulator import Build, Core
from slipstick.edge.kernels.harness import Case, Harness
from slipstick.edge.kernels.kernel import SOURCES

_FLAGS = {"zig": ("-O2", "-O3"), "gcc": ("-O2", "-Ofast")}
_ARM = ("arm-none-eabi-gcc", "-mthumb", "-mfloat-abi=soft")
_RISCV = (
    *("riscv64-unknown-elf-gcc", "-march=rv32imac", "-mabi=ilp32", "-misa-spec=2.2"),
    *("-fno-schedule-insns", "-fno-schedule-insns2"),  # fewer spills: 10 % fewer instructions [measured]
)
_COMMON = ("-ffunction-sections", "-fdata-sections", "-fomit-frame-pointer", "-ffreestanding", "-fbuiltin", "-w")


@dataclass(frozen=True)
class Counted:
    """Measured call.

    Parameters
    ----------
    instructions : of the whole call; `cycles` are a crude estimate.
    scratch, stack : bytes that the call used.
    build : compiler and flags; `others` gives the instructions of each compiler's best.
    """

    instructions: int
    cycles: float
    scratch: int
    stack: int
    build: str
    output: bytes
    others: dict[str, int] = field(default_factory=dict)


def fastest(
    core: Core, case: Case, inputs: Sequence[Any], size: int, include: Sequence[Path] = (), *, assembly: bool = True,
    only: str = "",
) -> Counted:  # fmt: skip
    """Return the build of a kernel that executes the fewest instructions on these inputs, or the build `only`."""
    builds = []
    for compiler in compilers(core):
        for flags in _FLAGS[compiler]:
            if only not in ("", f"{compiler} {flags}"):
                continue
            files = case.kernel.files(sorted(core.features) if assembly else ())
            if compiler == "gcc":
                files = tuple(str(_object(core, SOURCES / name, flags, tuple(include))) for name in files)
            kernel = replace(case.kernel, sources={"c": files})
            build = Build(flags if compiler == "zig" else "-O2", (), tuple(include))
            harness = Harness(core, [Case(kernel, case.layer)], build=build)
            output, profile = harness.run(0, inputs, size)
            builds.append(
                Counted(profile.instructions, profile.estimated_cycles, harness.scratch_used, profile.stack_bytes,
                        f"{compiler} {flags}", output.tobytes())
            )  # fmt: skip
    best = min(builds, key=lambda counted: counted.instructions)
    others: dict[str, int] = {}
    for counted in builds:
        compiler = counted.build.partition(" ")[0]
        others[compiler] = min(counted.instructions, others.get(compiler, counted.instructions))
    return replace(best, others=others)


@cache
def compilers(core: Core) -> list[str]:
    """Return the compilers at hand for a core."""
    return ["zig", *(["gcc"] if shutil.which((_RISCV if "rv32" in core.features else _ARM)[0]) else [])]


def _object(core: Core, source: Path, flags: str, include: tuple[Path, ...]) -> Path:
    """Return gcc's object of a C file; assembly stays as it is."""
    if source.suffix != ".c":
        return source
    base = _RISCV if "rv32" in core.features else (*_ARM, f"-mcpu={core.name}")
    command = [*base, flags, *_COMMON, *(f"-I{folder}" for folder in (SOURCES, *include))]
    texts = [path.read_bytes() for path in (source, *sorted(SOURCES.glob("*.h")))]
    folder = _folder()
    target = folder / f"{hashlib.sha256(b''.join(texts) + repr([command, source.name]).encode()).hexdigest()}.o"
    if not target.exists():
        subprocess.run([*command, "-c", str(source), "-o", str(target)], check=True, timeout=120)
    return target


@cache
def _folder() -> Path:
    """Return a fresh folder of gcc's objects, which is left to the system to clear."""
    return Path(tempfile.mkdtemp(prefix="slipstick-gcc-"))
