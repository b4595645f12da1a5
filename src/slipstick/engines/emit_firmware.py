"""Engine of `emit`, and of `measure` on a board: a trained network's firmware, written, compiled, run and compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from slipstick.engines.board_networks import _board_network
from slipstick.engines.question import find_system

if TYPE_CHECKING:
    from torch import nn

    from slipstick.datasets.images import DataSet
    from slipstick.engines.board_networks import _BoardNetwork
    from slipstick.engines.question import SystemSpec
    from slipstick.engines.verb_options import EmitOptions
    from slipstick.report.report import Report
    from slipstick.trained.network import TrainedNetwork


def emit_firmware(
    network: str | Path | nn.Module | TrainedNetwork, board: SystemSpec, out: str | Path | None, options: EmitOptions
) -> Report:
    """Return the Report of `emit`; the folder is written last, where `out` names one."""
    from slipstick.edge.firmware.firmware_build import build_firmware
    from slipstick.edge.firmware.firmware_report import firmware_report
    from slipstick.edge.firmware.folder import check_folder, write_folder
    from slipstick.edge.firmware.measured_run import run_firmware

    data, formats, overwrite = options.get("data"), options.get("formats", ""), options.get("overwrite", False)
    run, patches, stream = options.get("run", False), options.get("patches", False), options.get("stream", False)
    if out is not None:
        check_folder(out, overwrite=overwrite)
    system = find_system(board)
    made = _board_network(network, data, formats)
    opened = made.network
    firmware = build_firmware(opened.network, system, storages=made.storages, patches=patches, stream=stream)
    files = firmware.files() if out is not None else None
    result = run_firmware(firmware, opened.to_bytes()) if run else None
    if out is not None and files is not None:
        write_folder(out, files, overwrite=overwrite)
    inputs = {"network": opened.name, "board": system.name, "out": "" if out is None else str(out), "run": run}
    inputs |= {"formats": formats, "patches": patches, "stream": stream}
    report = firmware_report(firmware, result, inputs, f"{opened.name} as firmware for {system.name}")
    return _with_metrics(report, made, data)


def measure_board(made: _BoardNetwork, board: SystemSpec, formats: str) -> Report:
    """Return the Report of `measure` on a board: what the emulator counts."""
    from slipstick.edge.firmware.firmware_build import build_firmware
    from slipstick.edge.firmware.firmware_report import firmware_report
    from slipstick.edge.firmware.measured_run import run_firmware

    system, opened = find_system(board), made.network
    run = run_firmware(build_firmware(opened.network, system, storages=made.storages), opened.to_bytes())
    inputs = {"network": opened.name, "board": system.name, "formats": formats}
    return firmware_report(run.firmware, run, inputs, f"{opened.name} on {system.name}")


def _with_metrics(report: Report, made: _BoardNetwork, data: str | Path | DataSet | None) -> Report:
    """Return the Report with the figures of the quantisation, where there was one."""
    from slipstick.datasets import data_set
    from slipstick.report.report import Report

    if data is None or not made.metrics:
        return report
    inputs = {**report.inputs, "data": data_set(data).name}
    metrics = {**report.metrics, **made.metrics}
    return Report.of(inputs, metrics, report.breakdowns, title=report.title).with_detail(report.detail)
