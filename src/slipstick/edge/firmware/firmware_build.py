"""Firmware of a network for a board: lowered, kernels chosen, arena planned, written as C text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from slipstick.core.system import System
from slipstick.edge.firmware.arena_plan import ArenaPlan, firmware_arena, state_bytes
from slipstick.edge.firmware.c_source import NetworkSource, network_source
from slipstick.edge.firmware.code_size import predicted_code_bytes
from slipstick.edge.firmware.golden import GoldenVectors, golden_vectors
from slipstick.edge.firmware.kernel_choice import KernelUse, choose_kernels, kernel_texts
from slipstick.edge.firmware.lowering import LoweredNetwork, lower
from slipstick.edge.firmware.project_files import firmware_files
from slipstick.edge.firmware.streaming import as_stream
from slipstick.edge.firmware.targets import Target, check_memory, target_of
from slipstick.edge.firmware.tiled_stage import with_patches
from slipstick.trained.integer.integer_network import IntegerNetwork

GOLDEN_VECTORS = 2  # in the test program: outputs alone take flash


@dataclass(frozen=True, eq=False)
class Firmware:
    """Network as C text for a board, with the bytes that it takes.

    Parameters
    ----------
    uses : kernel of each call.
    code : predicted bytes of machine code; None where the core's kernels were not measured.
    """

    network: LoweredNetwork
    target: Target
    uses: tuple[KernelUse, ...]
    arena: ArenaPlan
    source: NetworkSource
    code: int | None

    @property
    def constants(self) -> int:
        """Bytes of weights, biases, scalings and structs in flash."""
        return self.source.arrays + self.source.structs

    @property
    def state(self) -> int:
        """Bytes that a stream keeps from one call to the next; 0 without a stream."""
        return state_bytes(self.network)

    @property
    def flash(self) -> int:
        """Predicted bytes in flash, of constants alone where the code's size is not known."""
        return self.constants + (self.code or 0)

    @cached_property
    def vectors(self) -> GoldenVectors:
        """Golden vectors of the test program."""
        return golden_vectors(self.network, GOLDEN_VECTORS)

    def texts(self) -> dict[str, str]:
        """Return the C and assembly sources of the network itself, by file name, without the test program."""
        return {
            "network.h": self.source.header,
            "network.c": self.source.source,
            **kernel_texts(self.uses),
        }

    def files(self) -> Mapping[str, bytes]:
        """Return the files of the firmware's folder, by relative name."""
        sizes = {
            "weights and scalings": self.source.arrays,
            "layers' sizes": self.source.structs,
            **({"state, kept between calls": self.state} if self.state else {}),
            f"arena, in {self.target.ram_name}, input and output included": self.arena.size,
        }
        if self.code is not None:
            sizes = {f"flash, predicted for {self.target.core.name}": self.flash, **sizes, "code": self.code}
        return firmware_files(self.network, self.uses, self.texts(), self.vectors, self.target, sizes)


def build_firmware(network: IntegerNetwork, system: System, *, patches: bool = False, stream: bool = False) -> Firmware:
    """Return the firmware of an integer network for a board.

    Parameters
    ----------
    patches : whether the first stage runs in tiles where that makes the arena smaller.
    stream : whether each call takes one row of the input, and the rows that windows need are kept as state.

    Errors
    ------
    SlipstickError for a system that is no board, an operator that no kernel computes, and a network that the board's
    flash or the memory of its arena does not hold.
    """
    target = target_of(system)
    lowered = as_stream(lower(network)) if stream else lower(network)
    firmware = _built(lowered, target)
    if patches:
        firmware = min(firmware, _built(with_patches(lowered), target), key=lambda built: built.arena.size)
    memory = firmware.arena.size + firmware.state
    hint = ""
    if not (patches or stream) and memory > target.ram:
        smaller = _built(with_patches(lowered), target).arena.size
        hint = f"; with patches {smaller:,} B" * (smaller < memory)
    check_memory(target, firmware.flash, memory, hint)
    return firmware


def _built(network: LoweredNetwork, target: Target) -> Firmware:
    uses = choose_kernels(network, target.features)
    arena = firmware_arena(network, uses)
    source = network_source(network, uses, arena)
    return Firmware(network, target, uses, arena, source, predicted_code_bytes(uses, target.core))
