"""Estimate of operator graphs on accelerators: time, memory and energy of data-parallel training and of inference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from slipstick.cluster.collectives.collective_time import messages
from slipstick.cluster.collectives.network_tiers import _tiers_of
from slipstick.cluster.constants.generic_constants import constants_findings
from slipstick.cluster.constants.prices import _DeviceHour, _Tariff
from slipstick.cluster.graphs.graph_plan import _graph_plan
from slipstick.cluster.kernels.chip import Chip
from slipstick.cluster.kernels.device_power import _power_findings
from slipstick.cluster.kernels.energy import _DeviceEnergy
from slipstick.cluster.kernels.figure_origins import _Origins
from slipstick.cluster.kernels.graph_kernels import CountedKernel, _graph_kernels, _live_elements, kept_elements
from slipstick.cluster.kernels.kernel_table import _kernel_table
from slipstick.cluster.kernels.kernel_times import _time_kernels
from slipstick.cluster.kernels.precision import Precision, element_bytes
from slipstick.cluster.sweep.plans import AUTO_TIER
from slipstick.cluster.training.optimizer import ADAM_TRAFFIC, _exposed_message
from slipstick.cluster.training.training_setting import ADAM_STATES, RESERVE_NOTE
from slipstick.core.device_kinds import Accelerator
from slipstick.core.plan import Plan
from slipstick.core.question import Question
from slipstick.core.system import System
from slipstick.core.workload import Op, Phase, Workload
from slipstick.networks.graphs import training_graph
from slipstick.report.report import Metric, Report

_PAPERS = ("ardalani2022",)


@dataclass(frozen=True)
class _GraphPass:
    """Totals of one pass's kernels on one device: device and host time [s], operations and memory traffic."""

    kernels: tuple[CountedKernel, ...]
    device: float
    host: float
    flops: float
    traffic: float

    @classmethod
    def of(cls, kernels: Sequence[CountedKernel], chip: Chip, launch: float) -> _GraphPass:
        """Return the totals of kernels timed on `chip`, whose host needs `launch` seconds per kernel."""
        timed = _time_kernels([kernel for _, kernel in kernels], chip, 1)
        counts = np.array([count for count, _ in kernels], dtype=float)
        sums = [float(counts @ column[:, 0]) for column in (timed.time, timed.flops, timed.traffic)]
        return cls(tuple(kernels), sums[0], launch * float(counts.sum()), sums[1], sums[2])

    @property
    def waits(self) -> float:
        """Seconds that the device waits for the host."""
        return max(0.0, self.host - self.device)


@dataclass(frozen=True)
class _Run:
    """Resolved Question about an operator graph: no field left ``auto``, `ops` of one microbatch on one device."""

    workload: Workload
    system: System
    plan: Plan
    precision: Precision
    chip: Chip
    ops: list[Op]

    @property
    def dp(self) -> int:
        return int(self.plan.parallel.dp)

    @property
    def microbatch(self) -> int:
        return int(self.plan.parallel.microbatch)

    @property
    def reserve(self) -> float:
        """Memory that training cannot use [B]."""
        training = self.workload.phase is Phase.TRAIN
        return self.chip.steps.memory_reserve * self.system.main_memory.capacity if training else 0.0

    @property
    def peak(self) -> float:
        return self.system.device_as(Accelerator).matrix[self.precision.matmul]


def estimate_graph(question: Question) -> Report:
    """Return the report of an operator graph on a cluster: a data-parallel training step, or one inference pass.

    Convolutions are matrix products of their own sizes (implicit GEMM: Chetlur et al. 1410.0759) in the kernel model
    that decoders use, everything else moves its tensors through memory.

    Errors
    ------
    SpecErrors for replicas and microbatches that do not divide the batch.
    """
    workload, system = question.workload, question.system
    plan = _graph_plan(question.plan, workload, system)
    answer = _training if workload.phase is Phase.TRAIN else _inference
    precision = Precision.of(plan, system, workload.phase)
    samples, length = int(plan.parallel.microbatch), workload.sequence
    ops = workload.network.ops(workload.phase, samples, length, length)
    runs = [_Run(workload, system, staged, precision, Chip.of(system), ops) for staged in _stages_of_zero(plan)]
    answers = [(run, *answer(run)) for run in runs]
    run, metrics, passes, bottleneck = min(answers, key=lambda answered: _overflow_and_time(answered[1]))
    rows = [(count, [kernel]) for timed in passes for count, kernel in timed.kernels]
    return Report.of(
        question.with_plan(run.plan),
        _origins(run).marked(metrics),
        {"ops": _kernel_table(rows, run.chip)},
        title=f"{workload.name} on {system.devices} x {system.name}",
        bottleneck=bottleneck,
        papers=_PAPERS,
        facts={"roofline.compute": _roofline(run, passes)},
        findings=(*constants_findings(system), *_power_findings(system)),
    )


def _origins(run: _Run) -> _Origins:
    """Return what the figures of an operator graph rest on; a band for unmeasured devices is that of decoders."""
    phase = "train" if run.workload.phase is Phase.TRAIN else "prefill"
    products = "convolutions as matrix products, none calibrated"
    reserve = run.chip.steps.source_of("memory_reserve")
    return _Origins.of(run.system, run.chip, run.precision.matmul, phase, reserve=reserve, time=products)


def _stages_of_zero(plan: Plan) -> list[Plan]:
    """Return the plan, or where ZeRO's stage is open the plans of the stages that graphs have."""
    stages = (0, 1, 2) if plan.parallel.zero == "auto" else (plan.parallel.zero,)
    return [plan.model_copy(update={"parallel": plan.parallel.model_copy(update={"zero": stage})}) for stage in stages]


def _overflow_and_time(metrics: Mapping[str, Any]) -> tuple[float, float]:
    """Return the bytes by which a plan exceeds a device's memory, and the time of its step [s]: the best has least."""
    memory = metrics["memory"]
    room = memory["capacity"].value - (memory["reserve"].value if "reserve" in memory else 0.0)
    return max(0.0, memory["peak"].value - room), metrics["time"]["step"].value


def _training(run: _Run) -> tuple[dict[str, Any], list[_GraphPass], str]:
    plan, steps, fused = run.plan, run.chip.steps, run.plan.kernels.fused
    launch = steps.host_launch if fused else steps.host_launch * steps.unfused_host
    ahead = _GraphPass.of(_graph_kernels(run.ops, run.precision, training=True, fused=fused), run.chip, launch)
    gradients = training_graph(run.ops)[len(run.ops) :]
    back = _GraphPass.of(_graph_kernels(gradients, run.precision, training=True, fused=fused), run.chip, launch)
    microbatches = run.workload.batch // (run.dp * run.microbatch)
    parameters = float(run.workload.network.parameters)
    reduced, gathered, sent = _update_messages(run, parameters)
    shard = run.dp if plan.parallel.zero else 1
    hidden = plan.collectives.dp_overlap
    waits = [
        float(_exposed_message(np.asarray(message), np.asarray(device), steps.overlap_slowdown)) if hidden else message
        for message, device in ((reduced, back.device), (gathered, ahead.device))
    ]
    moved = parameters / shard * ADAM_TRAFFIC
    parts = {
        "forward": microbatches * ahead.device,
        "backward": microbatches * back.device,
        "data_parallel": sum(waits),
        "optimizer": moved / (run.chip.dram_bandwidth * steps.optimizer_efficiency),
        "host": microbatches * (ahead.waits + back.waits),
        "overhead": steps.step_overhead,
    }
    traffic = microbatches * (ahead.traffic + back.traffic) + moved
    memory = _training_memory(run, parameters)
    metrics = _metrics(run, parts, memory, microbatches * (ahead.flops + back.flops), traffic, sent, 3.0)
    return metrics, [ahead, back], _bottleneck(parts)


def _update_messages(run: _Run, parameters: float) -> tuple[float, float, float]:
    """Return the seconds to reduce gradients and to gather weights over the replicas, and the bytes sent per device."""
    tiers, element = _tiers_of(run.system), element_bytes(run.plan.formats.gradients)
    names = [tier.name for tier in tiers]
    tier_name = run.plan.collectives.dp_tier
    forced = np.array([AUTO_TIER if tier_name == "auto" or tier_name not in names else names.index(tier_name)])

    def seconds(op: str, size: float) -> float:
        return messages(op, np.array([size]), np.array([run.dp]), np.array([1]), forced, tiers).item()

    gradients, weights = parameters * element, parameters * run.precision.weights
    share = (run.dp - 1) / run.dp  # of a vector: what a ring sends to reduce it, and again to gather it
    if not run.plan.parallel.zero:
        return seconds("all_reduce", gradients), 0.0, 2 * share * gradients
    return seconds("reduce_scatter", gradients), seconds("all_gather", weights), share * (gradients + weights)


def _training_memory(run: _Run, parameters: float) -> dict[str, float]:
    zero, dp = int(run.plan.parallel.zero), run.dp
    largest = max(op.inputs + op.outputs for op in run.ops)
    return {
        "weights": parameters * run.precision.weights,
        "gradients": parameters * element_bytes(run.plan.formats.gradients) / (dp if zero > 1 else 1),
        "optimizer": parameters * ADAM_STATES * element_bytes("fp32") / (dp if zero else 1),
        "activations": kept_elements(run.ops) * run.precision.activations,
        "working": largest * run.precision.activations,
    }


def _inference(run: _Run) -> tuple[dict[str, Any], list[_GraphPass], str]:
    graphs, steps = run.plan.kernels.cuda_graphs, run.chip.steps
    launch = steps.replay_launch if graphs else steps.eager_launch
    kernels = _graph_kernels(run.ops, run.precision, training=False, fused=run.plan.kernels.fused)
    timed = _GraphPass.of(kernels, run.chip, launch)
    parts = {"kernels": timed.device, "launch": timed.host}
    memory = {
        "weights": run.workload.network.parameters * run.precision.weights,
        "activations": _live_elements(run.ops) * run.precision.activations,
    }
    metrics = _metrics(run, parts, memory, timed.flops, timed.traffic, 0.0, 1.0)
    return metrics, [timed], _bottleneck(parts)


def _metrics(
    run: _Run,
    parts: dict[str, float],
    memory: dict[str, float],
    flops: float,
    traffic: float,
    sent: float,
    passes: float,
) -> dict[str, Any]:
    """Return the metric tree of a step worth `passes` forward passes; `flops`, `traffic` and `sent` are per device."""
    system = run.system

    def metric(value: float, unit: str, note: str = "") -> Metric:
        return Metric(float(value), unit, "estimated", note=note)

    time, samples = sum(parts.values()), run.workload.batch
    useful = passes * sum(op.flops * op.count for op in run.ops) * samples / run.microbatch
    rate = useful / time / run.dp
    figures = (np.array([figure]) for figure in (time, flops, traffic, sent))
    spent = _DeviceEnergy.of(system, run.precision.matmul, *figures)
    tree: dict[str, Any] = {
        "time": {"step": metric(time, "s"), "parts": {k: metric(v, "s") for k, v in parts.items() if v > 0}},
        "memory": {
            "peak": metric(sum(memory.values()), "B"),
            "parts": {name: metric(value, "B") for name, value in memory.items()},
            "capacity": metric(system.main_memory.capacity, "B"),
            **({"reserve": metric(run.reserve, "B", RESERVE_NOTE)} if run.reserve else {}),
        },
        "throughput": {
            "samples": metric(samples / time, "sample/s", "all replicas"),
            "samples_per_device": metric(samples / time / run.dp, "sample/s"),
            "model_flops_per_device": metric(rate, "FLOP/s", "products only"),
        },
        "efficiency": {"mfu": metric(rate / run.peak, "fraction", "over the dense peak")},
    }
    hour = _DeviceHour.of(system, None if spent is None else spent.total.item() / time)
    if spent is not None:
        joules, tariff = spent.drawn.item() * run.dp, _Tariff.of(system)
        tree["energy"] = {"step": metric(joules, "J", spent.scope), "sample": metric(joules / samples, "J")}
        tree["carbon"] = {"sample": metric(tariff.grams(joules) / samples, "g", tariff.carbon_note)}
    if hour is not None:
        tree["cost"] = hour.metrics(metric, run.dp, time / 3600, {"samples": samples})
    return tree


def _roofline(run: _Run, passes: Sequence[_GraphPass]) -> float:
    """Return the compute roofline [s]: the matrix products of one device's share at the peak rate of their format."""
    microbatches = run.workload.batch // (run.dp * run.microbatch)
    return microbatches * sum(timed.flops for timed in passes) / run.peak


def _bottleneck(parts: dict[str, float]) -> str:
    name = max(parts, key=lambda part: parts[part])
    return f"{name.replace('_', ' ')}: {100 * parts[name] / sum(parts.values()):.0f} % of the step"
