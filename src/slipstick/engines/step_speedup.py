"""Step speed-up SU^M of M devices per worker, by operator placement or pipeline parallelism."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.core.errors import SlipstickError
from slipstick.core.question import Question
from slipstick.core.workload import Op
from slipstick.engines.answer import answer
from slipstick.engines.operator_placement import instance
from slipstick.engines.question import WorkloadSpec, ask

if TYPE_CHECKING:
    from slipstick.core.topology import Topology
    from slipstick.placement.schedule import PlacementSchedule

_MICROBATCHES = (1, 2, 4, 8, 16, 32)


Method = Literal["auto", "placement", "pipeline"]


@dataclass(frozen=True)
class _StepSpeedup:
    """Speed-up `value` (SU^M) of a training step on `devices` devices, its `method` and its `source`."""

    devices: int
    value: float
    method: str
    source: str = "estimated"


def _step_speedup(
    workload: WorkloadSpec, system: str, devices: int, batch: int, *, method: Method, time_limit: float
) -> _StepSpeedup:
    """Return the step speed-up SU^M by placement, by pipeline, or the better of both (``auto``).

    Errors
    ------
    SlipstickError if no way of dividing the network fits the devices.
    """
    if method == "placement":
        return placed(workload, system, devices, batch, time_limit=time_limit)
    if method == "pipeline":
        return pipelined(workload, system, devices, batch)
    speedups = [placed(workload, system, devices, batch, time_limit=time_limit)]
    with contextlib.suppress(SlipstickError):  # too few layers for so many stages: the placement stands alone
        speedups.append(pipelined(workload, system, devices, batch))
    return max(speedups, key=lambda speedup: speedup.value)


def placed(workload: WorkloadSpec, system: str, devices: int, batch: int, *, time_limit: float) -> _StepSpeedup:
    """Return the step speed-up of the fastest placement found within `time_limit` [s].

    Errors
    ------
    KeyboardInterrupt where Ctrl-C ended the search: it is meant for all placements of a question, not for one.
    """
    from slipstick.placement.schedule import INTERRUPTED

    report = answer("place", workload, f"{system}:{devices}", batch=batch, time_limit=time_limit)
    schedule: PlacementSchedule = report.detail.schedule
    if schedule.status == INTERRUPTED:
        raise KeyboardInterrupt
    sure = "proved" if schedule.proved else f"gap {100 * schedule.gap:.0f} % after {time_limit:g} s"
    return _StepSpeedup(devices, report.value("speedup.placement"), f"placement, {sure}")


def pipelined(workload: WorkloadSpec, system: str, devices: int, batch: int) -> _StepSpeedup:
    """Return the step speed-up of the best pipeline: optimal stage balance, best number of microbatches.

    With k microbatches and the slowest stage at t seconds for one of them, results handed on included, a step takes
    (k + M - 1) t (GPipe, Huang et al. 1811.06965, section 2; the same for 1F1B). Operators that share weights stay in
    one stage.

    Errors
    ------
    SlipstickError if no cut fits the memory, or the network has fewer layers than there are devices.
    """
    whole = _layers(ask(workload, f"{system}:{devices}", verb="place", batch=batch))
    best = _StepSpeedup(devices, 0.0, "")
    for count in (k for k in _MICROBATCHES if batch % k == 0):
        question = ask(workload, f"{system}:{devices}", verb="place", batch=batch // count)
        # every microbatch's activations are kept at once: the memory of a layer is that of the whole batch
        gain = float(whole.seconds.sum()) / ((count + devices - 1) * _slowest(question, devices, whole.memory))
        if gain > best.value:
            best = _StepSpeedup(devices, gain, f"pipeline, {count} microbatches of {batch // count}")
    return best


@dataclass(frozen=True, eq=False)
class _Layers:
    """Layers in a row: times of both passes [s], bytes kept, and bytes across the cut behind each, both ways."""

    seconds: FloatArray
    memory: FloatArray
    crossing: FloatArray


def _slowest(question: Question, devices: int, memory: FloatArray) -> float:
    """Return the time per microbatch of the slowest stage, in the best cut into stages [s]."""
    from slipstick.fabric.topology_file import resolve_topology
    from slipstick.placement.pipeline_partition import partition

    layers = _layers(question)
    if len(layers.seconds) < devices:
        raise SlipstickError(
            "fewer layers than stages", path="devices", value=devices, allowed=f"at most {len(layers.seconds)}"
        )
    sent = layers.crossing / _chain_rate(resolve_topology(question.system.topology), devices)
    return partition(layers.seconds, memory, devices, question.system.main_memory.capacity, list(sent)).slowest


def _layers(question: Question) -> _Layers:
    from slipstick.networks.graphs import chains

    placement = instance(question)
    layer_of = _rows(chains(question.workload.operator_graph))
    count = max(layer_of.values()) + 1
    home = {name: _home(name, layer_of) for name in placement.problem.names}
    homes = [home[name] for name in placement.problem.names]
    seconds = np.bincount(homes, [placement.seconds[name] for name in placement.problem.names], count).astype(float)
    crossing, farthest = np.zeros(count), dict[str, tuple[int, float]]()
    for (before, after), size in placement.sent.items():
        a, b = home[before], home[after]
        if b < a:  # gradients: each edge carries another part
            crossing[b:a] += size
        elif b > farthest.get(before, (a, 0.0))[0]:  # results: sent once, and on from stage to stage
            farthest[before] = b, size
    for before, (end, size) in farthest.items():
        crossing[home[before] : end] += size
    return _Layers(seconds, np.bincount(homes, placement.problem.memory, count).astype(float), crossing)


def _home(name: str, layer_of: dict[str, int]) -> int:
    """Return the layer of a forward operator, or of the operator that a gradient belongs to."""
    return layer_of[name] if name in layer_of else layer_of[name.rpartition(".")[0]]


def _rows(forward: Sequence[Op]) -> dict[str, int]:
    """Return the layer of each forward operator in order; operators that share weights or feed back are one layer."""
    first: dict[str, int] = {}
    at = {op.name: first.setdefault(op.colocate or op.name, len(first)) for op in forward}
    start = list(range(len(first)))  # of the layer that each class belongs to
    back = [(at[op.name], at[name]) for op in forward for name in op.after if at[name] > at[op.name]]
    for low, high in back:
        low = min(start[low : high + 1])
        start[low : high + 1] = [low] * (high + 1 - low)
    numbers = {begin: number for number, begin in enumerate(sorted(set(start)))}
    return {name: numbers[start[place]] for name, place in at.items()}


def _chain_rate(topology: Topology, devices: int) -> float:
    """Return the bandwidth of the slowest link of the best chain of `devices` well-connected nodes [B/s]."""
    from slipstick.placement.problem import best_connected

    if devices == 1:
        return float("inf")
    rates = np.zeros((len(topology.nodes),) * 2)
    np.maximum.at(rates, (topology.source, topology.target), topology.bandwidth)
    rows = itertools.permutations(best_connected(topology, devices))
    slowest = max(min(rates[a, b] for a, b in itertools.pairwise(row)) for row in rows)
    if not slowest:
        raise SlipstickError("no row of directly linked devices", path="topology", value=topology.name)
    return float(slowest)
