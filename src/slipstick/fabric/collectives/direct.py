"""Direct collectives: every rank sends to all others at once, in one step of reduce-scatter and one of all-gather."""

from __future__ import annotations

import numpy as np

from slipstick.core.arrays import IntArray
from slipstick.fabric.messages import CollectiveSchedule, ScheduleBuilder, _ScheduleWriter


def _all_reduce(ranks: int) -> CollectiveSchedule:
    """Return the messages of a direct reduce-scatter, then a direct all-gather: 2 (N - 1) messages per rank."""
    writer = _ScheduleWriter()
    meeting = _write_scatter(writer, ranks)
    _write_gather(writer, ranks, meeting)
    return writer.finish("all_reduce", "direct", ranks, ranks)


def _reduce_scatter(ranks: int) -> CollectiveSchedule:
    """Return the messages of a one-step reduce-scatter: chunk t of every rank to rank t."""
    writer = _ScheduleWriter()
    _write_scatter(writer, ranks)
    return writer.finish("reduce_scatter", "direct", ranks, ranks)


def _all_gather(ranks: int) -> CollectiveSchedule:
    """Return the messages of a one-step all-gather: chunk s of rank s to every other rank."""
    writer = _ScheduleWriter()
    _write_gather(writer, ranks, None)
    return writer.finish("all_gather", "direct", ranks, ranks)


def _all_to_all(ranks: int) -> CollectiveSchedule:
    """Return the messages of an all-to-all, one per pair of ranks, to the next rank first."""
    writer = _ScheduleWriter()
    source, target = _pairs(ranks)
    writer.add(source, target, source * ranks + target)
    return writer.finish("all_to_all", "direct", ranks, ranks**2)


def _scatter(ranks: int, root: int = 0) -> CollectiveSchedule:
    """Return the messages of a scatter: chunk t from the root to rank t."""
    writer = _ScheduleWriter()
    target = (root + np.arange(1, ranks)) % ranks
    writer.add(root, target, target)
    return writer.finish("scatter", "direct", ranks, ranks, root)


def _gather(ranks: int, root: int = 0) -> CollectiveSchedule:
    """Return the messages of a gather: chunk s of rank s to the root."""
    writer = _ScheduleWriter()
    source = (root + np.arange(1, ranks)) % ranks
    writer.add(source, root, source)
    return writer.finish("gather", "direct", ranks, ranks, root)


def _pairs(ranks: int) -> tuple[IntArray, IntArray]:
    """Return all ordered pairs of ranks by distance around the ring, so that each rank receives once per round."""
    distance, source = np.divmod(np.arange(ranks * (ranks - 1)), ranks)
    return source, (source + distance + 1) % ranks


def _write_scatter(writer: _ScheduleWriter, ranks: int) -> IntArray:
    source, target = _pairs(ranks)
    sent = writer.add(source, target, target, reduces=True)
    meeting = writer.rendezvous(np.arange(ranks))
    writer.order(sent, meeting[target])
    return meeting


def _write_gather(writer: _ScheduleWriter, ranks: int, meeting: IntArray | None) -> None:
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
