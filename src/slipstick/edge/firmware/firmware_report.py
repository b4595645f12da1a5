"""Report on a firmware: bytes that are known without a compiler, and what the emulator measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slipstick.edge.arena.arena_picture import arena_svg
from slipstick.edge.board_figures import board_figures
from slipstick.edge.latency.measured_time import measured_time
from slipstick.edge.layers import ConvLayer
from slipstick.report.metric import Metric, Table
from slipstick.report.report import Report

if TYPE_CHECKING:
    from slipstick.edge.firmware.firmware_build import Firmware
    from slipstick.edge.firmware.kernel_choice import KernelUse
    from slipstick.edge.firmware.measured_run import FirmwareRun


def firmware_report(firmware: Firmware, run: FirmwareRun | None, inputs: dict[str, Any], title: str) -> Report:
    """Return the Report on a firmware, and on its run in the emulator where there was one.

    Its metrics have the paths of `estimate` on a board, so that both can be compared and subtracted.
    """
    metrics: dict[str, Any] = {"memory": _memory(firmware, run)}
    tables = {"layers": _layers(firmware, run)}
    if run is not None:
        metrics = _run_metrics(run, metrics["memory"])
        tables["functions"] = _functions(run)
    return Report.of(inputs, metrics, tables, title=title).with_detail(
        firmware if run is None else run,
        lambda: {"arena": arena_svg(firmware.arena.layout, f"{firmware.network.name}: arena")},
    )


def _memory(firmware: Firmware, run: FirmwareRun | None) -> dict[str, Metric]:
    """Return the bytes of arena and flash: counted, predicted, and measured in the linked image where there is one."""
    target, source = firmware.target, firmware.source
    arena = Metric(firmware.arena.size, "B", "counted", "input, output, tensors between and scratch")
    memory = {"peak": arena, "capacity": Metric(target.ram, "B", "given", f"{target.ram_name} of {target.board}")}
    memory["arena"] = arena
    memory["tflm_arena"] = Metric(firmware.arena.tflm, "B", "counted", "TensorFlow Lite Micro's plan, no scratch")
    if firmware.state:
        memory["state"] = Metric(firmware.state, "B", "counted", "rows kept between calls of a stream")
    if run is not None:
        memory["linked_arena"] = Metric(run.arena, "B", "measured", "symbol of the linked image")
        memory["stack"] = Metric(run.stack, "B", "measured", "deepest use in the emulator")
        memory["flash"] = Metric(run.flash, "B", "measured", "sections of the linked network and kernels")
    if firmware.code is not None:
        predicted = Metric(firmware.flash, "B", "estimated", "weights, structs and code")
        memory["flash" if run is None else "predicted_flash"] = predicted
    memory["weights"] = Metric(source.arrays, "B", "counted", "constant arrays, equal ones once")
    memory["structs"] = Metric(source.structs, "B", "counted", "sizes of the kernels' layers")
    if firmware.code is not None:
        measured_once = "symbols measured once (data/firmware/code_bytes.yaml)"
        memory["code"] = Metric(firmware.code, "B", "estimated", measured_once)
    memory["flash_capacity"] = Metric(target.flash, "B", "given", f"flash of {target.board}")
    return memory


def _run_metrics(run: FirmwareRun, memory: dict[str, Metric]) -> dict[str, Any]:
    macs = run.firmware.network.macs
    system = run.firmware.target.system
    work: dict[str, Any] = {"macs": Metric(macs, "MAC", "counted", "of the lowered network's layers")} if macs else {}
    work["instructions"] = Metric(run.instructions, "", "measured", run.emulator)
    if macs:
        work["per_mac"] = Metric(run.instructions / macs, "", "measured", f"over {macs:,} MACs")
    figures = board_figures(measured_time(run.mnemonics, system), system)
    timed = {name: figures.pop(name) for name in ("time", "throughput")}
    compared = {name: Metric(count, "B", "measured", "output bytes, all equal") for name, count in run.compared.items()}
    return {**timed, "work": work, "memory": memory, **figures, "equal": compared}


def _layers(firmware: Firmware, run: FirmwareRun | None) -> Table:
    columns = {"call": "", "operator": "", "kernel": "", "MACs": "", "flash": "B", "scratch": "B"}
    rows = [_layer_row(place, use) for place, use in enumerate(firmware.uses)]
    if any(use.passed_over for use in firmware.uses):
        columns |= {"faster, no room": ""}
        rows = [(*row, use.passed_over) for row, use in zip(rows, firmware.uses, strict=True)]
    if run is not None:
        columns |= {"instructions": "", "per MAC": ""}
        rows = [
            (*row, count, count / row[3] if row[3] else None) for row, count in zip(rows, run.by_layer, strict=True)
        ]
    return Table.of(columns, rows)


def _layer_row(place: int, use: KernelUse) -> tuple[Any, ...]:
    layer = use.call.layer
    macs = layer.macs if isinstance(layer, ConvLayer) else None
    return place, layer.kind, use.kernel.symbol, macs, use.array_bytes + use.struct_bytes, use.scratch


def _functions(run: FirmwareRun) -> Table:
    rows = sorted(run.by_function.items(), key=lambda row: -row[1])
    return Table.of({"function": "", "instructions": ""}, rows)
