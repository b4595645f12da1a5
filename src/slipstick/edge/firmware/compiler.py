"""Tool chain of a core: the emulator's name for it, and the compiler's options, as Makefiles write them."""

from __future__ import annotations

from slipstick.edge.core_table import BoardCore
from slipstick.edge.emulator.toolchain import CORES, Build, compiler_flags
from slipstick.edge.emulator.toolchain import Core as ToolCore

BUILD = Build("-O2")


def _tool_core(core: BoardCore) -> ToolCore | None:
    """Return the core as compiler and emulator know it; None where no compiler comes by pip (Xtensa) or it has an OS.

    Every RV32 core is compiled for the same instructions, those that all of them have.

    Examples
    --------
    >>> from slipstick.edge.core_table import cores
    >>> _tool_core(cores.entry("esp32-c3")).name
    'rv32imac'
    """
    return CORES.get("rv32imac" if core.isa.startswith("rv32") else core.name)


def _compiler_options(core: BoardCore) -> tuple[str, tuple[str, ...]]:
    """Return the target triple and the flags of clang in ziglang for a core; empty where it has none."""
    tool = _tool_core(core)
    return ("", ()) if tool is None else (tool.target, compiler_flags(tool, BUILD))
