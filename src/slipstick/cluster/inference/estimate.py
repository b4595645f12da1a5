"""Estimate of a decoder's inference: time to first token, time per output token, whole requests, serving under load."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from slipstick.cluster.constants.generic_constants import constants_findings
from slipstick.cluster.inference.demand import _Demand, _needed_copies
from slipstick.cluster.inference.inference_pass import (
    _decode_step,
    _inference_shape,
    _InferencePass,
    _InferenceSetting,
    _largest_batch,
    _prefill,
    _serving_memory,
)
from slipstick.cluster.inference.inference_points import (
    _InferencePoints,
    _prefilling_code,
    _prefilling_replicas,
    _service_of,
    _serving_options,
    _stations_of,
)
from slipstick.cluster.inference.question_plan import _inference_plan
from slipstick.cluster.inference.serving import _Load, _speculative_time
from slipstick.cluster.inference.spent_figures import _spent_figures
from slipstick.cluster.kernels.device_parameters import _held_experts
from slipstick.cluster.kernels.device_power import _power_findings
from slipstick.cluster.kernels.energy import _DeviceEnergy
from slipstick.cluster.kernels.figure_origins import _Origins
from slipstick.cluster.kernels.kernel_table import _decoder_table
from slipstick.cluster.sweep.plans import Plans
from slipstick.core.arrays import FloatArray
from slipstick.core.device_kinds import Accelerator
from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Plan
from slipstick.core.question import Question
from slipstick.core.workload import Phase
from slipstick.report.report import Metric, Report, Table

_PAPERS = ("kundu2024", "ardalani2022", "dao2022")


def _metric(value: Any, unit: str, note: str = "") -> Metric:
    """Return a figure of one point as a Metric without a source: `_origins` says what each figure rests on.

    Errors
    ------
    SlipstickError for a figure that is no number: the waiting of too few copies.
    """
    number = float(np.asarray(value).item())
    if np.isnan(number):
        message = "no number of copies of the system keeps the waiting within these limits"
        raise SlipstickError(message, path="rate", allowed="longer limits, or a plan with a shorter first token")
    return Metric(number, unit, "estimated", note=note)


def estimate_inference(question: Question) -> Report:
    """Return the report of inference on a cluster: a prefill, or prompts with generated tokens, on every replica.

    Errors
    ------
    SpecErrors where the plan is impossible; too little memory is a finding of the report.
    """
    workload, system = question.workload, question.system
    run, plan = _question_point(question)
    return Report.of(
        question.with_plan(plan),
        _with_demand(_origins(run).marked(_inference_figures(run, _metric)), run.demand),
        {"ops": _table(run)},
        title=f"{workload.name} on {system.devices} x {system.name}",
        bottleneck=_bottleneck(run),
        papers=_PAPERS,
        facts=_rooflines(run),
        findings=(*constants_findings(system), *_power_findings(system)),
    )


def _origins(run: _InferencePoints) -> _Origins:
    """Return what the figures of a prefill or of served requests rest on."""
    setting, stack = run.setting, run.setting.stack
    engine = f"serving software {stack.name}: {'calibrated' if stack.calibrated else 'not calibrated'}"
    return _Origins.of(
        run.system,
        setting.chip,
        setting.precision.matmul,
        str(run.phase),
        reserve=stack.source_of("memory_share"),
        time=engine,
    )


def _with_demand(tree: dict[str, Any], demand: _Demand | None) -> dict[str, Any]:
    """Return the tree in which waiting and load name the arrivals that they rest on, beside the times of requests."""
    if demand is None:
        return tree
    waits = {name: _after_queueing(metric, demand) for name, metric in tree["time"]["queue"].items()}
    queue = {name: replace(metric, low=None, high=None) for name, metric in waits.items()}  # not in proportion to times
    load = {name: _after_queueing(metric, demand) for name, metric in tree["load"].items()}
    load["rate"] = replace(load["rate"], how="given", source=demand.source, low=None, high=None)
    load["utilisation"] = replace(load["utilisation"], low=None, high=None)
    return {**tree, "time": {**tree["time"], "queue": queue}, "load": load}


def _after_queueing(metric: Metric, demand: _Demand) -> Metric:
    return replace(metric, source=f"{demand.method}; times of requests: {metric.source}")


def _inference_figures(run: _InferencePoints, metric: Callable[..., Any]) -> dict[str, Any]:
    """Return the tree of all figures of the points.

    Parameters
    ----------
    metric : called with (values, unit, note); writes a figure down as a Metric, or as a column of a sweep.
    """
    passes = _prefill_metrics if run.phase is Phase.PREFILL else _decode_metrics
    return {**passes(run, metric), **_memory(run, metric)}


def _question_point(question: Question) -> tuple[_InferencePoints, Plan]:
    """Return the single point of a question, and its plan without ``auto``, in the terms of its user.

    Errors
    ------
    SpecErrors where the plan is impossible.
    """
    workload, system = question.workload, question.system
    setting = _InferenceSetting.of(workload, system, question.plan)
    filled, ranks = _inference_plan(question.plan, setting, workload, system)
    plans = Plans.of([filled], system)
    sizes = _Load(*(np.array([size]) for size in (workload.batch, workload.sequence, workload.output)))
    devices = np.array([_prefilling_code(filled.serving.prefill_devices)])
    demand = _Demand.of(question.options)
    filled = filled.model_copy(update={"serving": _serving_options(filled, demand)})
    together = np.zeros_like(devices)
    points = _InferencePoints(workload.phase, system, filled.serving, setting, plans, sizes, together, demand)
    prefilling, possible = _prefilling_replicas(points, devices)
    degree, count = (plans.tp * plans.pp).item(), plans.dp.item()
    if not possible.item():
        raise _no_prefill_replicas(question.plan.serving.prefill_devices, degree, count)
    degrees: dict[str, Any] = {"tp": plans.tp.item() * ranks, "dp": count // ranks, "attention_dp": ranks}
    if devices.item():
        degrees["prefill_devices"] = prefilling.item() * degree
    return replace(points, prefilling=prefilling), Plan.of(filled, **degrees)


def _no_prefill_replicas(stated: int | str, degree: int, count: int) -> SlipstickError:
    """Return the error of prefill devices that are not some of the `count` replicas of `degree` devices."""
    message = "not some of the replicas of tp*pp devices, which prefill or decode"
    allowed = f"a multiple of {degree} below {degree * count}"
    if count == 1:
        allowed = f"0, as all {degree} devices are one replica; else a smaller tp*pp, or more devices"
    return SlipstickError(message, path="plan.serving.prefill_devices", value=stated, allowed=allowed)


def _parts(passed: _InferencePass, metric: Any) -> dict[str, Any]:
    return {name: metric(value, "s") for name, value in passed.parts.items() if (value > 0).any()}


def _prefill_metrics(run: _InferencePoints, metric: Callable[..., Any]) -> dict[str, Any]:
    sizes = run.sizes
    passed = _chunked(run) if run.serving.chunk else _prefill(run.setting, run.plans, run.batch, sizes.prompt)
    tokens = sizes.concurrency * sizes.prompt / passed.time
    return {
        "time": {"first_token": metric(passed.time, "s"), "parts": _parts(passed, metric)},
        "throughput": {
            "tokens": metric(tokens, "token/s", "of the prompts, all replicas"),
            "tokens_per_device": metric(tokens / run.system.devices, "token/s"),
        },
        "efficiency": {
            "mfu": metric(_utilisation(run, passed), "fraction", "forward FLOP/s over the peak of the format")
        },
        **_spent(run, metric, passed, 1 / tokens, None),
    }


def _chunked(run: _InferencePoints) -> _InferencePass:
    """Return the pass of a chunked prefill, each chunk attending to the keys and values cached before it."""
    prompt = run.sizes.prompt
    chunk = np.minimum(run.serving.chunk or prompt, prompt)
    pieces = -(-prompt // chunk)
    point = np.repeat(np.arange(len(prompt)), pieces)
    starts = (np.arange(len(point)) - np.repeat(np.cumsum(pieces) - pieces, pieces)) * chunk[point]
    sizes = np.minimum(chunk[point], prompt[point] - starts)
    passed = _prefill(run.setting, run.plans.take(point), run.batch[point], sizes, starts)

    def total(values: FloatArray) -> FloatArray:
        return np.asarray(np.bincount(point, values, len(prompt)), np.float64)

    parts = {name: total(values) for name, values in passed.parts.items()}
    return _InferencePass(parts, total(passed.flops), total(passed.traffic), total(passed.sent))


def _decode_metrics(run: _InferencePoints, metric: Callable[..., Any]) -> dict[str, Any]:
    serving, output = run.serving, run.sizes.output
    served = _service_of(run)
    step = served.per_token
    if serving.draft_tokens:
        step = _speculative_time(
            run.setting, run.plans, run.load, serving.draft_tokens, serving.acceptance, serving.draft_cost
        )
    middle = _decode_step(run.setting, run.plans, run.batch, run.middle)
    request = served.first_token + (output - 1) * step
    alone = run.batch * output / request  # drafts replace the steps of a static batch
    rate = (alone if serving.draft_tokens else served.throughput) * run.replicas
    queue, load, paid = _under_demand(run, metric, request, served.first_token)
    tree = {
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
            "requests": metric(rate / output, "sample/s"),
        },
        "efficiency": {
            "mfu": metric(_utilisation(run, middle), "fraction", "forward FLOP/s over the peak of the format"),
            "bandwidth": metric(
                middle.traffic / middle.time * run.plans.pp / (run.system.main_memory.bandwidth or np.inf), "fraction",
                "DRAM bytes a second over the data sheet's",
            ),
        },
        **_spent(run, metric, middle, 1 / rate, paid),
    }  # fmt: skip
    return {**tree, "time": {**tree["time"], **queue}, **load}


def _under_demand(
    run: _InferencePoints, metric: Callable[..., Any], request: FloatArray, first: FloatArray
) -> tuple[dict[str, Any], dict[str, Any], FloatArray | None]:
    """Return the figures of waiting and of load under a demand, and the seconds of a copy that each token pays.

    Nothing, and None, without a demand; NaN where no number of copies keeps the waiting within its limits.
    """
    if run.demand is None:
        return {}, {}, None
    stations = _stations_of(run, request, first)
    copies = _needed_copies(run.demand, stations, run.sizes, first)
    devices, rate, places = copies.count * run.system.devices, run.demand.rate, stations[-1]
    arrivals = "Poisson arrivals" if run.demand.trace is None else "the trace, simulated"
    queue = {
        "mean": metric(copies.mean, "s", f"until a request is taken up; {arrivals}"),
        "p99": metric(copies.p99, "s", "that 99 of 100 requests wait at most"),
        "first_token": metric(copies.p99 + first, "s", "from arrival to first token, for 99 of 100 requests"),
    }
    busy = rate * places.service / (copies.count * places.servers)
    load = {
        "rate": metric(np.full_like(first, rate), "sample/s", "requests that arrive"),
        "copies": metric(copies.count, "", "of the system, which share one queue"),
        "devices": metric(devices, "device", "of all copies"),
        "utilisation": metric(busy, "fraction", "of the places in the running batches"),
        "tokens_per_device": metric(rate * run.sizes.output / devices, "token/s"),
    }
    return {"queue": queue}, {"load": load}, copies.count / (rate * run.sizes.output)


def _utilisation(run: _InferencePoints, passed: _InferencePass) -> FloatArray:
    matrix = run.system.device_as(Accelerator).matrix
    peak = max(matrix.get(name, 0.0) for name in (run.setting.precision.matmul, run.setting.precision.wide))
    return passed.flops / passed.time / peak


def _spent(
    run: _InferencePoints,
    metric: Callable[..., Any],
    passed: _InferencePass,
    per_token: FloatArray,
    paid: FloatArray | None,
) -> dict[str, Any]:
    """Return the metrics of energy, carbon and cost: per pass of every replica, and per tokens of the whole system.

    Parameters
    ----------
    per_token : time in which the whole system gives one token [s].
    paid : time of a system that one token pays for [s], where the system is not always busy; None: `per_token`.
    """
    form = run.setting.precision.matmul
    spent = _DeviceEnergy.of(run.system, form, passed.time, passed.flops, passed.traffic, passed.sent)
    return _spent_figures(run.system, spent, passed.time, per_token, per_token if paid is None else paid, metric)


def _memory(run: _InferencePoints, metric: Callable[..., Any]) -> dict[str, Any]:
    sizes = run.sizes
    context = sizes.prompt + (sizes.output if run.phase is Phase.DECODE else 0)
    chunk = np.minimum(sizes.prompt, run.serving.chunk or sizes.prompt)
    tokens = np.ones_like(chunk) if run.phase is Phase.DECODE else chunk
    memory = _serving_memory(run.setting, run.plans, run.batch, context, tokens)
    capacity = run.system.main_memory.capacity
    notes = {"weights": _copied_experts(run)}
    parts = {
        name: metric(getattr(memory, name), "B", notes.get(name, "")) for name in ("weights", "cache", "activations")
    }
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


def _copied_experts(run: _InferencePoints) -> str:
    """Return a note on experts that several ranks hold, where ep does not divide them; none for columns of plans."""
    if len(run.plans) > 1:
        return ""
    ranks = run.plans.ep.item()
    shares = {count: int(_held_experts(count, run.plans.ep)[0]) for count in run.setting.decoder.expert_counts}
    return "; ".join(
        f"{share} of {count} experts on each of {ranks} ranks: {share * ranks - count} are redundant copies"
        for count, share in shares.items()
        if share * ranks > count
    )


def _table(run: _InferencePoints) -> Table:
    if run.phase is Phase.PREFILL:
        shape = _inference_shape(run.plans, run.batch, run.sizes.prompt, run.sizes.prompt)
    else:
        shape = _inference_shape(run.plans, run.batch, 1, run.middle)
    setting = run.setting
    return _decoder_table(setting.decoder, setting.chip, setting.precision, shape, run.phase, fused=setting.fused)


def _rooflines(run: _InferencePoints) -> Mapping[str, float]:
    """Return the rooflines (lower bounds [s]) of a pass by name; stages read their weights one after the other."""
    bandwidth = run.system.main_memory.bandwidth or np.inf
    active = run.setting.decoder.active_parameters - run.setting.decoder.embedding_parameters
    least = active * min(run.setting.precision.weights, 2.0) / run.plans.tp.item() / bandwidth
    return {"roofline.memory": least if (run.plans.ep * run.plans.etp <= run.plans.tp).item() else 0.0}


def _bottleneck(run: _InferencePoints) -> str:
    passed = _prefill(run.setting, run.plans, run.batch, run.sizes.prompt)
    if run.phase is Phase.DECODE:
        passed = _decode_step(run.setting, run.plans, run.batch, run.middle)
    name, value = max(passed.parts.items(), key=lambda part: part[1].item())
    return f"{name.replace('_', ' ')}: {100 * (value / passed.time).item():.0f} % of a pass"
