"""Points of inference: plans and sizes as arrays, their service, and the replicas of each that only prefill."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from slipstick.cluster.inference.demand import _Demand, _Station
from slipstick.cluster.inference.inference_pass import _InferenceSetting, _prefill, _serving_memory
from slipstick.cluster.inference.serving import _continuous_batch, _Load, _Service, _split_service, _static_batch
from slipstick.cluster.sweep.plans import Plans
from slipstick.core.arrays import BoolArray, FloatArray, IntArray
from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Plan, Serving
from slipstick.core.system import System
from slipstick.core.workload import Phase

_AUTO = -1  # the code of prefill_devices that are left to the choice


@dataclass(frozen=True)
class _InferencePoints:
    """Resolved inference at n points: plans without ``auto``, the sizes of each, and the options that all share.

    A Report has one point, a sweep many.
    """

    phase: Phase
    system: System
    serving: Serving
    setting: _InferenceSetting
    plans: Plans
    sizes: _Load  # sequences of all replicas together, and the tokens of each
    prefilling: IntArray  # replicas that only prefill
    demand: _Demand | None = None  # under which copies of the system are counted

    @property
    def replicas(self) -> IntArray:
        """Number of replicas that decode (or prefill, in that phase)."""
        return self.plans.dp - self.prefilling

    @property
    def batch(self) -> IntArray:
        """Sequences on one replica."""
        return np.asarray(np.maximum(1, self.sizes.concurrency // self.replicas))

    @property
    def load(self) -> _Load:
        """Load of one replica: its share of the requests."""
        return _Load(self.batch, self.sizes.prompt, self.sizes.output)

    @property
    def middle(self) -> IntArray:
        """Context of the decode step at the middle of the output [tokens]."""
        return self.sizes.prompt + (self.sizes.output + 1) // 2

    def take(self, index: IntArray) -> _InferencePoints:
        """Return the points at `index`."""
        plans, sizes = self.plans.take(index), self.sizes.take(index)
        return replace(self, plans=plans, sizes=sizes, prefilling=self.prefilling[index])


def _service_of(run: _InferencePoints) -> _Service:
    """Return the quality of service of points: static batching, continuous batching, or disaggregated serving."""
    split = run.prefilling > 0
    if len(split) and split.all():
        return _split(run)
    if split.any():
        order = np.argsort(split, kind="stable")
        parts = [_service_of(run.take(np.flatnonzero(some))) for some in (~split, split)]
        columns = (np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(_Service))
        return _Service(*(column[np.argsort(order)] for column in columns))
    if run.serving.continuous:
        return _continuous_batch(run.setting, run.plans, run.load, run.serving.chunk)
    return _static_batch(run.setting, run.plans, run.load)


def _split(run: _InferencePoints) -> _Service:
    cached = _serving_memory(run.setting, run.plans, 1, run.sizes.prompt, 1).cache
    share = run.prefilling / run.replicas
    return _split_service(run.setting, run.plans, run.plans, run.load, cached, share, run.demand is None)


def _stations_of(run: _InferencePoints, request: FloatArray, first_token: FloatArray) -> list[_Station]:
    """Return the stages at which requests wait: for a place in the running batch; before it, if split, for a prefill.

    A place is taken as long as a request takes while all places are.
    """
    places = run.batch * run.replicas
    if not (run.prefilling > 0).any():
        return [_Station(places, request, first_token / request)]
    alone = _prefill(run.setting, run.plans, 1, run.sizes.prompt).time
    split = run.prefilling > 0
    before = _Station(np.maximum(1, run.prefilling), np.where(split, alone, 1e-9), np.ones_like(alone))
    tokens = np.where(split, request - first_token, request)
    return [before, _Station(places, tokens, np.where(split, 0.0, first_token / request))]


def _serving_options(plan: Plan, demand: _Demand | None) -> Serving:
    """Return the serving options of a plan; requests that arrive one by one are batched continuously.

    Errors
    ------
    SlipstickError for static batches, if the user asks for them under a demand.
    """
    serving = plan.serving
    if demand is None or serving.continuous:
        return serving
    if "continuous" in serving.model_fields_set:
        message = "requests that arrive one by one do not wait for a static batch"
        raise SlipstickError(message, path="plan.serving.continuous", value=False, allowed="true")
    return serving.model_copy(update={"continuous": True})


def _prefilling_code(devices: int | str) -> int:
    """Return the number of devices that only prefill as a column holds it: ``auto`` by its code."""
    return _AUTO if isinstance(devices, str) else devices


def _prefilling_replicas(run: _InferencePoints, devices: IntArray) -> tuple[IntArray, BoolArray]:
    """Return the number of replicas of each point that only prefill, and whether that is some of its replicas.

    Parameters
    ----------
    devices : that only prefill; 0 where all do both, and the code of ``auto`` for the ratio of most tokens a second.
    """
    if run.phase is not Phase.DECODE:
        return np.zeros_like(devices), np.ones(len(devices), np.bool_)
    degree = run.plans.tp * run.plans.pp
    replicas = np.where(devices > 0, devices // degree, 0)
    possible = (devices == 0) | ((devices > 0) & (devices % degree == 0) & (replicas < run.plans.dp))
    open_ = np.flatnonzero((devices == _AUTO) & (run.plans.dp > 1))
    if len(open_):
        replicas[open_], possible[open_] = _best_ratio(run.take(open_)), True
    return replicas, possible


def _best_ratio(run: _InferencePoints) -> IntArray:
    """Return the number of prefilling replicas of most tokens a second among those whose caches fit in memory."""
    point = np.repeat(np.arange(len(run.plans)), run.plans.dp - 1)
    first = np.cumsum(run.plans.dp - 1) - (run.plans.dp - 1)
    prefilling = np.arange(len(point)) - first[point] + 1
    every = replace(run.take(point), prefilling=prefilling)
    rate = _split(every).throughput * every.replicas
    memory = _serving_memory(every.setting, every.plans, every.batch, every.sizes.prompt + every.sizes.output, 1).total
    order = np.lexsort((prefilling, -rate, np.where(memory <= run.setting.capacity, 0.0, memory), point))
    return prefilling[order[np.unique(point[order], return_index=True)[1]]]
