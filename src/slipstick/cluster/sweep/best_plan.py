"""Best plan of a space, by branch and bound: exact, and faster than trying every plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from slipstick.cluster.sweep.plan_space import _PlanSpace
from slipstick.cluster.sweep.plans import Plans
from slipstick.core.arrays import BoolArray, FloatArray, IntArray

EQUAL = 0.002  # share of the best time by which plans are as good as the best: the simplest of them is taken
_FIRST, _MOST = 8, 96  # divisions that are expanded at a time


class _PlanModel(Protocol):
    """Time and memory of plans, as the search for the best plan asks for them."""

    def figures(self, plans: Plans) -> tuple[FloatArray, FloatArray]:
        """Return the time [s] and the peak memory of a device [B] of each plan, (n,) each."""

    def time_bounds(self, space: _PlanSpace, divisions: Plans) -> FloatArray:
        """Return lower bounds of time [s] over all options of each division, (n,), quickly found."""

    def near_time_bounds(self, space: _PlanSpace, divisions: Plans, fitting: BoolArray) -> FloatArray:
        """Return nearer lower bounds of time [s], which take longer to find, of each division and open stage of ZeRO.

        Shape (n, stages of ZeRO) as that of `fitting`; infinite where no option is possible, or where no plan may fit.
        """

    def memory_bounds(self, space: _PlanSpace, divisions: Plans) -> FloatArray:
        """Return lower bounds of the peak memory of a device [B] of each division and open stage of ZeRO.

        Shape (n, stages of ZeRO); infinite where no option is possible.
        """


@dataclass(frozen=True)
class _BestPlan:
    """Best plan of a space: a row of columns, its figures, and how many plans were evaluated of how many divisions.

    `fits` is False where no plan fits in memory; the plan is then the one that needs least.
    """

    plans: Plans
    time: float
    memory: float
    fits: bool
    evaluated: int


def _best_plan(space: _PlanSpace, model: _PlanModel, capacity: float) -> _BestPlan | None:
    """Return the fastest plan of a space that fits in memory; None where no plan is possible.

    Divisions of devices and batch are expanded in the order of their lower bounds, until the next bound is above the
    best plan found; so the answer is that of an exhaustive search.

    Parameters
    ----------
    capacity : bytes of memory that a device offers.
    """
    divisions = space.divisions()
    if not len(divisions):
        return None
    bounds = model.time_bounds(space, divisions)
    order = np.argsort(bounds, kind="stable")
    fastest, evaluated = _Fastest(capacity), 0
    start, size = 0, _FIRST
    while start < len(order) and bounds[order[start]] <= fastest.limit:
        plans = _promising(space, model, divisions.take(order[start : start + size]), fastest)
        start, size = start + size, min(2 * size, _MOST)
        if len(plans):
            fastest.add(plans, *model.figures(plans))
            evaluated += len(plans)
    if not fastest.parts:
        return _smallest_plan(space, model)
    return fastest.simplest(space.node, evaluated)


@dataclass
class _Fastest:
    """Fastest plans so far that fit in `capacity` bytes: all that are as good as the best."""

    capacity: float
    time: float = np.inf
    parts: list[tuple[Plans, FloatArray, FloatArray]] = field(default_factory=list)

    @property
    def limit(self) -> float:
        """Longest time [s] of a plan that is as good as the best."""
        return self.time * (1 + EQUAL)

    def add(self, plans: Plans, time: FloatArray, memory: FloatArray) -> None:
        """Keep those of some plans that fit and are as good as the best."""
        keep = np.flatnonzero(memory <= self.capacity)
        if len(keep):
            self.time = min(self.time, float(time[keep].min()))
            keep = keep[time[keep] <= self.limit]
            self.parts.append((plans.take(keep), time[keep], memory[keep]))

    def simplest(self, node: int, evaluated: int) -> _BestPlan:
        """Return the plan that is easiest to run among those as good as the best."""
        plans = Plans.joined([part for part, _, _ in self.parts])
        time, memory = (np.concatenate([part[place] for part in self.parts]) for place in (1, 2))
        index = _best_of_rows(plans, np.zeros(len(plans), dtype=np.int64), (time, memory), self.capacity, node)
        return _BestPlan(plans.take(index), time[index].item(), memory[index].item(), True, evaluated)


def _best_of_rows(
    plans: Plans, row: IntArray, figures: tuple[FloatArray, FloatArray], capacity: float, node: int
) -> IntArray:
    """Return the index of the best plan of each row that has plans, in the order of rows.

    It is the easiest to run of those that fit and are as fast as the fastest; where none fits, the one that needs least
    memory.

    Parameters
    ----------
    row : the row of each plan, (n,).
    figures : time [s] and memory [B] of each plan, (n,) each.
    """
    time, memory = figures
    fits = memory <= capacity
    fastest = np.full(int(row.max()) + 1, np.inf)
    np.minimum.at(fastest, row[fits], time[fits])
    good = fits & (time <= fastest[row] * (1 + EQUAL))
    without = np.isinf(fastest[row])
    keys = (
        time, plans.interleave, plans.partition, plans.pp, plans.tp, plans.cp, plans.zero, plans.tp_overlap,
        plans.recompute, plans.tp > node,
    )  # fmt: skip
    order = np.lexsort((*keys, np.where(without, memory, 0.0), ~(good | without), row))
    return order[np.unique(row[order], return_index=True)[1]]


def _promising(space: _PlanSpace, model: _PlanModel, divisions: Plans, fastest: _Fastest) -> Plans:
    """Return all plans of those divisions that may fit and be as fast as the best.

    Stages of ZeRO differ most in memory and messages: each is bounded alone.
    """
    fits = model.memory_bounds(space, divisions) <= fastest.capacity
    index = np.flatnonzero(fits.any(axis=1))
    if not len(index):
        return divisions.take(index)
    promising = fits[index] & (model.near_time_bounds(space, divisions.take(index), fits[index]) <= fastest.limit)
    alive = promising.any(axis=1)
    plans, row = space.expanded(divisions.take(index[alive]))
    return plans.take(np.flatnonzero(promising[alive][row, space.zero_index(plans)]))


def _smallest_plan(space: _PlanSpace, model: _PlanModel) -> _BestPlan | None:
    """Return the plan that needs least memory, whether it fits or not; None where no plan is possible."""
    divisions = space.divisions()
    if not len(divisions):
        return None
    least = np.argsort(model.memory_bounds(space, divisions).min(axis=1), kind="stable")[:_MOST]
    plans, _ = space.expanded(divisions.take(least))
    time, memory = model.figures(plans)
    index = np.array([int(np.lexsort((time, memory))[0])])
    return _BestPlan(plans.take(index), time[index].item(), memory[index].item(), False, len(plans))
