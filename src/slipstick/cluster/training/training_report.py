"""The Report of a training step: time, memory, throughput, energy, cost, and the tables that break them down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from slipstick.cluster.constants.prices import hourly_cost
from slipstick.cluster.kernels.energy import Energy, energy, host_energy
from slipstick.cluster.kernels.kernel_table import kernel_table
from slipstick.cluster.sweep.plans import Plans, decoder_of
from slipstick.cluster.training.memory import Residents
from slipstick.cluster.training.pipeline_stages import Stages
from slipstick.cluster.training.training_setting import Setting, shape_of
from slipstick.cluster.training.training_step import Step
from slipstick.core.device_kinds import Accelerator
from slipstick.core.system import System
from slipstick.core.workload import Workload
from slipstick.report.report import Metric, Table

SECONDS_A_DAY = 86400.0


def model_flops(workload: Workload) -> float:
    """Return the operations that one step must compute: forward once, backward twice, nothing recomputed.

    The convention of MFU (Chowdhery et al. 2204.02311, appendix B), with the full square of attention.
    """
    return 3.0 * sum(op.flops * op.count for op in workload.ops)


def training_metrics(
    setting: Setting, workload: Workload, system: System, plans: Plans, step: Step, useful_flops: float, source: str
) -> dict[str, Any]:
    """Return the metric tree of one training step."""

    def metric(value: float, unit: str, note: str = "") -> Metric:
        return Metric(float(value), unit, "estimated", source, note)

    time = float(step.time[0])
    tokens = workload.batch * workload.sequence
    useful = useful_flops / (time * system.devices)
    peak = max(
        system.device_as(Accelerator).matrix.get(name, 0.0)
        for name in (setting.precision.matmul, setting.precision.wide)
    )
    spent = _step_energy(setting, system, plans, step)
    hourly = hourly_cost(system, None if spent is None else float(spent.total[0]) / time)
    tree: dict[str, Any] = {
        "time": {"step": metric(time, "s"), "parts": _parts(step.parts, "s", metric)},
        "memory": _memory(step.residents, system, metric),
        "throughput": {
            "tokens": metric(tokens / time, "token/s"),
            "tokens_per_device": metric(tokens / time / system.devices, "token/s"),
            "samples": metric(workload.batch / time, "sample/s"),
            "model_flops_per_device": metric(useful, "FLOP/s", "forward and backward once, nothing recomputed"),
        },
        "efficiency": {"mfu": metric(useful / peak, "fraction", "model FLOP/s over the dense peak of the format")},
    }
    if spent is not None:
        tree["energy"] = _energy_tree(spent, system, time, tokens, metric)
    hourly = None if hourly is None else hourly * system.devices
    if hourly is not None:
        tree["cost"] = {"million_tokens": metric(hourly * time / 3600 / tokens * 1e6, "USD")}
    if workload.training_tokens:
        steps = workload.training_tokens / tokens
        tree["run"] = {"time": metric(steps * time, "s")}
        if spent is not None:
            tree["run"]["energy"] = metric(steps * tree["energy"]["step"].value, "J")
        if hourly is not None:
            tree["run"]["cost"] = metric(steps * time / 3600 * hourly, "USD")
    return tree


def _energy_tree(spent: Energy, system: System, time: float, tokens: int, metric: Any) -> dict[str, Any]:
    """Return the energy of one step of all devices, by part; hosts where their power is known."""
    parts = {name: float(joules[0]) * system.devices for name, joules in spent.parts.items()}
    hosts = host_energy(system, time)
    joules = float(spent.total[0]) * system.devices + (hosts or 0.0)
    note = "devices and their share of hosts and network" if hosts is not None else "devices; of their hosts unknown"
    return {
        "step": metric(joules, "J", note),
        "parts": {
            **{name: metric(value, "J") for name, value in parts.items()},
            **({} if hosts is None else {"hosts": metric(hosts, "J")}),
        },
        "power_per_device": metric(joules / time / system.devices, "W"),
        "token": metric(joules / tokens, "J"),
    }


def _parts(parts: Mapping[str, Any], unit: str, metric: Any) -> dict[str, Metric]:
    return {name: metric(value[0], unit) for name, value in parts.items() if value[0] > 0}


def _memory(held: Residents, system: System, metric: Any) -> dict[str, Any]:
    fullest = int(held.total[0].argmax())
    parts = {part: getattr(held, part)[0, fullest] for part in held.PARTS}
    return {
        "peak": metric(held.total[0, fullest], "B", "on the fullest pipeline stage"),
        "parts": {name: metric(value, "B") for name, value in parts.items() if value > 0},
        "capacity": metric(system.main_memory.capacity, "B"),
        **({"host": metric(held.host[0, fullest], "B")} if held.host[0, fullest] > 0 else {}),
    }


def _step_energy(setting: Setting, system: System, plans: Plans, step: Step) -> Energy | None:
    """Return the energy of the average device over one step: the stages' operations, bytes and messages."""
    layers, (embedding, head) = step.layers, step.ends
    counts = (step.stages.layers * step.stages.copies[..., None]).sum(axis=1) / plans.pp[:, None]
    microbatches = setting.batch // (plans.dp * plans.microbatch)
    again = plans.recompute[:, None] == 2
    flops = (embedding.flops + head.flops) / plans.pp
    traffic = (embedding.traffic + head.traffic) / plans.pp
    for index, layer in enumerate(layers):
        repeated = np.where(again[:, 0], layer.flops / 3, np.where(plans.recompute == 1, layer.core_flops, 0.0))
        flops = flops + counts[:, index] * (layer.flops + repeated)
        traffic = traffic + counts[:, index] * layer.traffic * np.where(again[:, 0], 4 / 3, 1.0)
    return energy(system, setting.precision.matmul, step.time, flops * microbatches, traffic * microbatches, step.sent)


def training_facts(useful: float, system: System, step: Step) -> dict[str, float]:
    """Return what the named checks read beside the report's figures: rooflines and messages."""
    peak = max(system.device_as(Accelerator).matrix.values())
    least = useful / 2  # a causal kernel skips half of the scores, and nothing else can be skipped
    return {"roofline.compute": least / (peak * system.devices), "network.sent": float(step.sent[0])}


def stage_table(step: Step) -> Table:
    """Return the memory of each pipeline stage, by part; stages alike in layers share a kind and differ in depth."""
    held, kinds = step.residents, step.stages
    columns = {"stage": "", **dict.fromkeys(held.PARTS, "B")}
    rows = [
        (_stage_name(kinds, int(kind)), *(float(getattr(held, part)[0, kind]) for part in held.PARTS))
        for kind in np.flatnonzero(kinds.copies[0])
    ]
    return Table.of(columns, rows, stacked=True)


def _stage_name(kinds: Stages, kind: int) -> str:
    first, copies = int(kinds.first[0, kind]), int(kinds.copies[0, kind])
    return f"{first}" if copies == 1 else f"{first} (fullest of {copies} alike)"


def training_tables(setting: Setting, workload: Workload, plans: Plans, step: Step) -> dict[str, Table]:
    """Return the breakdowns: kernels of a layer, memory by stage."""
    shape = shape_of(setting, plans)
    return {
        "ops": kernel_table(decoder_of(workload), setting, shape),
        "stages": stage_table(step),
    }
