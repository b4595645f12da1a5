"""Engine of `emit`, and of `measure` on a board: a trained network's firmware, written, compiled, run and compared."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipstick.core import units
from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require_all
from slipstick.core.plan import Plan
from slipstick.core.question import Question
from slipstick.engines.board_networks import _board_network

if TYPE_CHECKING:
    from slipstick.engines.board_networks import _BoardNetwork
    from slipstick.engines.question import SystemSpec, WeightsSpec
    from slipstick.engines.verb_options import EmitOptions
    from slipstick.report.report import Report


def emit_for_board(network: WeightsSpec, board: SystemSpec, out: str | Path | None, options: EmitOptions) -> Report:
    """Return the Report of `emit`; a data set is loaded first, because it says how a network reads images."""
    from slipstick.datasets import data_set
    from slipstick.engines.answer import answer
    from slipstick.trained.open import open_network

    _require_tools(network, vectors=out is not None, run=bool(options.get("run")))
    data, formats = options.pop("data", None), options.pop("formats", "")
    plan = Plan.of({"formats.layers": formats}) if formats else None
    if data is None:
        return answer("emit", network, board, plan, out=out, **options)
    images = data_set(data)
    return answer("emit", open_network(network, images), board, plan, out=out, data=images, **options)


def _require_tools(network: WeightsSpec, *, vectors: bool, run: bool) -> None:
    """Check that what `emit` will need is installed: a reader of the file, golden vectors, compiler and emulator."""
    readers = {".tflite": "tflite", ".onnx": "onnx"}
    file = Path(network).suffix if isinstance(network, str | Path) else ""
    needed = {readers[file]: "import"} if file in readers else {}
    needed |= {"numba": "sim"} if vectors or run else {}
    require_all(needed | ({"ziglang": "edge", "unicorn": "edge", "capstone": "edge"} if run else {}))


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
    made = _board_network(question)
    network = made.network
    limit = question.options.get("arena")
    arena = None if limit is None else _parsed_limit(limit)
    firmware = build_firmware(
        network.network, question.system, storages=made.storages, patches=patches, stream=stream, arena=arena
    )
    files = firmware.files() if out is not None else None
    result = run_firmware(firmware, network.to_bytes()) if question.options.get("run") else None
    if out is not None and files is not None:
        write_folder(out, files, overwrite=overwrite)
    inputs = _inputs(question) | ({} if out is None else {"out": str(out)})
    report = firmware_report(firmware, result, inputs, f"{network.name} as firmware for {question.system.name}")
    return _with_metrics(report, made.metrics)


def _parsed_limit(limit: str | float) -> float:
    try:
        size = units.parse(limit, "B")
    except SlipstickError as error:
        raise SlipstickError(error.message, path="arena", value=error.value, allowed=error.allowed) from None
    if not size > 0:
        raise SlipstickError("out of range", path="arena", value=limit, allowed="more than 0 B")
    return size


def measure_board(question: Question) -> Report:
    """Return the Report of `measure` on a board: what the emulator counts, with the weights in the plan's formats."""
    from slipstick.edge.firmware.firmware_build import build_firmware
    from slipstick.edge.firmware.firmware_report import firmware_report
    from slipstick.edge.firmware.measured_run import run_firmware

    made = _board_network(question)
    network = made.network
    run = run_firmware(build_firmware(network.network, question.system, storages=made.storages), network.to_bytes())
    report = firmware_report(run.firmware, run, _inputs(question), f"{network.name} on {question.system.name}")
    return _scored(_with_metrics(report, made.metrics), made, question)


def _inputs(question: Question) -> dict[str, Any]:
    """Return the inputs of a Report, with a data set by its name."""
    named = {"data": question.options["data"].name} if "data" in question.options else {}
    return question.inputs() | named


def _scored(report: Report, made: _BoardNetwork, question: Question) -> Report:
    """Return the Report with the accuracy of a quantised network, whose detail are then the right answers."""
    from slipstick.engines.measure_network import quantised_accuracy

    if made.real is None:
        return report
    accuracy, right = quantised_accuracy(made.real, made.network, question)
    scored = _with_metrics(report, {"accuracy": accuracy})
    return scored.with_detail(right)


def _with_metrics(report: Report, metrics: Mapping[str, Any]) -> Report:
    """Return the Report with more metrics."""
    from slipstick.report.report import Report

    if not metrics:
        return report
    full = Report.of(report.inputs, {**report.metrics, **metrics}, report.breakdowns, title=report.title)
    return full.with_detail(report.detail)
