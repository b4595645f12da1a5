"""Direct collectives: every rank sends to every other at once, one step to reduce-scatter and one to gather."""

from __future__ import annotations

import numpy as np

from slipstick.core.arrays import IntArray
from slipstick.fabric.messages import CollectiveSchedule, ScheduleBuilder, ScheduleWriter


def _all_reduce(ranks: int) -> CollectiveSchedule:
    """Return a direct reduce-scatter followed by a direct all-gather: 2 (N - 1) messages of each rank."""
    writer = ScheduleWriter()
    meeting = _write_scatter(writer, ranks)
    _write_gather(writer, ranks, meeting)
    return writer.finish("all_reduce", "direct", ranks, ranks)


def _reduce_scatter(ranks: int) -> CollectiveSchedule:
    """Return one step: chunk t of every rank to rank t."""
    writer = ScheduleWriter()
    _write_scatter(writer, ranks)
    return writer.finish("reduce_scatter", "direct", ranks, ranks)


def _all_gather(ranks: int) -> CollectiveSchedule:
    """Return one step: chunk s of rank s to every other rank."""
    writer = ScheduleWriter()
    _write_gather(writer, ranks, None)
    return writer.finish("all_gather", "direct", ranks, ranks)


def _all_to_all(ranks: int) -> CollectiveSchedule:
    """Return one message for each pair, to the next rank first."""
    writer = ScheduleWriter()
    source, target = _pairs(ranks)
    writer.add(source, target, source * ranks + target)
    return writer.finish("all_to_all", "direct", ranks, ranks**2)


def _scatter(ranks: int, root: int = 0) -> CollectiveSchedule:
    """Return the root's messages: chunk t to rank t."""
    writer = ScheduleWriter()
    target = (root + np.arange(1, ranks)) % ranks
    writer.add(root, target, target)
    return writer.finish("scatter", "direct", ranks, ranks, root)


def _gather(ranks: int, root: int = 0) -> CollectiveSchedule:
    """Return everyone's message to the root: chunk s of rank s."""
    writer = ScheduleWriter()
    source = (root + np.arange(1, ranks)) % ranks
    writer.add(source, root, source)
    return writer.finish("gather", "direct", ranks, ranks, root)


def _pairs(ranks: int) -> tuple[IntArray, IntArray]:
    """Return all ordered pairs by distance around the ring, so that in each round nobody receives twice."""
    distance, source = np.divmod(np.arange(ranks * (ranks - 1)), ranks)
    return source, (source + distance + 1) % ranks


def _write_scatter(writer: ScheduleWriter, ranks: int) -> IntArray:
    source, target = _pairs(ranks)
    sent = writer.add(source, target, target, reduces=True)
    meeting = writer.rendezvous(np.arange(ranks))
    writer.order(sent, meeting[target])
    return meeting


def _write_gather(writer: ScheduleWriter, ranks: int, meeting: IntArray | None) -> None:
    source, target = _pairs(ranks)
    sent = writer.add(source, target, source)
    if meeting is not None:
        writer.order(meeting[source], sent)


SCHEDULES: dict[str, ScheduleBuilder] = {
    "all_reduce": _all_reduce,
    "reduce_scatter": _reduce_scatter,
    "all_gather": _all_gather,
    "all_to_all": _all_to_all,
    "scatter": _scatter,
    "gather": _gather,
}
