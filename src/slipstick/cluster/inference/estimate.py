"""Estimate of a decoder's inference: time to first token, time per output token, whole requests, serving under load."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from slipstick.cluster.constants.generic_constants import constants_findings
from slipstick.cluster.inference.inference_pass import (
    _decode_step,
    _inference_shape,
    _InferencePass,
    _InferenceSetting,
    _largest_batch,
    _prefill,
    _serving_memory,
)
from slipstick.cluster.inference.serving import (
    _continuous_batch,
    _Load,
    _Service,
    _speculative_time,
    _split_service,
    _static_batch,
)
from slipstick.cluster.inference.spent_figures import _spent_figures
from slipstick.cluster.kernels.device_power import _power_findings
from slipstick.cluster.kernels.energy import _DeviceEnergy
from slipstick.cluster.kernels.figure_origins import _Origins
from slipstick.cluster.kernels.kernel_table import _decoder_table
from slipstick.cluster.sweep.best_plan import PlanModel
from slipstick.cluster.sweep.choose_plan import resolved_plan
from slipstick.cluster.sweep.plan_space import PlanSpace
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
    """Resolved Question of inference: its setting, and its plan without ``auto`` as arrays of length one."""

    workload: Workload
    system: System
    plan: Plan
    setting: _InferenceSetting
    plans: Plans
    batch: int  # sequences on one replica
    replicas: int  # that decode

    @property
    def load(self) -> _Load:
        """Load of one replica: its share of the requests."""
        return _Load(*(np.array([v]) for v in (self.batch, self.workload.sequence, self.workload.output)))

    @property
    def middle(self) -> int:
        """Context of the decode step at the middle of the output [tokens]."""
        return self.workload.sequence + (self.workload.output + 1) // 2

    def metric(self, value: Any, unit: str, note: str = "") -> Metric:
        """Return a Metric without a source: `_origins` says what each figure rests on."""
        return Metric(float(np.asarray(value).item()), unit, "estimated", note=note)


def estimate_inference(question: Question) -> Report:
    """Return the report of inference on a cluster: a prefill, or prompts with generated tokens, on every replica.

    Errors
    ------
    SpecErrors where the plan is impossible; too little memory is a finding of the report.
    """
    workload, system = question.workload, question.system
    run = _run(workload, system, question.plan)
    metrics = _prefill_metrics(run) if workload.phase is Phase.PREFILL else _decode_metrics(run)
    return Report.of(
        question.with_plan(run.plan),
        _origins(run).marked({**metrics, **_memory(run)}),
        {"ops": _table(run)},
        title=f"{workload.name} on {system.devices} x {system.name}",
        bottleneck=_bottleneck(run),
        papers=_PAPERS,
        facts=_rooflines(run),
        findings=(*constants_findings(system), *_power_findings(system)),
    )


def _origins(run: _Run) -> _Origins:
    """Return what the figures of a prefill or of served requests rest on."""
    setting, stack = run.setting, run.setting.stack
    engine = f"serving software {stack.name}: {'calibrated' if stack.calibrated else 'not calibrated'}"
    return _Origins.of(
        run.system,
        setting.chip,
        setting.precision.matmul,
        str(run.workload.phase),
        reserve=stack.source_of("memory_share"),
        time=engine,
    )


def _attention_ranks(plan: Plan, decoder: Decoder) -> Plan:
    """Return the plan with data-parallel attention resolved into replicas and expert ranks.

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
    expert_degrees = {} if parallel.ep not in (1, "auto") else {"ep": tp, "etp": 1}
    return Plan.of(plan, tp=tp // int(ranks), dp=dp, **expert_degrees)


def _run(workload: Workload, system: System, plan: Plan) -> _Run:
    plan = _attention_ranks(plan, Decoder.of(workload.network))
    setting = _InferenceSetting.of(workload, system, plan)

    model, capacity = inference_model(workload, system, plan)
    filled = resolved_plan(plan, workload, system, capacity, model)
    plans = Plans.of([filled], system)
    decoding = plans.dp.item() - _prefilling(filled, workload, plans)
    return _Run(workload, system, filled, setting, plans, max(1, workload.batch // decoding), decoding)


def inference_model(workload: Workload, system: System, plan: Plan) -> tuple[PlanModel, float]:
    """Return the model of a question's inference plans, and the bytes of memory that a device offers to them."""
    setting = _InferenceSetting.of(workload, system, plan)

    def evaluate(plans: Plans) -> tuple[FloatArray, FloatArray]:
        batch = np.maximum(1, workload.batch // plans.dp)
        context = workload.sequence + workload.output
        tokens = batch if workload.phase is Phase.DECODE else batch * workload.sequence
        if workload.phase is Phase.PREFILL:
            passed = _prefill(setting, plans, batch, workload.sequence)
        else:
            passed = _decode_step(setting, plans, batch, context)
        return passed.time / workload.batch, _serving_memory(setting, plans, batch, context, tokens // batch).total

    return _InferencePlans(evaluate), setting.capacity


@dataclass(frozen=True)
class _InferencePlans:
    """Inference passes as a model of plans (see `slipstick.cluster.sweep.best_plan.PlanModel`)."""

    evaluate: Callable[[Plans], tuple[FloatArray, FloatArray]]

    def figures(self, plans: Plans) -> tuple[FloatArray, FloatArray]:
        """Return the time of a pass [s] and the memory of a device [B] of each plan, (n,) each."""
        return self.evaluate(plans)

    def time_bounds(self, space: PlanSpace, divisions: Plans) -> FloatArray:
        """Return the time [s] of the divisions themselves: inference has no further options."""
        return self.evaluate(divisions)[0]

    near_time_bounds = time_bounds

    def memory_bounds(self, space: PlanSpace, divisions: Plans) -> FloatArray:
        """Return the memory of a device [B] of the divisions themselves."""
        return self.evaluate(divisions)[1]


def _prefilling(plan: Plan, workload: Workload, plans: Plans) -> int:
    """Return the number of prefill-only replicas of a plan with split devices (disaggregated serving), else 0."""
    devices, degree = plan.serving.prefill_devices, (plans.tp * plans.pp).item()
    if not devices or workload.phase is not Phase.DECODE:
        return 0
    if devices % degree or devices >= degree * plans.dp.item():
        raise SlipstickError(
            "not some of the replicas of tp*pp devices",
            path="plan.serving.prefill_devices",
            value=devices,
            allowed=f"a multiple of {degree} below {degree * plans.dp.item()}",
        )
    return devices // degree


def _parts(passed: _InferencePass, metric: Any) -> dict[str, Metric]:
    return {name: metric(value, "s") for name, value in passed.parts.items() if value.item() > 0}


def _prefill_metrics(run: _Run) -> dict[str, Any]:
    metric, workload = run.metric, run.workload
    passed = _chunked(run) if run.plan.serving.chunk else _prefill(run.setting, run.plans, run.batch, workload.sequence)
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


def _chunked(run: _Run) -> _InferencePass:
    """Return the pass of a chunked prefill, each chunk attending to the keys and values cached before it."""
    chunk, prompt = run.plan.serving.chunk or run.workload.sequence, run.workload.sequence
    starts = np.arange(0, prompt, chunk)
    sizes = np.minimum(chunk, prompt - starts)
    plans = run.plans.take(np.zeros(len(starts), dtype=np.int64))
    passed = _prefill(run.setting, plans, run.batch, sizes, starts)
    total = {name: np.array([value.sum()]) for name, value in passed.parts.items()}
    return _InferencePass(total, *(np.array([a.sum()]) for a in (passed.flops, passed.traffic, passed.sent)))


def _decode_metrics(run: _Run) -> dict[str, Any]:
    metric, workload, serving = run.metric, run.workload, run.plan.serving
    served = _service(run)
    step = served.per_token
    if serving.draft_tokens:
        step = _speculative_time(
            run.setting, run.plans, run.load, serving.draft_tokens, serving.acceptance, serving.draft_cost
        )
    middle = _decode_step(run.setting, run.plans, run.batch, run.middle)
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


def _service(run: _Run) -> _Service:
    """Return the quality of service of a plan: static batching, continuous batching, or disaggregated serving."""
    serving = run.plan.serving
    if serving.prefill_devices:
        return _split(run)
    if serving.continuous:
        return _continuous_batch(run.setting, run.plans, run.load, serving.chunk)
    return _static_batch(run.setting, run.plans, run.load)


def _split(run: _Run) -> _Service:
    cached = _serving_memory(run.setting, run.plans, 1, run.workload.sequence, 1).cache
    share = np.array([(run.plans.dp.item() - run.replicas) / run.replicas])
    return _split_service(run.setting, run.plans, run.plans, run.load, cached, share)


def _utilisation(run: _Run, passed: _InferencePass) -> FloatArray:
    matrix = run.system.device_as(Accelerator).matrix
    peak = max(matrix.get(name, 0.0) for name in (run.setting.precision.matmul, run.setting.precision.wide))
    return passed.flops / passed.time / peak


def _spent(run: _Run, passed: _InferencePass, seconds: FloatArray, tokens: int) -> dict[str, Any]:
    """Return the metrics of energy and cost: per pass of every replica, and per million tokens of the whole system."""
    metric, system = run.metric, run.system
    form = run.setting.precision.matmul
    spent = _DeviceEnergy.of(system, form, passed.time, passed.flops, passed.traffic, passed.sent)
    return _spent_figures(system, spent, passed.time, seconds, tokens, metric)


def _memory(run: _Run) -> dict[str, Any]:
    metric, workload = run.metric, run.workload
    context = workload.sequence + (workload.output if workload.phase is Phase.DECODE else 0)
    tokens = (
        1 if workload.phase is Phase.DECODE else min(workload.sequence, run.plan.serving.chunk or workload.sequence)
    )
    memory = _serving_memory(run.setting, run.plans, run.batch, context, tokens)
    capacity = run.system.main_memory.capacity
    parts = {name: metric(getattr(memory, name), "B") for name in ("weights", "cache", "activations")}
    return {
        "memory": {
            "peak": metric(memory.total, "B"),
            "parts": parts,
            "capacity": metric(capacity, "B"),
            "reserve": metric(capacity - run.setting.capacity, "B", "what the serving engine leaves free"),
            "largest_batch": metric(
                _largest_batch(run.setting, run.plans, context, run.setting.capacity),
                "sample",
                "sequences of this length that fit a replica",
            ),
        }
    }


def _table(run: _Run) -> Table:
    workload = run.workload
    if workload.phase is Phase.PREFILL:
        shape = _inference_shape(run.plans, run.batch, workload.sequence, workload.sequence)
    else:
        shape = _inference_shape(run.plans, run.batch, 1, run.middle)
    setting = run.setting
    return _decoder_table(setting.decoder, setting.chip, setting.precision, shape, workload.phase, fused=setting.fused)


def _rooflines(run: _Run) -> Mapping[str, float]:
    """Return the rooflines (lower bounds [s]) of a pass by name; stages read their weights one after the other."""
    bandwidth = run.system.main_memory.bandwidth or np.inf
    active = run.setting.decoder.active_parameters - run.setting.decoder.embedding_parameters
    least = active * min(run.setting.precision.weights, 2.0) / run.plans.tp.item() / bandwidth
    return {"roofline.memory": least if (run.plans.ep * run.plans.etp <= run.plans.tp).item() else 0.0}


def _bottleneck(run: _Run) -> str:
    workload = run.workload
    passed = _prefill(run.setting, run.plans, run.batch, workload.sequence)
    if workload.phase is Phase.DECODE:
        passed = _decode_step(run.setting, run.plans, run.batch, run.middle)
    name, value = max(passed.parts.items(), key=lambda part: part[1].item())
    return f"{name.replace('_', ' ')}: {100 * (value / passed.time).item():.0f} % of a pass"
