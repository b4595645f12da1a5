"""Ring collectives: ranks send to the next rank only, in N - 1 steps of 1/N of the data per scatter or gather."""

from __future__ import annotations

import numpy as np

from slipstick.core.arrays import IntArray
from slipstick.fabric.messages import CollectiveSchedule, ScheduleBuilder, _ScheduleWriter


def _all_reduce(ranks: int) -> CollectiveSchedule:
    """Return the messages of a ring all-reduce. Source: Patarasu & Yuan, JPDC 69(2) 2009, section 3.

    Examples
    --------
    >>> _all_reduce(4).sent.tolist()
    [6, 6, 6, 6]
    """
    writer = _ScheduleWriter()
    _around(writer, ranks, reduces=False, before=_around(writer, ranks, reduces=True))
    return writer.finish("all_reduce", "ring", ranks, ranks)


def _reduce_scatter(ranks: int) -> CollectiveSchedule:
    """Return the messages of a ring reduce-scatter: rank r ends with the sum of chunk r."""
    writer = _ScheduleWriter()
    _around(writer, ranks, reduces=True)
    return writer.finish("reduce_scatter", "ring", ranks, ranks)


def _all_gather(ranks: int) -> CollectiveSchedule:
    """Return the messages of a ring all-gather: rank r begins with chunk r."""
    writer = _ScheduleWriter()
    _around(writer, ranks, reduces=False)
    return writer.finish("all_gather", "ring", ranks, ranks)


def _all_to_all(ranks: int) -> CollectiveSchedule:
    """Return the messages of a ring all-to-all, in which each chunk passes from neighbour to neighbour.

    In step k every rank passes the chunks on that have ranks - k hops behind or before them, one message each.
    """
    writer = _ScheduleWriter()
    everyone = np.arange(ranks)
    arrived = left = np.full(ranks, -1)  # the last message that each rank received, and the last that it sent
    for step in range(1, ranks):
        for hops in range(step, ranks):  # chunks that travel `hops` in all make their hop number `step`
            origin = (everyone - step + 1) % ranks
            sent = writer.add(everyone, (everyone + 1) % ranks, origin * ranks + (origin + hops) % ranks)
            writer.order(arrived, sent)
            writer.order(left, sent)
            arrived, left = np.roll(sent, 1), sent
    return writer.finish("all_to_all", "ring", ranks, ranks**2)


def _steps(
    writer: _ScheduleWriter, groups: IntArray, first: IntArray, count: int, before: IntArray, *, reduces: bool
) -> IntArray:
    """Write the ring steps of one phase in several groups at once; return, by rank, the message that ends its phase.

    Parameters
    ----------
    groups : [groups, members], ranks in ring order.
    first : [groups, members], first chunk of the piece that the member keeps (`reduces`) or has; `count` chunks long.
    before : by rank, the message that its first one waits for, or -1.
    """
    members = np.arange(groups.shape[1])
    arrived, left = before.copy(), np.full_like(before, -1)
    received: list[tuple[IntArray, IntArray]] = []
    for step in range(len(members) - 1):
        piece = (members - step - (1 if reduces else 0)) % len(members)
        target = np.roll(groups, -1, axis=1)
        sent = writer.add(groups, target, first[:, piece], count, reduces=reduces)
        # a rank sends in order: what came from a neighbour says nothing of its own phase before, nor of its own sends
        writer.order(arrived[groups.ravel()], sent)
        writer.order(left[groups.ravel()], sent)
        left[groups.ravel()] = sent
        received.append((sent, target.ravel()))
        arrived[target.ravel()] = sent
    if not received:
        return arrived
    meeting = np.full_like(arrived, -1)
    meeting[groups.ravel()] = writer.rendezvous(groups.ravel())
    writer.order(before, meeting)
    writer.order(left, meeting)
    for sent, at in received:
        writer.order(sent, meeting[at])
    return meeting


def _around(writer: _ScheduleWriter, ranks: int, *, reduces: bool, before: IntArray | None = None) -> IntArray:
    everyone = np.arange(ranks)[None, :]
    arrived = np.full(ranks, -1) if before is None else before
    return _steps(writer, everyone, everyone, 1, arrived, reduces=reduces)


SCHEDULES: dict[str, ScheduleBuilder] = {
    "all_reduce": _all_reduce,
    "reduce_scatter": _reduce_scatter,
    "all_gather": _all_gather,
    "all_to_all": _all_to_all,
}
