"""Our figures for published training rows of the `llm_validation` format: step time, throughput and memory."""

from __future__ import annotations

from collections.abc import Callable

from slipstick.cluster.sweep.choose_plan import _resolved_plan
from slipstick.cluster.sweep.plans import RECOMPUTE, Plans
from slipstick.cluster.training.automatic_plan import _TrainingPlans
from slipstick.cluster.training.estimate import _model_flops
from slipstick.cluster.training.memory import _Residents
from slipstick.cluster.training.pipeline_stages import _Stages
from slipstick.cluster.training.training_setting import TrainingSetting
from slipstick.cluster.training.training_step import training_step
from slipstick.cluster.validation.row_cells import Row
from slipstick.cluster.validation.row_questions import _Case, _training_case
from slipstick.cluster.validation.row_units import _memory_unit, _RowUnit, _training_unit
from slipstick.core.errors import SlipstickError
from slipstick.core.workload import Workload

_GIB = 2.0**30


def _training_figure(row: Row) -> tuple[float, str]:
    """Return the modelled figure for a CSV row of kind train, in the row's unit, and a note on it."""
    unit, case = _training_unit(row["unit"]), _training_case(row)
    setting = TrainingSetting.of(case.workload, case.system, case.plan)
    plans = _resolved_plans(case, setting)
    step = training_step(setting, plans)
    note = _fit_note(case, setting, plans)
    return _in_unit(unit, float(step.time[0]), case, RECOMPUTE[int(plans.recompute[0])]), note


def _resolved_plans(case: _Case, setting: TrainingSetting) -> Plans:
    """Return the case's plan with open fields filled by the fastest that fits."""
    capacity = case.system.main_memory.capacity - setting.reserve
    plan = _resolved_plan(case.plan, case.workload, case.system, capacity, _TrainingPlans(setting))
    return Plans.of([plan], case.system)


def _fit_note(case: _Case, setting: TrainingSetting, plans: Plans) -> str:
    """Return a note where our peak is above a device's memory.

    Errors
    ------
    SlipstickError where weights, gradients and optimiser alone are: what is above the memory cannot have run.
    """
    resident, capacity = _residents(setting, plans), case.system.main_memory.capacity
    states = float((resident.weights + resident.gradients + resident.optimizer).max())
    if states > capacity:
        message = f"does not fit: {states / _GIB:.4g} GiB of {capacity / _GIB:.4g} a device before any activation"
        raise SlipstickError(message, path="memory")
    peak = float(resident.total.max())
    return f"by our count {peak / _GIB:.4g} GiB a device, of {capacity / _GIB:.4g}" if peak > capacity else ""


def _in_unit(unit: _RowUnit, time: float, case: _Case, recompute: str) -> float:
    workload, devices = case.workload, case.system.devices if unit.per_device else 1
    if unit.quantity == "step":
        return time / unit.scale
    if unit.quantity == "operations by formula":
        work = _narayanan_flops(workload)
    elif unit.quantity == "hardware operations":
        if recompute != "full":
            message = "hardware operations are counted for full recomputation, by the formula of 2104.04473"
            raise SlipstickError(message, path="recompute", value=recompute, allowed="full")
        work = _narayanan_flops(workload)
    elif unit.quantity == "model operations":
        work = _model_flops(workload)
    else:
        work = workload.batch * (workload.sequence if unit.quantity == "token" else 1)
    return work / time / devices / unit.scale


def _narayanan_flops(workload: Workload) -> float:
    """Return operations of one step with full recomputation: 96 B s l h^2 (1 + s/6h + V/16lh).

    Source: Narayanan et al. 2104.04473, equation 3.
    """
    network = workload.network
    batch, sequence = workload.batch, workload.sequence
    layers, hidden, vocabulary = network.layers, network.hidden, network.vocabulary  # type: ignore[attr-defined]
    share = 1 + sequence / (6 * hidden) + vocabulary / (16 * layers * hidden)
    return float(96 * batch * sequence * layers * hidden**2 * share)


def _memory_figure(row: Row) -> tuple[float, str]:
    """Return the modelled memory for a CSV row of kind memory, in the row's unit, and a note on it."""
    unit, case = _memory_unit(row["unit"]), _training_case(row)
    setting = TrainingSetting.of(case.workload, case.system, case.plan)
    plans = _resolved_plans(case, setting)
    return _MEMORY[unit.quantity](setting, plans) / unit.scale, ""


def _residents(setting: TrainingSetting, plans: Plans) -> _Residents:
    return _Residents.of(setting, plans, _Stages.of(setting.stack, plans))


def _states(setting: TrainingSetting, plans: Plans) -> float:
    """Bytes of weights, gradients and optimiser of the fullest stage's layers: the figure leaves the embedding out."""
    resident = _residents(setting, plans)
    elements = setting._state_bytes
    per_parameter = elements.weights + elements.gradients + elements.optimizer
    return float((resident.dense + resident.experts - resident.end_weights).max()) * per_parameter


def _activations(setting: TrainingSetting, plans: Plans) -> float:
    """Bytes of activations of the first stage."""
    resident = _residents(setting, plans)
    return float(resident.activations[0, 0])


def _percent_of_tensor_parallel(setting: TrainingSetting, plans: Plans) -> float:
    """Activations of a layer, in percent of those with tensor parallelism alone (no sp, nothing recomputed)."""
    plain = Plans.of_columns(1, {**plans.__dict__, "sp": False, "recompute": 0})
    ours = _residents(setting, plans).layer_activations[0][0]
    return float(100 * ours / _residents(setting, plain).layer_activations[0][0])


def _peak(setting: TrainingSetting, plans: Plans) -> float:
    """Bytes that the fullest stage holds."""
    return float(_residents(setting, plans).total.max())


_MEMORY: dict[str, Callable[[TrainingSetting, Plans], float]] = {
    "states": _states,
    "activations": _activations,
    "share": _percent_of_tensor_parallel,
    "peak": _peak,
}
