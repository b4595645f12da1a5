"""Plans of many inference points: degrees as users give them, with open degrees of experts and attention chosen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slipstick.cluster.inference.inference_pass import _decode_step, _InferenceSetting, _prefill, _serving_memory
from slipstick.cluster.inference.serving import _Load
from slipstick.cluster.sweep.distinct import _distinct
from slipstick.cluster.sweep.plan_space import _default_values
from slipstick.cluster.sweep.plans import Plans
from slipstick.cluster.sweep.rows import _Rows
from slipstick.core.arrays import FloatArray, IntArray
from slipstick.core.plan import Plan
from slipstick.core.system import System
from slipstick.core.workload import Phase, Workload

_OPEN, _AS_TP = 0, -1  # codes of a degree that is left open, and of an etp that follows tp


@dataclass(frozen=True)
class _Degrees(_Rows):
    """Degrees of parallelism of n plans as users give them, (n,) each; `_OPEN` where one is left to the choice.

    `ranks` is the degree of data-parallel attention: each rank is a replica of attention with its own requests, and
    the experts span the ranks.
    """

    tp: IntArray
    pp: IntArray
    dp: IntArray
    ep: IntArray
    etp: IntArray
    ranks: IntArray


def _degree_codes(plan: Plan) -> tuple[int, ...]:
    """Return the degrees of a plan in the order of `_Degrees`; open ones, and an etp as tp, by their codes."""
    parallel = plan.parallel
    values = (*(getattr(parallel, name) for name in ("tp", "pp", "dp", "ep", "etp")), plan.serving.attention_dp)
    return tuple(_degree_code(value) for value in values)


def _degree_code(value: int | str) -> int:
    """Return a degree as columns hold it: ``auto`` and ``tp`` by their codes."""
    return {"auto": _OPEN, "tp": _AS_TP}[value] if isinstance(value, str) else value


@dataclass(frozen=True)
class _PointPlans:
    """Plans without open degrees, and ranks of attention, of those of some points that are possible, by `index`."""

    index: IntArray
    plans: Plans
    ranks: IntArray


def _point_plans(
    setting: _InferenceSetting, workload: Workload, system: System, degrees: _Degrees, sizes: _Load
) -> _PointPlans:
    """Return the plans of the possible ones of n points: open fields take the fastest values that fit in memory.

    Where none fits, they take the values that need least.

    Tensor and pipeline parallelism are given. Of a mixture of experts, expert parallelism, tensor parallelism inside an
    expert, and data-parallel attention may be open.
    """
    point, tp, ep, etp, ranks = _candidates(workload, system, degrees)
    own = degrees.take(point)
    dp = np.where(own.dp == _OPEN, system.devices // np.maximum(1, tp * own.pp), own.dp * ranks)
    plans = Plans.of_columns(len(point), {"tp": tp, "pp": own.pp, "dp": dp, "ep": ep, "etp": etp})
    some = np.flatnonzero((dp > 0) & (tp > 0) & (own.pp > 0) & (dp % ranks == 0))
    some = some[plans.take(some).possible(workload, system, sizes.concurrency[point[some]])]
    place = _chosen(setting, workload.phase, plans.take(some), point[some], sizes)
    row = some[place]
    return _PointPlans(point[row], plans.take(row), ranks[row])


def _chosen(setting: _InferenceSetting, phase: Phase, plans: Plans, point: IntArray, sizes: _Load) -> IntArray:
    """Return for each point, in order, its candidate that is chosen: the fastest that fits, else the smallest."""
    time, memory = np.zeros(len(point)), np.zeros(len(point))
    contested = np.flatnonzero(np.bincount(point, minlength=1)[point] > 1)
    if len(contested):
        own = sizes.take(point[contested])
        time[contested], memory[contested] = _objective(setting, phase, plans.take(contested), own)
    fits = memory <= setting.capacity
    order = np.lexsort((np.arange(len(point)), time, np.where(fits, time, memory), ~fits, point))
    return order[np.unique(point[order], return_index=True)[1]]


def _objective(setting: _InferenceSetting, phase: Phase, plans: Plans, sizes: _Load) -> tuple[FloatArray, FloatArray]:
    """Return the time of the longest pass over its sequences [s], and the memory [B], that choose a plan, (n,)."""
    batch = np.maximum(1, sizes.concurrency // plans.dp)
    context = sizes.prompt + sizes.output
    if phase is Phase.PREFILL:
        passed = _prefill(setting, plans, batch, sizes.prompt)
    else:
        passed = _decode_step(setting, plans, batch, context)
    tokens = sizes.prompt if phase is Phase.PREFILL else 1
    return passed.time / sizes.concurrency, _serving_memory(setting, plans, batch, context, tokens).total


def _candidates(workload: Workload, system: System, degrees: _Degrees) -> tuple[IntArray, ...]:
    """Return the candidates of all points as columns: point, and its tp, ep, etp and ranks of attention."""
    values = _default_values(workload, system)
    experts = values["ep"] if "etp" in values else ()
    first, kind = _distinct([degrees.tp, degrees.ep, degrees.etp, degrees.ranks])
    rows = [
        _options(int(degrees.tp[n]), int(degrees.ep[n]), int(degrees.etp[n]), int(degrees.ranks[n]), experts)
        for n in first
    ]
    counts = np.array([len(options) for options in rows])
    table = np.array([option for options in rows for option in options], dtype=np.int64).reshape(-1, 4)
    of_point = counts[kind]
    point = np.repeat(np.arange(len(kind)), of_point)
    within = np.arange(len(point)) - np.repeat(np.cumsum(of_point) - of_point, of_point)
    options = table[np.repeat((np.cumsum(counts) - counts)[kind], of_point) + within]
    return (point, *options.T)


def _options(tp: int, ep: int, etp: int, ranks: int, experts: tuple[int, ...]) -> list[tuple[int, int, int, int]]:
    """Return the candidates (tp, ep, etp, ranks of attention) of degrees, some of which are open.

    Parameters
    ----------
    experts : degrees of expert parallelism to try; empty for a network without experts.

    Examples
    --------
    >>> _options(2, _OPEN, _OPEN, _OPEN, ()), _options(2, _OPEN, _OPEN, _OPEN, (1, 2))
    ([(2, 1, 2, 1)], [(2, 1, 1, 1), (2, 1, 2, 1), (2, 2, 1, 1), (2, 2, 2, 1), (1, 2, 1, 2)])
    >>> _options(8, _OPEN, _OPEN, 4, (1, 2)), _options(8, _OPEN, _OPEN, 3, (1, 2))
    ([(2, 8, 1, 4)], [])
    """
    if not experts:
        return [(tp, ep or 1, etp if etp > 0 else tp, 1)] if ranks in (_OPEN, 1) else []
    options = []
    if ranks in (_OPEN, 1):
        options = [(tp, own, inner, 1) for own in ([ep] if ep else experts) for inner in _inner(etp, tp)]
    every = ranks == ep == etp == _OPEN and tp in experts  # experts are copied only where a user asks for it
    for count in range(2, tp + 1) if every else [ranks] if ranks > 1 else []:
        if tp % count == 0 and every:  # the experts span the ranks, or more replicas
            options += [(tp // count, own, 1, count) for own in sorted({tp, *experts}) if own > 1]
        elif tp % count == 0 and ep in (_OPEN, 1):
            options.append((tp // count, tp, 1, count))
        elif tp % count == 0:
            options += [(tp // count, ep, inner, count) for inner in _inner(etp, tp // count)]
    return options


def _inner(etp: int, tp: int) -> list[int]:
    """Return the degrees of tensor parallelism inside an expert: as given, or none and as outside where it is open."""
    return sorted({1, tp}) if etp == _OPEN else [tp if etp == _AS_TP else etp]
