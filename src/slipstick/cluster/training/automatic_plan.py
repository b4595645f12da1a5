"""Model of training steps for the choice of a plan: exact figures, and lower bounds over a division's options."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from slipstick.cluster.sweep.plan_space import _PlanSpace
from slipstick.cluster.sweep.plans import Plans
from slipstick.cluster.training.memory import _Residents
from slipstick.cluster.training.pipeline_stages import _Stages
from slipstick.cluster.training.training_setting import TrainingSetting
from slipstick.cluster.training.training_step import training_step
from slipstick.core.arrays import BoolArray, FloatArray, IntArray
from slipstick.core.plan import Plan
from slipstick.core.system import System
from slipstick.core.workload import Workload

_OF_TIME = ("sp", "tp_overlap", "tp_pattern", "regather", "zero")  # options that the bound of time must vary
_OF_MEMORY = ("sp", "recompute", "partition", "zero")


@dataclass(frozen=True)
class _TrainingPlans:
    """Training steps of one setting as a model of plans: see `slipstick.cluster.sweep.best_plan._PlanModel`."""

    setting: TrainingSetting

    def figures(self, plans: Plans) -> tuple[FloatArray, FloatArray]:
        """Return the time of a step [s] and the peak memory of a device [B] of each plan, (n,) each."""
        step = training_step(self.setting, plans)
        return step.time, step.peak_memory

    def time_bounds(self, space: _PlanSpace, divisions: Plans) -> FloatArray:
        """Return lower bounds of the time [s] over all options of each division, (n,), from one plan of each.

        With m microbatches a pipeline of p stages and v chunks takes at least (m + (p - 1) / v) / p times what one
        microbatch takes on all stages together, however the layers are cut; what follows it is left out, and so are the
        messages of tensor parallelism, which depend on the options.
        """
        plans = replace(divisions, sp=divisions.tp > 1) if "sp" in space.options else divisions
        step = training_step(self.setting, plans)
        return self._pipelined(step.local_work, plans, space.deepest_interleave(divisions))

    def memory_bounds(self, space: _PlanSpace, divisions: Plans) -> FloatArray:
        """Return lower bounds of the peak memory of a device [B] of each division and open stage of ZeRO."""
        least = _plainest(space)
        saving = {**least, **{name: space.options[name] for name in _OF_MEMORY if name in space.options}}
        plans, row = space.expanded(divisions, saving)
        memory = _Residents.of(self.setting, plans, _Stages.of(self.setting.stack, plans)).total.max(axis=1)
        return _least(memory, row, space.zero_index(plans), (len(divisions), space.zero_count))

    def near_time_bounds(self, space: _PlanSpace, divisions: Plans, fitting: BoolArray) -> FloatArray:
        """Return lower bounds of time [s] of each division and stage of ZeRO: best messages, shortest close."""
        least = _plainest(space)
        varied = {**least, **{name: space.options[name] for name in _OF_TIME if name in space.options}}
        plans, row = space.expanded(divisions, varied)
        asked = np.flatnonzero(fitting[row, space.zero_index(plans)])
        plans, row = plans.take(asked), row[asked]
        chunks = space.deepest_interleave(divisions)[row]
        step = training_step(self.setting, replace(plans, interleave=chunks))
        bounds = self._pipelined(step.work, plans, chunks) + step.closing
        return _least(bounds, row, space.zero_index(plans), (len(divisions), space.zero_count))

    def _pipelined(self, work: FloatArray, plans: Plans, chunks: IntArray) -> FloatArray:
        microbatches = self.setting.batch // (plans.dp * plans.microbatch)
        return work / plans.pp * (microbatches + (plans.pp - 1) / chunks)


def _training_model(workload: Workload, system: System, plan: Plan) -> tuple[_TrainingPlans, float]:
    """Return the model of a question's training plans, and the bytes of memory that a device offers to them."""
    setting = TrainingSetting.of(workload, system, plan)
    return _TrainingPlans(setting), system.main_memory.capacity - setting.reserve


def _plainest(space: _PlanSpace) -> dict[str, tuple[int, ...]]:
    """Return the first value of each open option, of partition all: a given interleave may need the room of one."""
    return {name: values if name == "partition" else values[:1] for name, values in space.options.items()}


def _least(values: FloatArray, row: IntArray, column: IntArray, shape: tuple[int, int]) -> FloatArray:
    """Return the least of the values of each row and column; infinite where there are none."""
    least = np.full(shape, np.inf)
    np.minimum.at(least, (row, column), values)
    return least
