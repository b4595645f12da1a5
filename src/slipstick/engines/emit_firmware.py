"""Engine of `emit`, and of `measure` on a board: a trained network's firmware, written, compiled, run and compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from slipstick.core import units
from slipstick.core.errors import SlipstickError
from slipstick.engines.question import find_system

if TYPE_CHECKING:
    from torch import nn

    from slipstick.edge.layers import WeightStorage
    from slipstick.engines.question import SystemSpec
    from slipstick.report.report import Report
    from slipstick.trained.network import TrainedNetwork
    from slipstick.trained.tflite.tflite_network import TfliteNetwork


def emit_firmware(
    network: str | Path | TrainedNetwork,
    board: SystemSpec,
    out: str | Path | None,
    *,
    formats: str = "",
    run: bool = False,
    patches: bool = False,
    arena: str | float | None = None,
    stream: bool = False,
    overwrite: bool = False,
) -> Report:
    """Return the Report of `emit`; the folder is written last, where `out` names one."""
    from slipstick.edge.firmware.firmware_build import build_firmware
    from slipstick.edge.firmware.firmware_report import firmware_report
    from slipstick.edge.firmware.folder import check_folder, write_folder
    from slipstick.edge.firmware.measured_run import run_firmware

    if out is not None:
        check_folder(out, overwrite=overwrite)
    system = find_system(board)
    opened, storages = _in_formats(_integer_network(network), formats)
    limit = None if arena is None else _parsed_limit(arena)
    firmware = build_firmware(opened.network, system, storages=storages, patches=patches, stream=stream, arena=limit)
    files = firmware.files() if out is not None else None
    result = run_firmware(firmware, opened.to_bytes()) if run else None
    if out is not None and files is not None:
        write_folder(out, files, overwrite=overwrite)
    inputs = {"network": opened.name, "board": system.name, "out": "" if out is None else str(out), "run": run}
    inputs |= {"formats": formats, "patches": patches, "arena": limit, "stream": stream}
    return firmware_report(firmware, result, inputs, f"{opened.name} as firmware for {system.name}")


def _parsed_limit(arena: str | float) -> float:
    try:
        return units.parse(arena, "B")
    except SlipstickError as error:
        raise SlipstickError(error.message, path="arena", value=error.value, allowed=error.allowed) from None


def measure_board(network: str | Path | nn.Module | TrainedNetwork, board: SystemSpec, formats: str) -> Report:
    """Return the Report of `measure` on a board: what the emulator counts, with the weights in `formats`."""
    from slipstick.edge.firmware.firmware_build import build_firmware
    from slipstick.edge.firmware.firmware_report import firmware_report
    from slipstick.edge.firmware.measured_run import run_firmware

    system = find_system(board)
    opened, storages = _in_formats(_integer_network(network), formats)
    run = run_firmware(build_firmware(opened.network, system, storages=storages), opened.to_bytes())
    inputs = {"network": opened.name, "board": system.name, "formats": formats}
    return firmware_report(run.firmware, run, inputs, f"{opened.name} on {system.name}")


def _in_formats(network: TfliteNetwork, formats: str) -> tuple[TfliteNetwork, dict[int, WeightStorage]]:
    """Return a network with its weights in formats, and how those lie in flash, by the place of their operator.

    Weights of shared shifts (SWIS) are packed; whole numbers of another format stay bytes, or become a pool.
    """
    from slipstick.compress.compression import compress
    from slipstick.compress.layer_formats import layer_formats
    from slipstick.edge.layers import WeightStorage
    from slipstick.trained.integer.layer_weights import layer_weights

    if not formats:
        return network, {}
    compressed = compress(network, layer_formats(network, formats), correct=False)
    storages: dict[int, WeightStorage] = {}
    for layer in layer_weights(network.network):
        tensor = compressed.encoded.get(layer.name) or compressed.encoded.get(f"{layer.name}#{layer.tensor}")
        if tensor is not None and tensor.encoding.weight_shifts is not None and tensor.encoding.group > 1:
            storages[layer.op] = WeightStorage(
                "swis", shifts=tensor.encoding.weight_shifts, group=tensor.encoding.group
            )
    return _integer_network(compressed.network), storages


def _integer_network(network: str | Path | nn.Module | TrainedNetwork) -> TfliteNetwork:
    """Return an opened network that computes in 8-bit integers.

    Errors
    ------
    SlipstickError for one that computes in floating point.
    """
    from slipstick.trained.open import open_network
    from slipstick.trained.tflite.tflite_network import TfliteNetwork

    opened = open_network(network)
    if not isinstance(opened, TfliteNetwork):
        message = "computes in floating point; firmware computes in 8-bit integers alone"
        allowed = "an int8 or uint8 .tflite file, or a file of slipstick adapt --packed made of it"
        raise SlipstickError(message, path="network", value=opened.name, allowed=allowed)
    return opened
