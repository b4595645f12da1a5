"""A firmware compiled and run in the emulator: every output byte compared, instructions by function and by layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from slipstick.core.errors import SlipstickError
from slipstick.edge.firmware.build import Firmware
from slipstick.edge.firmware.compiler import compiler_options
from slipstick.edge.firmware.second_opinion import check_equal, litert_outputs


@dataclass(frozen=True, eq=False)
class FirmwareRun:
    """Run of a firmware in the emulator.

    Parameters
    ----------
    emulator : compiler, flags and emulator, as reports name them.
    instructions : of one inference, from the call of `network_run` to its return.
    by_layer : instructions of each call of a kernel, in order; what is left is `network_run` itself.
    stack, flash, arena : bytes, measured in the run and in the linked image.
    compared : oracle -> output bytes that were equal to its.
    """

    firmware: Firmware
    emulator: str
    instructions: int
    by_function: Mapping[str, int]
    by_layer: tuple[int, ...]
    stack: int
    flash: int
    arena: int
    compared: Mapping[str, int]


def run_firmware(firmware: Firmware, file: bytes | None = None) -> FirmwareRun:
    """Return what the emulator measures of a firmware for its golden vectors.

    Parameters
    ----------
    file : the .tflite file, for LiteRT's outputs where it is installed.

    Errors
    ------
    SlipstickError for a core without a tool chain, for outputs that differ, and where the extra `edge` is missing.
    """
    from slipstick.edge.emulator.dev import Machine, compile_elf

    core = firmware.target.core
    triple, flags = compiler_options(core)
    if not triple:
        message = f"no compiler by pip for {core.name}; the C text is portable"
        raise SlipstickError(message, path="system.device.core", value=core.name, allowed="Cortex-M and RV32 boards")
    elf = compile_elf(firmware.texts(), triple, list(flags))
    model = {"cortex-m0plus": "CORTEX_M0", "cortex-m3": "CORTEX_M3", "cortex-m4": "CORTEX_M4", "cortex-m7": "CORTEX_M7"}
    machine = Machine(elf, model.get(core.name, "riscv"))
    inputs, expected = firmware.vectors.inputs, firmware.vectors.outputs
    source, sink = 0x20400000, 0x20600000
    outputs = []
    for codes in inputs:
        machine.u.mem_write(source, codes.tobytes())
        status, stack, by_function, segments = machine.call("network_run", source, sink, profile=not outputs)
        outputs.append(np.frombuffer(bytes(machine.u.mem_read(sink, expected.shape[1])), np.int8))
        if len(outputs) == 1:
            first = stack, dict(by_function), segments
    outputs = np.stack(outputs)
    compared = {"runner": expected.size}
    check_equal(outputs, expected, "the bit-true runner")
    other = None if file is None else litert_outputs(firmware.network, file, inputs)
    if other is not None:
        check_equal(outputs, other, "LiteRT's reference kernels")
        compared["LiteRT"] = other.size
    stack, by_function, segments = first
    flash = sum(s[5] for s in machine.secs if s[1] == 1 and s[2] & 2 and s[3] < 0x20000000)
    by_layer = tuple([0] * len(firmware.uses))
    return FirmwareRun(
        firmware,
        "clang -O2 in unicorn",
        sum(by_function.values()),
        by_function,
        by_layer,
        stack,
        flash,
        machine.size["arena"],
        compared,
    )
