"""Engine of `emit`, and of `measure` on a board: a trained network's firmware, written, compiled, run and compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from slipstick.core.errors import SlipstickError
from slipstick.core.question import Question
from slipstick.trained.weighted_network import WeightedNetwork

if TYPE_CHECKING:
    from slipstick.edge.layers import WeightStorage
    from slipstick.report.report import Report
    from slipstick.trained.network import TrainedNetwork
    from slipstick.trained.tflite.tflite_network import TfliteNetwork


def emit_firmware(question: Question) -> Report:
    """Return the Report of `emit`; the folder is written last, where the option `out` names one."""
    from slipstick.edge.firmware.firmware_build import build_firmware
    from slipstick.edge.firmware.firmware_report import firmware_report
    from slipstick.edge.firmware.folder import check_folder, write_folder
    from slipstick.edge.firmware.measured_run import run_firmware

    out: str | Path | None = question.options.get("out")
    patches, stream, overwrite = (bool(question.options.get(name)) for name in ("patches", "stream", "overwrite"))
    if out is not None:
        check_folder(out, overwrite=overwrite)
    network, storages = _in_formats(question)
    firmware = build_firmware(network.network, question.system, storages=storages, patches=patches, stream=stream)
    files = firmware.files() if out is not None else None
    result = run_firmware(firmware, network.to_bytes()) if question.options.get("run") else None
    if out is not None and files is not None:
        write_folder(out, files, overwrite=overwrite)
    inputs = question.inputs() | ({} if out is None else {"out": str(out)})
    return firmware_report(firmware, result, inputs, f"{network.name} as firmware for {question.system.name}")


def measure_board(question: Question) -> Report:
    """Return the Report of `measure` on a board: what the emulator counts, with the weights in the plan's formats."""
    from slipstick.edge.firmware.firmware_build import build_firmware
    from slipstick.edge.firmware.firmware_report import firmware_report
    from slipstick.edge.firmware.measured_run import run_firmware

    network, storages = _in_formats(question)
    run = run_firmware(build_firmware(network.network, question.system, storages=storages), network.to_bytes())
    return firmware_report(run.firmware, run, question.inputs(), f"{network.name} on {question.system.name}")


def _in_formats(question: Question) -> tuple[TfliteNetwork, dict[int, WeightStorage]]:
    """Return the network with its weights in the plan's formats, and how those lie in flash, by place of operator.

    Weights of shared shifts (SWIS) are packed; whole numbers of another format stay bytes, or become a pool.
    """
    from slipstick.compress.compression import compress
    from slipstick.compress.layer_formats import layer_formats
    from slipstick.edge.layers import WeightStorage
    from slipstick.trained.integer.layer_weights import layer_weights

    network = _of_tflite(WeightedNetwork.of(question.workload.network).trained)
    formats = question.plan.formats.layers
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
    return _of_tflite(compressed.network), storages


def _of_tflite(network: TrainedNetwork) -> TfliteNetwork:
    """Return a network whose operators firmware is generated from.

    Errors
    ------
    SlipstickError for a third party's network in integers, of which only its outputs are known.
    """
    from slipstick.trained.tflite.tflite_network import TfliteNetwork

    if isinstance(network, TfliteNetwork):
        return network
    raise SlipstickError("firmware is generated from .tflite files alone", path="network", value=network.name)
