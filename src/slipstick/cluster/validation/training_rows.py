"""Our figures for published training rows of the `llm_validation` format: step time, throughput and memory."""

from __future__ import annotations

from collections.abc import Callable

from slipstick.cluster.sweep.choose_plan import resolved_plan
from slipstick.cluster.sweep.plans import Plans
from slipstick.cluster.training.automatic_plan import TrainingPlans
from slipstick.cluster.training.estimate import _model_flops
from slipstick.cluster.training.memory import _Residents
from slipstick.cluster.training.pipeline_stages import _Stages
from slipstick.cluster.training.training_setting import TrainingSetting
from slipstick.cluster.training.training_step import training_step
from slipstick.cluster.validation.row_questions import Row, _Case, _training_case
from slipstick.core.errors import SlipstickError
from slipstick.core.workload import Workload

_GIB = 2.0**30
_TERA = 1e12


def _training_figure(row: Row) -> float:
    """Return the modelled figure for a CSV row of kind train, in the row's unit."""
    case = _training_case(row)
    setting = TrainingSetting.of(case.workload, case.system, case.plan)
    plans = _resolved_plans(case, setting)
    time = float(training_step(setting, plans).time[0])
    return _in_unit(row["unit"], time, case.workload, case.system.devices)


def _resolved_plans(case: _Case, setting: TrainingSetting) -> Plans:
    """Return the case's plan with open fields filled by the fastest that fits."""
    capacity = case.system.main_memory.capacity - setting.reserve
    plan = resolved_plan(case.plan, case.workload, case.system, capacity, TrainingPlans(setting))
    return Plans.of([plan], case.system)


def _in_unit(unit: str, time: float, workload: Workload, devices: int) -> float:
    tokens = workload.batch * workload.sequence
    if unit.startswith("s/iteration"):
        return time
    if unit.startswith("tokens/s/gpu"):
        return tokens / time / devices
    if unit.startswith("TFLOP/s/gpu hardware"):
        return _narayanan_flops(workload) / time / devices / _TERA
    if unit.startswith("model TFLOP/s"):
        return _model_flops(workload) / time / devices / _TERA
    raise SlipstickError("not a unit of a training row", path="unit", value=unit)


def _narayanan_flops(workload: Workload) -> float:
    """Return operations of one step with full recomputation: 96 B s l h^2 (1 + s/6h + V/16lh).

    Source: Narayanan et al. 2104.04473, equation 3.
    """
    network = workload.network
    batch, sequence = workload.batch, workload.sequence
    layers, hidden, vocabulary = network.layers, network.hidden, network.vocabulary  # type: ignore[attr-defined]
    share = 1 + sequence / (6 * hidden) + vocabulary / (16 * layers * hidden)
    return float(96 * batch * sequence * layers * hidden**2 * share)


def _memory_figure(row: Row) -> float:
    """Return the modelled memory for a CSV row of kind memory, in the row's unit."""
    case = _training_case(row)
    setting = TrainingSetting.of(case.workload, case.system, case.plan)
    plans = _resolved_plans(case, setting)
    unit = row["unit"]
    for start, figure in _MEMORY.items():
        if unit.startswith(start):
            return figure(setting, plans)
    raise SlipstickError("not a unit of a memory row", path="unit", value=unit, allowed=list(_MEMORY))


def _residents(setting: TrainingSetting, plans: Plans) -> _Residents:
    return _Residents.of(setting, plans, _Stages.of(setting.stack, plans))


def _states(setting: TrainingSetting, plans: Plans) -> float:
    """GiB of weights, gradients and optimiser of the fullest stage's layers: the figure leaves the embedding out."""
    resident = _residents(setting, plans)
    elements = setting.state_bytes
    per_parameter = elements.weights + elements.gradients + elements.optimizer
    return float((resident.dense + resident.experts - resident.end_weights).max()) * per_parameter / _GIB


def _activations(setting: TrainingSetting, plans: Plans) -> float:
    """GiB of activations of the first stage."""
    resident = _residents(setting, plans)
    return float(resident.activations[0, 0]) / _GIB


def _percent_of_tensor_parallel(setting: TrainingSetting, plans: Plans) -> float:
    """Activations of a layer, in percent of those with tensor parallelism alone (no sp, nothing recomputed)."""
    plain = Plans.of_columns(1, {**plans.__dict__, "sp": False, "recompute": 0})
    ours = _residents(setting, plans).layer_activations[0][0]
    return float(100 * ours / _residents(setting, plain).layer_activations[0][0])


def _peak(setting: TrainingSetting, plans: Plans) -> float:
    """GiB that the fullest stage holds."""
    return float(_residents(setting, plans).total.max()) / _GIB


_MEMORY: dict[str, Callable[[TrainingSetting, Plans], float]] = {
    "GiB/gpu parameters+optimizer": _states,
    "GiB/gpu activations": _activations,
    "percent of activation memory": _percent_of_tensor_parallel,
    "GiB/gpu peak": _peak,
}
