"""Weight streaming: a few layers are on the wafer at a time; weights enter twice, reduced gradients leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from slipstick.fabric.training.job import Job, _merged
from slipstick.fabric.training.task_builder import LOAD, PIPELINE, STREAM, TENSOR, _TaskWriter
from slipstick.fabric.training.traffic import _StrategyTraffic

_SETS = 2  # of layers on the wafer: one that computes, one that arrives


def _write_streaming(job: Job, traffic: _StrategyTraffic, writer: _TaskWriter, iterations: int, most: int) -> None:
    """Write the tasks of weight-streaming iterations, of at most about `most` runs of layers.

    Consecutive layers are on consecutive stages. Source: FRED (arXiv 2406.19580), section 3: weights are read at least
    once for the forward and once for the backward pass, gradients are added up while they stream out. The optimiser
    works outside, and its time is hidden.
    """
    stages = job.strategy.pp
    job = replace(job, layers=_merged(job.layers, max(1, most // stages) * stages))  # as many for every stage
    updated: dict[int, int] = {}
    arriving = -1
    for iteration in range(iterations):
        writer.iteration = iteration
        before = [arriving] if arriving >= 0 else []
        arriving = writer.send("load", LOAD, traffic.samples, job.samples * job.strategy.dp, before)
        updated, arriving = _Iteration(job, traffic, writer).write(updated, arriving)


class _Iteration:
    """Iteration with weight streaming: the last arrival, the computations per set of layers, the last departure."""

    def __init__(self, job: Job, traffic: _StrategyTraffic, writer: _TaskWriter) -> None:
        self.job, self.traffic, self.writer = job, traffic, writer
        self.ends: list[list[int]] = []  # computations of each set of layers passed so far

    def write(self, updated: dict[int, int], arriving: int) -> tuple[dict[int, int], int]:
        """Write the tasks of both passes; return those on which the next iteration waits: by layer, and inbound."""
        strategy, layers, writer = self.job.strategy, self.job.layers, self.writer
        last: dict[tuple[int, int], tuple[int, int]] = {}  # (replica, microbatch) -> task and stage
        samples, left = [arriving], -1
        leaving: dict[int, int] = {}
        for way, order in (("F", range(len(layers))), ("B", reversed(range(len(layers))))):
            for index in order:
                layer, stage = layers[index], index % strategy.pp
                on_wafer = _SETS * strategy.pp
                room = self.ends[-on_wafer] if len(self.ends) >= on_wafer else []
                waits = [arriving, *room, *([updated[index]] if index in updated and way == "F" else [])]
                arriving = writer.send(
                    f"weights {layer.name}", STREAM, self.traffic.weights_in[stage], layer.weights, waits
                )
                ends = self._compute(way, index, stage, arriving, last, samples)
                self.ends.append(ends)
                if way == "B":
                    ready = [*ends, *([left] if left >= 0 else [])]
                    pattern = self.traffic.gradients_out[stage]
                    leaving[index] = left = writer.send(
                        f"gradients {layer.name}", STREAM, pattern, layer.gradient_bytes, ready
                    )
        return leaving, arriving

    def _compute(
        self, way: str, index: int, stage: int, weights: int, last: dict[tuple[int, int], tuple[int, int]],
        samples: Sequence[int],
    ) -> list[int]:  # fmt: skip
        """Write the computations of one layer's pass, per replica and microbatch; return them."""
        job, writer = self.job, self.writer
        layer, members, ends = job.layers[index], job.strategy.tp, []
        for replica in range(job.strategy.dp):
            lane = replica * job.strategy.pp + stage
            for micro in range(job.microbatches):
                waits = [weights, *self._inputs(way, replica, micro, stage, last, samples)]
                seconds = (layer.forward if way == "F" else layer.backward) / members
                task = writer.compute(f"{way}{micro} {layer.name}", seconds, lane, waits)
                ends.append(task)
                if members > 1 and layer.reduces:
                    pattern, size = self.traffic.tensor(replica, stage), layer.reduces * layer.output
                    task = writer.send(f"{way}{micro} {layer.name}", TENSOR, pattern, size, [task], layer.reduces, lane)
                last[replica, micro] = task, stage
        return ends

    def _inputs(
        self, way: str, replica: int, micro: int, stage: int, last: dict[tuple[int, int], tuple[int, int]],
        samples: Sequence[int],
    ) -> Sequence[int]:  # fmt: skip
        """Return the tasks that provide the layer's input: samples, the previous layer, or a transfer from it."""
        if (replica, micro) not in last:
            return samples
        before, at = last[replica, micro]
        if at == stage:
            return [before]
        size = self.job.layers[0].output
        pattern = self.traffic.transfer(replica, at, stage)
        lane = replica * self.job.strategy.pp + stage
        return [self.writer.send(f"{way}{micro} transfer", PIPELINE, pattern, size, [before], owner=lane)]
