"""Weight-stationary training: nodes keep their weights; microbatches pass the stages, gradients are all-reduced."""

from __future__ import annotations

from dataclasses import dataclass

from slipstick.core.layer import Layer
from slipstick.fabric.patterns import Pattern
from slipstick.fabric.strategies import _cut_in_stages
from slipstick.fabric.training.job import Job, _merged
from slipstick.fabric.training.task_builder import DATA, LOAD, PIPELINE, TENSOR, _TaskWriter
from slipstick.fabric.training.traffic import _StrategyTraffic


@dataclass(frozen=True)
class _PassTasks:
    """Tasks of one pass of one pipeline stage: its first task, and the last task of each layer."""

    first: int
    layers: tuple[int, ...]

    @property
    def last(self) -> int:
        return self.layers[-1]


_Passes = dict[tuple[str, int, int, int], _PassTasks]  # "F" or "B", replica, stage, microbatch


def _write_stationary(job: Job, traffic: _StrategyTraffic, writer: _TaskWriter, iterations: int, most: int) -> None:
    """Write the tasks of weight-stationary iterations, of at most about `most` runs of layers, shared by the stages.

    ZeRO-2's reduce-scatter of the gradients and all-gather of the weights move what one all-reduce does (Rajbhandari
    et al. 1910.02054, section 7).
    """
    strategy = job.strategy
    runs = _cut_in_stages([layer.forward for layer in job.layers], strategy.pp)
    stages = [list(_merged([job.layers[i] for i in run], max(1, most // strategy.pp))) for run in runs]
    reduced: list[list[int]] = [[] for _ in stages]  # tasks that the next iteration of each stage waits for
    loads: list[int] = []
    for iteration in range(iterations):
        writer.iteration = iteration
        # the samples of the next iteration arrive during this one
        begun = reduced[0] if iteration > 1 else ()
        loads.append(writer.send("load", LOAD, traffic.samples, job.samples * strategy.dp, [*loads[-1:], *begun]))
        passes = _passes(job, stages, traffic, writer)
        _order(job, passes, stages, loads[-1], reduced, traffic, writer)
        reduced = [_reduce(job, stages[s], s, passes, traffic, writer) for s in range(strategy.pp)]


def _passes_of(stage: int, stages: int, microbatches: int, schedule: str) -> list[tuple[str, int]]:
    """Return the passes of one stage in order: ``gpipe`` all forward first, ``1f1b`` forward and backward in turn.

    Source: Narayanan et al. 2104.04473, section 2.2.

    Examples
    --------
    >>> ["".join(map(str, p)) for p in _passes_of(0, 2, 3, "1f1b")]
    ['F0', 'F1', 'B0', 'F2', 'B1', 'B2']
    """
    ahead = [("F", m) for m in range(microbatches)]
    back = [("B", m) for m in range(microbatches)]
    warm = min(microbatches, stages - stage - 1) if schedule == "1f1b" else microbatches
    order = ahead[:warm]
    for forward, backward in zip(ahead[warm:], back, strict=False):
        order += [forward, backward]
    return order + back[microbatches - warm :]


def _passes(job: Job, stages: list[list[Layer]], traffic: _StrategyTraffic, writer: _TaskWriter) -> _Passes:
    """Write the tasks of every pass of every stage and replica, in the order of its lane."""
    strategy = job.strategy
    passes: _Passes = {}
    for replica in range(strategy.dp):
        for stage, layers in enumerate(stages):
            lane, before = replica * strategy.pp + stage, None
            tensor = traffic.tensor(replica, stage) if strategy.tp > 1 else None
            for way, micro in _passes_of(stage, strategy.pp, job.microbatches, job.schedule):
                tasks = _pass(way, micro, layers, strategy.tp, lane, tensor, writer)
                if before is not None:
                    writer.order(before.last, tasks.first)
                passes[way, replica, stage, micro] = before = tasks
    return passes


def _pass(
    way: str, micro: int, layers: list[Layer], members: int, lane: int, tensor: Pattern | None, writer: _TaskWriter
) -> _PassTasks:
    """Write the tasks of one pass: each layer's computation, then the all-reduces on which the next layer waits."""
    ends: list[int] = []
    first = -1
    for layer in layers if way == "F" else reversed(layers):
        seconds = (layer.forward if way == "F" else layer.backward) / members
        task = writer.compute(f"{way}{micro} {layer.name}", seconds, lane, ends[-1:])
        first = task if first < 0 else first
        if tensor is not None and layer.reduces:
            size = layer.reduces * layer.output
            task = writer.send(f"{way}{micro} {layer.name}", TENSOR, tensor, size, [task], layer.reduces, lane)
        ends.append(task)
    return _PassTasks(first, tuple(ends))


def _order(
    job: Job, passes: _Passes, stages: list[list[Layer]], load: int, reduced: list[list[int]],
    traffic: _StrategyTraffic, writer: _TaskWriter,
) -> None:  # fmt: skip
    """Let the passes wait for samples, for the neighbouring stages, and for the previous iteration."""
    strategy = job.strategy
    for replica in range(strategy.dp):
        writer.order(load, passes["F", replica, 0, 0].first)
        for stage in range(strategy.pp):
            for before in reduced[stage]:
                writer.order(before, passes["F", replica, stage, 0].first)
        for micro in range(job.microbatches):
            for stage in range(strategy.pp - 1):
                size = stages[stage][-1].output
                for way, source, target in (("F", stage, stage + 1), ("B", stage + 1, stage)):
                    end, begin = passes[way, replica, source, micro].last, passes[way, replica, target, micro].first
                    pattern = traffic.transfer(replica, source, target)
                    lane = replica * strategy.pp + target
                    name = f"{way}{micro} transfer"
                    writer.order(writer.send(name, PIPELINE, pattern, size, [end], owner=lane), begin)


def _reduce(
    job: Job, layers: list[Layer], stage: int, passes: _Passes, traffic: _StrategyTraffic, writer: _TaskWriter
) -> list[int]:
    """Write the all-reduces of one stage's gradients; return the tasks on which the next iteration waits."""
    strategy = job.strategy
    final = [passes["B", replica, stage, job.microbatches - 1] for replica in range(strategy.dp)]
    if strategy.dp == 1:
        return [pass_.last for pass_ in final]
    sent = []
    for pattern in traffic.data[stage]:
        if job.overlap:
            for place, layer in enumerate(reversed(layers)):
                ready = [pass_.layers[place] for pass_ in final]
                sent.append(
                    writer.send(f"gradients {layer.name}", DATA, pattern, layer.gradient_bytes / strategy.tp, ready)
                )
        else:
            size = sum(layer.gradient_bytes for layer in layers) / strategy.tp
            sent.append(writer.send("gradients", DATA, pattern, size, [pass_.last for pass_ in final]))
    return sent
