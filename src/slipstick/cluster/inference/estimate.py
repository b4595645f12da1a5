"""Estimate of inference: a first token, the tokens after it, a whole request, a serving engine under load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from slipstick.cluster.constants.prices import hourly_cost
from slipstick.cluster.inference.inference_pass import (
    InferencePass,
    InferenceSetting,
    decode_step,
    inference_shape,
    largest_batch,
    prefill,
    serving_memory,
)
from slipstick.cluster.inference.serving import (
    Load,
    Service,
    continuous_batch,
    speculative_time,
    split_service,
    static_batch,
)
from slipstick.cluster.kernels.energy import DeviceEnergy
from slipstick.cluster.kernels.kernel_table import decoder_table
from slipstick.cluster.sweep.choose_plan import resolved
from slipstick.cluster.sweep.plans import Plans
from slipstick.core.arrays import FloatArray
from slipstick.core.device_kinds import Accelerator
from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Plan
from slipstick.core.question import Question
from slipstick.core.system import System
from slipstick.core.workload import Phase, Workload
from slipstick.networks.decoder.decoder import Decoder
from slipstick.report.report import Metric, Report, Table

_PAPERS = ("kundu2024", "ardalani2022", "dao2022")


@dataclass(frozen=True)
class _Run:
    """One inference question, resolved: its setting, and its plan without ``auto`` as an array of one."""

    workload: Workload
    system: System
    plan: Plan
    setting: InferenceSetting
    plans: Plans
    batch: int  # sequences on one replica
    replicas: int  # that decode

    @property
    def load(self) -> Load:
        """Requests of one replica."""
        return Load(*(np.array([v]) for v in (self.batch, self.workload.sequence, self.workload.output)))

    @property
    def middle(self) -> int:
        """Context of the decode step at the middle of the output [tokens]."""
        return self.workload.sequence + (self.workload.output + 1) // 2

    def metric(self, value: Any, unit: str, note: str = "") -> Metric:
        """Return a figure with the basis that it rests on."""
        return Metric(float(np.ravel(value)[0]), unit, "estimated", self.setting.chip.basis, note)


def estimate_inference(question: Question) -> Report:
    """Return the report of a prefill, or of a prompt with generated tokens, on every replica of the system.

    Errors
    ------
    SpecErrors where the plan is impossible; too little memory is a finding of the report.
    """
    workload, system = question.workload, question.system
    run = _run(workload, system, question.plan)
    metrics = _prefill_metrics(run) if workload.phase is Phase.PREFILL else _decode_metrics(run)
    return Report.of(
        question.with_plan(run.plan),
        {**metrics, **_memory(run)},
        {"ops": _table(run)},
        title=f"{workload.name} on {system.devices} x {system.name}",
        bottleneck=_bottleneck(run),
        papers=_PAPERS,
        facts=_rooflines(run),
    )


def _attention_ranks(plan: Plan, decoder: Decoder) -> Plan:
    """Return the plan with attention data parallelism spelt out.

    Each rank is a replica of attention with its own requests, and the experts span the ranks.

    Errors
    ------
    SlipstickError where the degree does not divide tp, or where the network has no experts to span the ranks.
    """
    ranks, tp = plan.serving.attention_dp, plan.parallel.tp
    if ranks in (1, "auto"):
        return plan
    if not isinstance(tp, int) or tp % int(ranks):
        raise SlipstickError("does not divide tp", path="plan.serving.attention_dp", value=ranks, allowed=f"tp={tp}")
    if not any(block.mlp.routed.experts for block in decoder.kinds):
        raise SlipstickError(
            "needs experts that span the ranks", path="plan.serving.attention_dp", value=ranks, allowed="1"
        )
    parallel = plan.parallel
    dp = parallel.dp if parallel.dp == "auto" else int(parallel.dp) * int(ranks)
    given = {} if parallel.ep != 1 else {"ep": tp, "etp": 1}
    return Plan.of(plan, tp=tp // int(ranks), dp=dp, **given)


def _run(workload: Workload, system: System, plan: Plan) -> _Run:
    plan = _attention_ranks(plan, Decoder.of(workload.network))
    setting = InferenceSetting.of(workload, system, plan)

    def evaluate(plans: Plans) -> tuple[FloatArray, FloatArray]:
        batch = np.maximum(1, workload.batch // plans.dp)
        context = workload.sequence + workload.output
        tokens = batch if workload.phase is Phase.DECODE else batch * workload.sequence
        if workload.phase is Phase.PREFILL:
            passed = prefill(setting, plans, batch, workload.sequence)
        else:
            passed = decode_step(setting, plans, batch, context)
        return passed.time / workload.batch, serving_memory(setting, plans, batch, context, tokens // batch).total

    filled = resolved(plan, workload, system, system.main_memory.capacity, evaluate)
    plans = Plans.of([filled], system)
    decoding = int(plans.dp[0]) - _prefilling(filled, workload, plans)
    return _Run(workload, system, filled, setting, plans, max(1, workload.batch // decoding), decoding)


def _prefilling(plan: Plan, workload: Workload, plans: Plans) -> int:
    """Return how many replicas only prefill, where the workload decodes and the plan splits the devices."""
    devices, degree = plan.serving.prefill_devices, int(plans.tp[0] * plans.pp[0])
    if not devices or workload.phase is not Phase.DECODE:
        return 0
    if devices % degree or devices >= degree * int(plans.dp[0]):
        raise SlipstickError(
            "not some of the replicas of tp*pp devices",
            path="plan.serving.prefill_devices",
            value=devices,
            allowed=f"a multiple of {degree} below {degree * int(plans.dp[0])}",
        )
    return devices // degree


def _parts(passed: InferencePass, metric: Any) -> dict[str, Metric]:
    return {name: metric(value, "s") for name, value in passed.parts.items() if value[0] > 0}


def _prefill_metrics(run: _Run) -> dict[str, Any]:
    metric, workload = run.metric, run.workload
    passed = _chunked(run) if run.plan.serving.chunk else prefill(run.setting, run.plans, run.batch, workload.sequence)
    tokens = workload.batch * workload.sequence / passed.time
    return {
        "time": {"first_token": metric(passed.time, "s"), "parts": _parts(passed, metric)},
        "throughput": {
            "tokens": metric(tokens, "token/s", "of the prompts, all replicas"),
            "tokens_per_device": metric(tokens / run.system.devices, "token/s"),
        },
        "efficiency": {
            "mfu": metric(_utilisation(run, passed), "fraction", "forward FLOP/s over the peak of the format")
        },
        **_spent(run, passed, passed.time, workload.batch * workload.sequence),
    }


def _chunked(run: _Run) -> InferencePass:
    """Return a prefill in chunks, each of which attends to what the chunks before it cached."""
    chunk, prompt = run.plan.serving.chunk or run.workload.sequence, run.workload.sequence
    starts = np.arange(0, prompt, chunk)
    sizes = np.minimum(chunk, prompt - starts)
    plans = run.plans.take(np.zeros(len(starts), dtype=np.int64))
    passed = prefill(run.setting, plans, run.batch, sizes, starts)
    total = {name: np.array([value.sum()]) for name, value in passed.parts.items()}
    return InferencePass(total, *(np.array([a.sum()]) for a in (passed.flops, passed.traffic, passed.sent)))


def _decode_metrics(run: _Run) -> dict[str, Any]:
    metric, workload, serving = run.metric, run.workload, run.plan.serving
    served = _service(run)
    step = served.per_token
    if serving.draft_tokens:
        step = speculative_time(
            run.setting, run.plans, run.load, serving.draft_tokens, serving.acceptance, serving.draft_cost
        )
    middle = decode_step(run.setting, run.plans, run.batch, run.middle)
    request = served.first_token + (workload.output - 1) * step
    alone = run.batch * workload.output / request  # drafts replace the steps of a static batch
    rate = (alone if serving.draft_tokens else served.throughput) * run.replicas
    return {
        "time": {
            "step": metric(middle.time, "s", "of one decode step at the middle of the output"),
            "parts": _parts(middle, metric),
            "first_token": metric(served.first_token, "s"),
            "per_token": metric(step, "s", "between tokens, averaged over the output"),
            "request": metric(request, "s", "from the prompt to the last token"),
        },
        "throughput": {
            "tokens": metric(rate, "token/s", "generated, all replicas"),
            "tokens_per_device": metric(rate / run.system.devices, "token/s"),
            "tokens_per_request": metric(1 / step, "token/s", "what one user sees"),
            "requests": metric(rate / workload.output, "sample/s"),
        },
        "efficiency": {
            "mfu": metric(_utilisation(run, middle), "fraction", "forward FLOP/s over the peak of the format"),
            "bandwidth": metric(
                middle.traffic / middle.time * run.plans.pp / (run.system.main_memory.bandwidth or np.inf), "fraction",
                "DRAM bytes a second over the data sheet's",
            ),
        },
        **_spent(run, middle, 1 / rate * workload.batch, workload.batch),
    }  # fmt: skip


def _service(run: _Run) -> Service:
    """Return the service of the plan's kind: static batch, continuous batch, or devices split by phase."""
    serving = run.plan.serving
    if serving.prefill_devices:
        return _split(run)
    if serving.continuous:
        return continuous_batch(run.setting, run.plans, run.load, serving.chunk)
    return static_batch(run.setting, run.plans, run.load)


def _split(run: _Run) -> Service:
    cached = serving_memory(run.setting, run.plans, 1, run.workload.sequence, 1).cache
    share = np.array([(int(run.plans.dp[0]) - run.replicas) / run.replicas])
    return split_service(run.setting, run.plans, run.plans, run.load, cached, share)


def _utilisation(run: _Run, passed: InferencePass) -> FloatArray:
    matrix = run.system.device_as(Accelerator).matrix
    peak = max(matrix.get(name, 0.0) for name in (run.setting.precision.matmul, run.setting.precision.wide))
    return passed.flops / passed.time / peak


def _spent(run: _Run, passed: InferencePass, seconds: FloatArray, tokens: int) -> dict[str, Any]:
    """Return energy and cost of one pass of every replica, and of a million tokens at the rate of the whole system."""
    metric, system = run.metric, run.system
    form = run.setting.precision.matmul
    spent = DeviceEnergy.of(system, form, passed.time, passed.flops, passed.traffic, passed.sent)
    tree: dict[str, Any] = {}
    power = None
    if spent is not None:
        hosts = None if spent.hosts is None else spent.hosts * system.devices
        joules = spent.total * system.devices + (0.0 if hosts is None else hosts)
        power = float(joules[0] / passed.time[0] / system.devices)
        parts = {name: metric(part * system.devices, "J") for name, part in spent.parts.items()}
        note = "with their share of hosts and network" if hosts is not None else "of their hosts unknown"
        tree["energy"] = {
            "pass": metric(joules, "J", f"all devices, {note}"),
            "parts": {**parts, **({} if hosts is None else {"hosts": metric(hosts, "J")})},
            "power_per_device": metric(power, "W"),
            "token": metric(power * system.devices * seconds / tokens, "J"),
        }
    hourly = hourly_cost(system, power)
    if hourly is not None:
        tree["cost"] = {"million_tokens": metric(hourly * system.devices * seconds / 3600 / tokens * 1e6, "USD")}
    return tree


def _memory(run: _Run) -> dict[str, Any]:
    metric, workload = run.metric, run.workload
    context = workload.sequence + (workload.output if workload.phase is Phase.DECODE else 0)
    tokens = (
        1 if workload.phase is Phase.DECODE else min(workload.sequence, run.plan.serving.chunk or workload.sequence)
    )
    memory = serving_memory(run.setting, run.plans, run.batch, context, tokens)
    capacity = run.system.main_memory.capacity
    parts = {name: metric(getattr(memory, name), "B") for name in ("weights", "cache", "activations")}
    return {
        "memory": {
            "peak": metric(memory.total, "B"),
            "parts": parts,
            "capacity": metric(capacity, "B"),
            "largest_batch": metric(
                largest_batch(run.setting, run.plans, context, capacity),
                "sample",
                "sequences of this length that fit a replica",
            ),
        }
    }


def _table(run: _Run) -> Table:
    workload = run.workload
    if workload.phase is Phase.PREFILL:
        shape = inference_shape(run.plans, run.batch, workload.sequence, workload.sequence)
    else:
        shape = inference_shape(run.plans, run.batch, 1, run.middle)
    setting = run.setting
    return decoder_table(setting.decoder, setting.chip, setting.precision, shape, workload.phase, fused=setting.fused)


def _rooflines(run: _Run) -> Mapping[str, float]:
    """Return the least seconds of a pass: its weights read once by the stages one after the other."""
    bandwidth = run.system.main_memory.bandwidth or np.inf
    active = run.setting.decoder.active_parameters - run.setting.decoder.embedding_parameters
    least = active * min(run.setting.precision.weights, 2.0) / float(run.plans.tp[0]) / bandwidth
    return {"roofline.memory": least if run.plans.ep[0] * run.plans.etp[0] <= run.plans.tp[0] else 0.0}


def _bottleneck(run: _Run) -> str:
    workload = run.workload
    passed = prefill(run.setting, run.plans, run.batch, workload.sequence)
    if workload.phase is Phase.DECODE:
        passed = decode_step(run.setting, run.plans, run.batch, run.middle)
    name, value = max(passed.parts.items(), key=lambda part: float(part[1][0]))
    return f"{name.replace('_', ' ')}: {100 * float(value[0] / passed.time[0]):.0f} % of a pass"
