"""Compiler options of a core, as Makefiles and the emulator's tool chain take them."""

from __future__ import annotations

from slipstick.edge.core_table import Core

OPTIMISATION = "-O2"


def compiler_options(core: Core) -> tuple[str, tuple[str, ...]]:
    """Return the target triple and the flags of clang in ziglang for a core; empty where it has none.

    Examples
    --------
    >>> from slipstick.edge.core_table import cores
    >>> compiler_options(cores.entry("cortex-m4"))[0]
    'thumb-freestanding-eabi'
    """
    if not core.target:
        return "", ()
    triple = "riscv32-freestanding-none" if core.isa.startswith("rv32") else "thumb-freestanding-eabi"
    return triple, (f"-mcpu={core.target}", OPTIMISATION, "-ffunction-sections", "-fdata-sections")
