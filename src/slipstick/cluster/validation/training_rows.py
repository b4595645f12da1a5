"""Training steps as published, replayed: seconds, throughputs and memory of the `llm_validation` format."""

from __future__ import annotations

from collections.abc import Callable

from slipstick.cluster.assembly import training_setting
from slipstick.cluster.sweep.choose_plan import resolved
from slipstick.cluster.sweep.plans import Plans
from slipstick.cluster.training.memory import residents
from slipstick.cluster.training.training_report import model_flops
from slipstick.cluster.training.training_setting import Setting, stage_kinds
from slipstick.cluster.training.training_step import train
from slipstick.cluster.validation.row_questions import Case, Row, training_case
from slipstick.core.errors import SlipstickError
from slipstick.core.workload import Workload

GIB = 2.0**30
TERA = 1e12


def training_figure(row: Row) -> float:
    """Return our figure for a row of kind train, in the row's unit."""
    case = training_case(row)
    setting = training_setting(case.workload, case.system, case.plan)
    plans = resolve(case, setting)
    time = float(train(setting, plans).time[0])
    return _in_unit(row["unit"], time, case.workload, case.system.devices)


def resolve(case: Case, setting: Setting) -> Plans:
    """Return the case's plan with open fields filled by the fastest that fits."""

    def evaluate(plans: Plans) -> tuple[object, object]:
        step = train(setting, plans)
        return step.time, step.peak_memory

    plan = resolved(case.plan, case.workload, case.system, case.system.main_memory.capacity, evaluate)  # type: ignore[arg-type]
    return Plans.of([plan], case.system)


def _in_unit(unit: str, time: float, workload: Workload, devices: int) -> float:
    tokens = workload.batch * workload.sequence
    if unit.startswith("s/iteration"):
        return time
    if unit.startswith("tokens/s/gpu"):
        return tokens / time / devices
    if unit.startswith("TFLOP/s/gpu hardware"):
        return narayanan_flops(workload) / time / devices / TERA
    if unit.startswith("model TFLOP/s"):
        return model_flops(workload) / time / devices / TERA
    raise SlipstickError("not a unit of a training row", path="unit", value=unit)


def narayanan_flops(workload: Workload) -> float:
    """Return operations of one step with full recomputation: 96 B s l h^2 (1 + s/6h + V/16lh).

    Source: Narayanan et al. 2104.04473, equation 3.
    """
    network = workload.network
    batch, sequence = workload.batch, workload.sequence
    layers, hidden, vocabulary = network.layers, network.hidden, network.vocabulary  # type: ignore[attr-defined]
    share = 1 + sequence / (6 * hidden) + vocabulary / (16 * layers * hidden)
    return float(96 * batch * sequence * layers * hidden**2 * share)


def memory_figure(row: Row) -> float:
    """Return our figure for a row of kind memory, in the row's unit."""
    case = training_case(row)
    setting = training_setting(case.workload, case.system, case.plan)
    plans = resolve(case, setting)
    unit = row["unit"]
    for start, figure in _MEMORY.items():
        if unit.startswith(start):
            return figure(setting, plans)
    raise SlipstickError("not a unit of a memory row", path="unit", value=unit, allowed=list(_MEMORY))


def _states(setting: Setting, plans: Plans) -> float:
    """GiB of weights, gradients and optimiser of the fullest stage's layers: the figure leaves the embedding out."""
    held = residents(setting, plans, stage_kinds(setting, plans))
    elements = setting.elements
    per_parameter = elements.weights + elements.gradients + elements.optimizer
    return float((held.dense + held.experts - held.end_weights).max()) * per_parameter / GIB


def _activations(setting: Setting, plans: Plans) -> float:
    """GiB of activations of the first stage."""
    held = residents(setting, plans, stage_kinds(setting, plans))
    return float(held.activations[0, 0]) / GIB


def _percent_of_tensor_parallel(setting: Setting, plans: Plans) -> float:
    """Activations of a layer, in percent of those with tensor parallelism alone (no sp, nothing recomputed)."""
    plain = Plans.of_columns(1, {**plans.__dict__, "sp": False, "recompute": 0})
    kinds = stage_kinds(setting, plans)
    ours = residents(setting, plans, kinds).layer_activations[0][0]
    return float(100 * ours / residents(setting, plain, kinds).layer_activations[0][0])


def _peak(setting: Setting, plans: Plans) -> float:
    """GiB that the fullest stage holds."""
    return float(residents(setting, plans, stage_kinds(setting, plans)).total.max()) / GIB


_MEMORY: dict[str, Callable[[Setting, Plans], float]] = {
    "GiB/gpu parameters+optimizer": _states,
    "GiB/gpu activations": _activations,
    "percent of activation memory": _percent_of_tensor_parallel,
    "GiB/gpu peak": _peak,
}
