"""A firmware compiled and run in the emulator: every output byte compared, instructions by function and by layer."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from slipstick.core.arrays import Int8Array
from slipstick.core.errors import SlipstickError
from slipstick.edge.emulator import CORES, Core, Image, Machine, build_image
from slipstick.edge.firmware.compiler import BUILD, _tool_core
from slipstick.edge.firmware.firmware_build import Firmware
from slipstick.edge.firmware.second_opinion import _check_equal, _litert_outputs


@dataclass(frozen=True, eq=False)
class FirmwareRun:
    """Run of a firmware in the emulator.

    Parameters
    ----------
    emulator : compiler, flags and emulator, as reports name them.
    instructions : of one inference, from the call of `network_run` to its return.
    by_layer : instructions of each call of a kernel, in order; what is left is `network_run` itself.
    mnemonics : executed instructions by mnemonic.
    stack, flash, arena : bytes, measured in the run and in the linked image.
    compared : oracle -> output bytes that were equal to its.
    """

    firmware: Firmware
    emulator: str
    instructions: int
    by_function: Mapping[str, int]
    by_layer: tuple[int, ...]
    mnemonics: Mapping[str, int]
    stack: int
    flash: int
    arena: int
    compared: Mapping[str, int]


def run_firmware(firmware: Firmware, file: bytes | None = None) -> FirmwareRun:
    """Run a firmware on its golden vectors in the emulator, and return its measurements.

    Parameters
    ----------
    file : the .tflite file, for LiteRT's outputs where it is installed.

    Errors
    ------
    SlipstickError for a core without a tool chain, for outputs that differ, and where the extra `edge` is missing.
    """
    tool = _tool(firmware)
    image = _firmware_image(firmware, tool)
    machine = Machine(image)
    inputs, expected = firmware.vectors.inputs, firmware.vectors.outputs
    sink = machine.reserve(expected.shape[1])
    outputs: list[bytes] = []
    for codes in inputs:
        *earlier, last = [machine.place(frame) for frame in np.split(codes, firmware.network.frames)]
        for frame in earlier:
            machine.call("network_run", frame, sink)
        if outputs:
            machine.call("network_run", last, sink)
        else:
            profile, calls = machine.profile_calls("network_run", last, sink)
        outputs.append(machine.read(sink, expected.shape[1]))
    produced = np.frombuffer(b"".join(outputs), np.int8).reshape(expected.shape)
    return FirmwareRun(
        firmware=firmware,
        emulator=f"clang {BUILD.optimise} (ziglang) for {tool.name}, executed in unicorn",
        instructions=profile.instructions,
        by_function=profile.functions,
        by_layer=_by_layer(firmware, calls),
        mnemonics=profile.mnemonics,
        stack=profile.stack_bytes,
        flash=image.flash_bytes,
        arena=image.symbols["arena"][1],
        compared=_compared(firmware, produced, file),
    )


def _tool(firmware: Firmware) -> Core:
    """Return the core as the tool chain knows it."""
    core = firmware.target.core
    tool = _tool_core(core)
    if tool is None:
        message = f"no compiler and emulator by pip for {core.name}; the C text is portable, and its projects build it"
        raise SlipstickError(message, path="system.device.core", value=core.name, allowed=CORES)
    return tool


def _firmware_image(firmware: Firmware, tool: Core) -> Image:
    """Return the linked image of the network and its kernels alone."""
    with tempfile.TemporaryDirectory(prefix="slipstick-firmware-") as folder:
        texts = firmware.texts()
        for name, text in texts.items():
            Path(folder, name).write_text(text, "utf-8")
        sources = [Path(folder, name) for name in texts if name.endswith((".c", ".S"))]
        return build_image(tool, sources, ["network_run"], BUILD)


def _by_layer(firmware: Firmware, calls: Sequence[tuple[str, int]]) -> tuple[int, ...]:
    """Return the instructions of each kernel call; calls of the runtime, such as copies, are left out."""
    symbols = {use.kernel.symbol for use in firmware.uses}
    counts = tuple(count for name, count in calls if name in symbols)
    if len(counts) != len(firmware.uses):
        raise SlipstickError("another number of kernel calls than layers", path="emulator", value=len(counts))
    return counts


def _compared(firmware: Firmware, produced: Int8Array, file: bytes | None) -> dict[str, int]:
    """Return the number of output bytes equal to each oracle's; an error where a byte differs."""
    expected = firmware.vectors.outputs
    _check_equal(produced, expected, "the bit-true runner")
    compared = {"runner": expected.size}
    others = None if file is None else _litert_outputs(firmware.network, file, firmware.vectors.inputs)
    if others is not None:
        _check_equal(produced, others, "LiteRT's reference kernels")
        compared["litert"] = others.size
    return compared
