"""Cross compiler for microcontrollers: clang and lld of the package `ziglang`; compiled objects are cached.

Traps: `zig cc -Wl,-T` is not used, the linker is called by itself; the image names its entry symbol; `.ARM.exidx` is
discarded; `-fno-builtin` is for the runtime's own memcpy alone (elsewhere it would turn 4-byte copies into calls).
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.edge.emulator.image import Image, read_image

CODE_BASE, RAM_BASE = 0x0001_0000, 0x2000_0000  # both executable and writable where M-profile cores allow it
RUNTIME = Path(__file__).parent / "sources" / "runtime.c"
_PLAIN = (
    "-ffunction-sections", "-fdata-sections", "-fno-sanitize=all", "-fno-stack-protector", "-fomit-frame-pointer",
    "-fno-unwind-tables", "-fno-asynchronous-unwind-tables", "-g0",
)  # fmt: skip
_SECONDS = 300  # of one compiler call
_SCRIPT = f"""ENTRY({{entry}})
SECTIONS
{{{{
  . = {CODE_BASE:#x};
  .text : {{{{ *(.text .text.*) }}}}
  .rodata : {{{{ *(.rodata .rodata.* .srodata .srodata.*) }}}}
  . = {RAM_BASE:#x};
  .data : {{{{ *(.data .data.* .sdata .sdata.*) }}}}
  .bss (NOLOAD) : {{{{ *(.bss .bss.* .sbss .sbss.* COMMON) }}}}
  /DISCARD/ : {{{{ *(.ARM.exidx* .ARM.attributes .riscv.attributes .eh_frame* .comment .note*) }}}}
}}}}
"""


@dataclass(frozen=True)
class Core:
    """Instruction set that code is compiled for.

    Parameters
    ----------
    target, cpu : as the compiler names them; no core's floating-point unit is used.
    features : abilities that kernels ask for: "dsp" (SMLAD and its kin), "thumb2", "rv32".
    """

    name: str
    target: str
    cpu: str
    features: frozenset[str]


_THUMB = "thumb-freestanding-eabi"
CORES = {
    core.name: core
    for core in (
        Core("cortex-m0plus", _THUMB, "cortex_m0plus", frozenset({"thumb"})),
        Core("cortex-m3", _THUMB, "cortex_m3", frozenset({"thumb", "thumb2"})),
        Core("cortex-m4", _THUMB, "cortex_m4", frozenset({"thumb", "thumb2", "dsp"})),
        Core("cortex-m7", _THUMB, "cortex_m7", frozenset({"thumb", "thumb2", "dsp"})),
        Core("cortex-m33", _THUMB, "cortex_m33+dsp", frozenset({"thumb", "thumb2", "dsp"})),
        Core("rv32imac", "riscv32-freestanding-none", "generic_rv32+m+a+c", frozenset({"rv32"})),
    )
}


@dataclass(frozen=True)
class Build:
    """Options of the compiler for C sources.

    Parameters
    ----------
    optimise : "-O2", "-O3", "-Os" ...
    flags : more of the compiler's options.
    include : folders of header files.
    """

    optimise: str = "-O2"
    flags: tuple[str, ...] = ()
    include: tuple[Path, ...] = ()


def build_image(core: Core, sources: Sequence[Path], entries: Sequence[str], build: Build | None = None) -> Image:
    """Compile C and assembly sources (objects are taken as they are), link them, and return the image.

    What `entries` do not reach is left out.

    Errors
    ------
    MissingExtraError without the compiler; SlipstickError, with the compiler's words, where a source does not
    compile or link.
    """
    build = build or Build()
    objects = [source if source.suffix == ".o" else _compiled(core, source, build) for source in map(Path, sources)]
    objects.append(_compiled(core, RUNTIME, Build("-O2", ("-fno-builtin",))))
    with tempfile.TemporaryDirectory(prefix="slipstick-link-") as folder:
        script, linked = Path(folder, "image.ld"), Path(folder, "image.elf")
        script.write_text(_SCRIPT.format(entry=entries[0]))
        roots = [f"--undefined={entry}" for entry in entries]
        _zig(["ld.lld", "--gc-sections", "-T", str(script), *roots, "-o", str(linked), *map(str, objects)])
        return read_image(linked.read_bytes(), core.name)


def compiler_flags(core: Core, build: Build) -> tuple[str, ...]:
    """Return the compiler's options for a source that is no part of the runtime, folders of headers left out."""
    return (f"-mcpu={core.cpu}", build.optimise, *build.flags, "-fhosted", *_PLAIN)


def _compiled(core: Core, source: Path, build: Build) -> Path:
    """Return the object file of a source: compiled now, or found in the cache under the hash of all it depends on."""
    options = ["-target", core.target, *compiler_flags(core, build)]
    if source == RUNTIME:
        options[options.index("-fhosted")] = "-ffreestanding"
    options += [f"-I{folder}" for folder in (source.parent, *build.include)]
    stored = _cache() / f"{_key(source, options)}.o"
    if not stored.exists():
        fresh = stored.with_suffix(f".{os.getpid()}.o")
        _zig(["cc", *options, "-c", str(source), "-o", str(fresh)])
        fresh.replace(stored)
    return stored


def _key(source: Path, options: Sequence[str]) -> str:
    """Return the hash of the options, the compiler's version, the source and the headers in reach of it."""
    digest = hashlib.sha256("\0".join([_version(), *options]).encode())
    folders = [Path(option[2:]) for option in options if option.startswith("-I")]
    headers = sorted(path for folder in folders for path in folder.glob("**/*.h"))
    for path in (source, *headers):
        digest.update(path.read_bytes())
    digest.update(str(source.suffix).encode())
    return digest.hexdigest()


@cache
def _cache() -> Path:
    """Return the folder of compiled objects: this user's own, below the system's temporary folder."""
    user = os.getuid() if os.name == "posix" else 0
    folder = Path(tempfile.gettempdir()) / f"slipstick-objects-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)  # of the user alone
    if os.name == "posix" and (folder.is_symlink() or folder.stat().st_uid != user):
        return Path(tempfile.mkdtemp(prefix="slipstick-objects-"))  # another user's: nothing of it is trusted
    return folder


@cache
def _version() -> str:
    require("ziglang", "edge")
    return _zig(["version"]).strip()


def _zig(arguments: Sequence[str]) -> str:
    """Run the compiler and return what it prints."""
    require("ziglang", "edge")
    command = [sys.executable, "-m", "ziglang", *arguments]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise SlipstickError("the compiler took too long", path="toolchain", allowed=f"{_SECONDS} s") from None
    if ran.returncode:
        lines = [line for line in ran.stderr.splitlines() if "error:" in line] or ran.stderr.splitlines()[:1]
        words = "; ".join(line.partition("error:")[2].strip() or line for line in lines[:5])
        raise SlipstickError(f"does not build: {words}", path=Path(arguments[-3]).name)
    return ran.stdout
