"""Cores of microcontrollers: the table of data/cores, with cycles by class of instruction and the features."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from slipstick.core.catalogue import Catalogue, Entry

InstructionClass = Literal[
    "alu", "multiply", "accumulate", "long", "simd", "load", "multiple", "store", "branch", "divide"
]
Feature = Literal[
    "thumb2", "long-multiply", "dsp", "mve", "divide", "bitmanip", "fpu", "simd128", "loops"
]  # fmt: skip


class BoardCore(Entry):
    """Core of a microcontroller: its instruction set, its features, and the mean cycles of each class of instruction.

    Classes: `alu` (moves, additions, shifts, saturation), `multiply` (32 bits), `accumulate` (multiply-accumulate of 32
    bits), `long` (64-bit products), `simd` (two or more products at once, such as SMLAD), `load` and `store` of one
    register, `multiple` (LDM, STM and their kin, where there are such), `branch` (the mean of taken ones and others),
    `divide`.

    Examples
    --------
    >>> cores.entry("cortex-m4").cycles["simd"], "dsp" in cores.entry("cortex-m4").features
    (1.0, True)
    """

    isa: str = Field(description="Instruction set, such as armv7e-m or rv32imc")
    target: str = Field(default="", description="Core as compiler and emulator name it; empty: no toolchain by pip")
    features: tuple[Feature, ...] = Field(default=(), description="Instructions beyond the base set")
    pipeline: int | None = Field(default=None, gt=0, description="Stages of the pipeline")
    cycles: dict[InstructionClass, float] = Field(description="Mean cycles of an instruction, by class")
    issue: float = Field(default=1.0, ge=1, description="Instructions that start in one cycle, mean over kernels")
    coremark: float | None = Field(default=None, gt=0, description="CoreMark of one core over its clock [1/MHz]")


cores: Catalogue[BoardCore] = Catalogue(BoardCore, "cores", noun="core", field="system.device.core")
