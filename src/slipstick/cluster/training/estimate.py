"""Estimate of a decoder's training on accelerators: time, memory, throughput, energy and cost of one step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from slipstick.cluster.constants.generic_constants import constants_findings
from slipstick.cluster.constants.prices import _DeviceHour, _Tariff
from slipstick.cluster.kernels.device_power import _power_findings
from slipstick.cluster.kernels.energy import _DeviceEnergy
from slipstick.cluster.kernels.figure_origins import _Origins
from slipstick.cluster.kernels.kernel_table import _decoder_table
from slipstick.cluster.kernels.precision import element_bytes
from slipstick.cluster.sweep.best_plan import _smallest_plan
from slipstick.cluster.sweep.choose_plan import _devices_finding, _devices_that_fit, _resolved_plan
from slipstick.cluster.sweep.plan_space import _PlanSpace
from slipstick.cluster.sweep.plans import Plans
from slipstick.cluster.training.automatic_plan import _training_model, _TrainingPlans
from slipstick.cluster.training.pipeline_stages import _Stages
from slipstick.cluster.training.training_setting import ADAM_STATES, RESERVE_NOTE, TrainingSetting
from slipstick.cluster.training.training_step import _TrainingStep, training_step
from slipstick.cluster.training.whole_run import _WholeRun
from slipstick.core.collective_price import CollectivePrice
from slipstick.core.device_kinds import Accelerator
from slipstick.core.plan import Plan
from slipstick.core.question import Question
from slipstick.core.system import System
from slipstick.core.workload import Phase, Workload
from slipstick.report.report import Finding, Metric, Report, Table

_PAPERS = ("kundu2024", "narayanan2021", "korthikanti2022", "ardalani2022")
_PAPERS_OF_RUNS = ("young1974", "daly2006")


@dataclass(frozen=True)
class _Run:
    """Resolved Question of training: its setting, its plan without ``auto`` as arrays of length one, and its step."""

    workload: Workload
    system: System
    setting: TrainingSetting
    plans: Plans
    step: _TrainingStep

    @cached_property
    def model_flops(self) -> float:
        """Model FLOPs of one step: forward once, backward twice as much."""
        return _model_flops(self.workload)

    def metric(self, value: float, unit: str, note: str = "") -> Metric:
        """Return a Metric without a source: `_origins` says what each figure rests on."""
        return Metric(float(value), unit, "estimated", note=note)


def estimate_training(question: Question, price: CollectivePrice | None = None) -> Report:
    """Return the report of one training step of a decoder.

    Parameters
    ----------
    price : a function that times collectives [s] instead of the closed form.

    Errors
    ------
    SpecErrors where the plan is impossible; too little memory is a finding of the report, not an error.
    """
    workload, system = question.workload, question.system
    setting = TrainingSetting.of(workload, system, question.plan)
    if price is not None:
        setting = replace(setting, tiers=[replace(tier, price=price) for tier in setting.tiers])
    capacity = system.main_memory.capacity - setting.reserve
    plan = _resolved_plan(question.plan, workload, system, capacity, _TrainingPlans(setting))
    plans = Plans.of([plan], system)
    run = _Run(workload, system, setting, plans, training_step(setting, plans))
    overflows = run.step.peak_memory.item() > capacity and _PlanSpace.of(question.plan, workload, system).is_open
    table = _decoder_table(
        setting.decoder, setting.chip, setting.precision, setting.shape(plans), Phase.TRAIN, fused=setting.fused
    )
    return Report.of(
        question.with_plan(plan),
        _origins(run).marked(_metrics(run)),
        {"ops": table, "stages": _stage_table(run.step)},
        title=f"{workload.name} on {system.devices} x {system.name}",
        bottleneck=_bottleneck(run.step),
        papers=(*_PAPERS, *(_PAPERS_OF_RUNS if workload.training_tokens else ())),
        facts=_facts(run),
        findings=(
            *constants_findings(system, links=price is None),
            *_power_findings(system),
            *_scale_findings(run),
            *(_fitting(question) if overflows else ()),
        ),
    )


def _origins(run: _Run) -> _Origins:
    """Return what the figures of a training step rest on."""
    chip, format = run.setting.chip, run.setting.precision.matmul
    return _Origins.of(run.system, chip, format, "train", reserve=chip.steps.source_of("memory_reserve"))


def _fitting(question: Question) -> Iterator[Finding]:
    """Yield the finding that says on how many devices some plan would fit."""
    devices = _devices_that_fit(question.plan, question.workload, question.system, _training_model)
    yield _devices_finding(devices, _offload_that_fits(question))


def _offload_that_fits(question: Question) -> str:
    """Return the fewest tensors whose offloading lets some plan fit, as ``key=true,...``; empty where none does.

    Offloading never makes a plan faster, so that the planner leaves it to the user.
    """
    system, host = question.system, question.system.host
    if host is None or not host.bandwidth:
        return ""
    for names in (("optimizer",), ("optimizer", "weights"), ("optimizer", "weights", "activations")):
        fields = {f"offload_{name}": True for name in names}
        plan = Plan.of({**question.plan.model_dump(exclude_unset=True), **fields})
        model, capacity = _training_model(question.workload, system, plan)
        smallest = _smallest_plan(_PlanSpace.of(plan, question.workload, system), model)
        if smallest is not None and smallest.memory <= capacity:
            return ",".join(f"{name}=true" for name in fields)
    return ""


def _scale_findings(run: _Run) -> Iterator[Finding]:
    """Yield the finding of a run on more devices than any that the constants were compared with."""
    steps, devices = run.setting.chip.steps, run.system.devices
    if steps.largest_run is not None and devices > steps.largest_run:
        message = f"{devices:,} devices, where the largest measured run that the constants were compared with has "
        message += f"{steps.largest_run:,}: stragglers and congested links of larger runs are not in the time"
        yield Finding("scale_beyond_measurements", message, "system.devices")


def _bottleneck(step: _TrainingStep) -> str:
    """Return the part that takes most of the step, and its share."""
    name, value = max(step.parts.items(), key=lambda part: part[1].item())
    return f"{name.replace('_', ' ')}: {100 * (value / step.time).item():.0f} % of the step"


def _model_flops(workload: Workload) -> float:
    """Return the model FLOPs of one training step: forward once, backward twice as much, nothing recomputed.

    The convention of MFU (Chowdhery et al. 2204.02311, appendix B), with the full square of attention.
    """
    return 3.0 * sum(op.flops * op.count for op in workload.ops)


def _metrics(run: _Run) -> dict[str, Any]:
    """Return the metric tree of one training step."""
    setting, workload, system, step, metric = run.setting, run.workload, run.system, run.step, run.metric
    time = step.time.item()
    tokens = workload.batch * workload.sequence
    useful = run.model_flops / (time * system.devices)
    peak = max(
        system.device_as(Accelerator).matrix.get(name, 0.0)
        for name in (setting.precision.matmul, setting.precision.wide)
    )
    tree: dict[str, Any] = {
        "time": {"step": metric(time, "s"), "parts": _parts(step.parts, metric)},
        "memory": _memory(run),
        "throughput": {
            "tokens": metric(tokens / time, "token/s"),
            "tokens_per_device": metric(tokens / time / system.devices, "token/s"),
            "samples": metric(workload.batch / time, "sample/s"),
            "model_flops_per_device": metric(useful, "FLOP/s", "forward and backward once, nothing recomputed"),
        },
        "efficiency": {"mfu": metric(useful / peak, "fraction", "model FLOP/s over the dense peak of the format")},
    }
    return {**tree, **_spent(run, time, tokens)}


def _spent(run: _Run, time: float, tokens: int) -> dict[str, Any]:
    """Return the metrics of energy, carbon and cost of a step, and of the whole run where its tokens are given."""
    workload, system, metric = run.workload, run.system, run.metric
    spent = _step_energy(run)
    joules = None if spent is None else spent.drawn.item() * system.devices
    hour = _DeviceHour.of(system, None if spent is None else spent.total.item() / time)
    tree: dict[str, Any] = {}
    if spent is not None and joules is not None:
        tariff = _Tariff.of(system)
        tree["energy"] = _energy_tree(run, spent)
        tree["carbon"] = {"token": metric(tariff.grams(joules) / tokens, "g", tariff.carbon_note)}
    if hour is not None:
        tree["cost"] = hour.metrics(metric, system.devices, time / 3600, {"tokens": tokens})
    if workload.training_tokens:
        state = run.setting.decoder.parameters * _checkpoint_bytes(run.setting)
        whole = _WholeRun(system, workload.training_tokens / tokens, time, joules, hour, state)
        tree["run"] = whole.metrics(metric)
    return tree


def _checkpoint_bytes(setting: TrainingSetting) -> float:
    """Return the bytes that a checkpoint writes for each parameter: the weight, its fp32 copy and two moments."""
    return setting.precision.weights + ADAM_STATES * element_bytes("fp32")


def _energy_tree(run: _Run, spent: _DeviceEnergy) -> dict[str, Any]:
    """Return the energy of one step of all devices, by part; hosts where their power is known."""
    system, metric, time = run.system, run.metric, run.step.time.item()
    tokens = run.workload.batch * run.workload.sequence
    parts = {name: joules.item() * system.devices for name, joules in spent.parts.items()}
    hosts = None if spent.hosts is None else spent.hosts.item() * system.devices
    joules = spent.drawn.item() * system.devices
    return {
        "step": metric(joules, "J", spent.scope),
        "parts": {
            **{name: metric(value, "J") for name, value in parts.items() if value > 0},
            **({} if hosts is None else {"hosts": metric(hosts, "J")}),
        },
        "power_per_device": metric(joules / time / system.devices, "W", "with its share of the host, if known"),
        "token": metric(joules / tokens, "J"),
    }


def _parts(parts: Mapping[str, Any], metric: Any) -> dict[str, Metric]:
    return {name: metric(value.item(), "s") for name, value in parts.items() if value.item() > 0}


def _memory(run: _Run) -> dict[str, Any]:
    residents, system, metric = run.step.residents, run.system, run.metric
    fullest = int(residents.total[0].argmax())
    parts = {part: getattr(residents, part)[0, fullest] for part in residents.PARTS}
    return {
        "peak": metric(residents.total[0, fullest], "B", "on the fullest pipeline stage"),
        "parts": {name: metric(value, "B") for name, value in parts.items() if value > 0},
        "capacity": metric(system.main_memory.capacity, "B"),
        "reserve": metric(run.setting.reserve, "B", RESERVE_NOTE),
        **({"host": metric(residents.host[0, fullest], "B")} if residents.host[0, fullest] > 0 else {}),
    }


def _step_energy(run: _Run) -> _DeviceEnergy | None:
    """Return the energy of the average device over one step: the stages' operations, bytes and messages."""
    setting, plans, step = run.setting, run.plans, run.step
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
    work, moved = flops * microbatches, traffic * microbatches
    return _DeviceEnergy.of(run.system, setting.precision.matmul, step.time, work, moved, step.sent)


def _facts(run: _Run) -> dict[str, float]:
    """Return the facts that the named checks read besides the report's metrics: rooflines and messages."""
    system, step = run.system, run.step
    peak = max(system.device_as(Accelerator).matrix.values())
    least = run.model_flops / 2  # a causal kernel skips half of the scores, and nothing else can be skipped
    return {"roofline.compute": least / (peak * system.devices), "network.sent": step.sent.item()}


def _stage_table(step: _TrainingStep) -> Table:
    """Return the memory of each pipeline stage, by part; stages alike in layers share a kind and differ in depth."""
    residents, kinds = step.residents, step.stages
    parts = [part for part in residents.PARTS if part != "gathered" or residents.gathered.any()]
    columns = {"stage": "", **dict.fromkeys(parts, "B")}
    rows = [
        (_stage_name(kinds, int(kind)), *(float(getattr(residents, part)[0, kind]) for part in parts))
        for kind in np.flatnonzero(kinds.copies[0])
    ]
    return Table.of(columns, rows, stacked=True)


def _stage_name(kinds: _Stages, kind: int) -> str:
    first, copies = int(kinds.first[0, kind]), int(kinds.copies[0, kind])
    return f"{first}" if copies == 1 else f"{first} (fullest of {copies} alike)"
