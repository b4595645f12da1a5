"""Instruction mixes of kernel libraries: the table of data/instructions, and a layer's instructions in closed form.

A mix that was measured in the emulator replaces a closed form by other numbers in the same table.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from pydantic import Field

from slipstick.core import units
from slipstick.core.catalogue import Catalogue, Entry
from slipstick.core.encoding import Encoding
from slipstick.core.errors import SlipstickError
from slipstick.edge.core_table import BoardCore, Feature, InstructionClass
from slipstick.edge.latency.layer_work import LayerWork, WorkKind

_BYTE = 8  # bits of a weight that kernels read without unpacking


class KernelMix(Entry):
    """Kernels of one library for one kind of core: instructions per multiply-accumulate, per output, and by class.

    Instructions of a layer = `macs` x multiply-accumulates + `elements` x outputs + `call`. For pools (encodings whose
    weights are vectors of a pool) `pool_table` is the instructions of one dot product of a pool vector with one
    position, `pool_scatter` those per multiply-accumulate that add it to the outputs,
    `pool_element` those that requantise an output.
    """

    library: str = Field(description="Library that the kernels belong to")
    isa: tuple[str, ...] = Field(default=(), description="Instruction sets that it is for; empty: any")
    needs: tuple[Feature, ...] = Field(default=(), description="Features that the core must have")
    macs: dict[WorkKind, float] = Field(description="Instructions per multiply-accumulate, by kind of layer")
    elements: dict[WorkKind, float] = Field(description="Instructions per output (pools: input), by kind of layer")
    call: float = Field(default=200.0, description="Instructions of a call")
    unpack: float = Field(
        default=3.0, description="Instructions that unpack a weight of fewer than 8 bits, once a call"
    )
    pool_table: float | None = Field(default=None, description="Instructions of a dot product of a pool's vector")
    pool_scatter: float | None = Field(default=None, description="Instructions per multiply-accumulate of a pool")
    pool_element: float | None = Field(default=None, description="Instructions per output of a pool")
    shares: dict[InstructionClass, float] = Field(description="Shares of the classes of instructions")
    reuse: float = Field(default=2.0, ge=1, description="Output positions for which a weight is read once")
    code: units.Bytes = Field(default=8192.0, description="Code of the kernels that a network uses")
    calibration: float = Field(default=1.0, gt=0, description="Measured over modelled time")
    low: float = Field(default=0.5, gt=0, description="Measured over calibrated time: tenth percentile")
    high: float = Field(default=2.0, gt=0, description="Measured over calibrated time: ninetieth percentile")


kernel_mixes: Catalogue[KernelMix] = Catalogue(
    KernelMix, "instructions", noun="kernel library", group="mixes", field="system.device.kernels"
)


def mix_for(library: str, core: BoardCore) -> KernelMix:
    """Return the kernels of a library that suit a core best: those that need most of its features.

    Errors
    ------
    SlipstickError for an unknown library, or one without kernels for the core.

    Examples
    --------
    >>> from slipstick.edge.core_table import cores
    >>> mix_for("cmsis-nn", cores.entry("cortex-m4")).name
    'cmsis-nn-dsp'
    """
    entries = [mix for _, mix in kernel_mixes.items() if mix.library == library]
    suited = [mix for mix in entries if set(mix.needs) <= set(core.features) and _for_isa(mix, core)]
    if not suited:
        libraries = {mix.library for _, mix in kernel_mixes.items()}
        message = f"has no kernels for {core.name}" if entries else "no such library of kernels"
        raise SlipstickError(message, path="system.device.kernels", value=library, allowed=sorted(libraries))
    return max(suited, key=lambda mix: (bool(mix.isa), len(mix.needs)))


def _for_isa(mix: KernelMix, core: BoardCore) -> bool:
    return not mix.isa or any(core.isa.startswith(isa) for isa in mix.isa)


def _cycles_per_instruction(shares: Mapping[InstructionClass, float], core: BoardCore) -> float:
    """Return the mean cycles of an instruction of a mix on a core.

    Examples
    --------
    >>> from slipstick.edge.core_table import cores
    >>> _cycles_per_instruction({"alu": 0.5, "load": 0.5}, cores.entry("cortex-m4"))
    1.25
    """
    total = math.fsum(shares.values())
    return math.fsum(share * core.cycles[name] for name, share in shares.items()) / total / core.issue


def _layer_instructions(work: LayerWork, mix: KernelMix, encoding: Encoding) -> float:
    """Return the instructions of one call in closed form, its weights in an encoding.

    Encodings of fewer than 8 bits are unpacked filter by filter, then run as int8. A pool may take a layer with several
    taps otherwise: the dot products of all vectors with an input position are computed once and added to the outputs of
    every tap; firmware takes the way of fewer instructions.
    """
    instructions = mix.macs.get(work.kind, 0.0) * work.macs + mix.elements.get(work.kind, 0.0) * work.elements
    instructions += mix.call
    if work.filters and encoding.bits_per_element != _BYTE:
        instructions += mix.unpack * work.filters * work.reduction
    if encoding.vector > 1 and work.taps > 1 and mix.pool_table is not None and mix.pool_scatter is not None:
        size = encoding.shared_bytes / encoding.vector
        table = size * mix.pool_table * work.inputs / encoding.vector
        outputs = mix.pool_scatter * work.macs + (mix.pool_element or 0.0) * work.elements
        instructions = min(instructions, table + outputs + mix.call)
    return instructions
