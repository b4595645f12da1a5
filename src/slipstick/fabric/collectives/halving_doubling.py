"""Recursive halving and doubling: log2 N exchanges with partners at distances of powers of two."""

from __future__ import annotations

import numpy as np

from slipstick.core.arrays import IntArray
from slipstick.fabric.messages import CollectiveSchedule, ScheduleBuilder, _ScheduleWriter


def _all_reduce(ranks: int) -> CollectiveSchedule:
    """Return the messages of an all-reduce by recursive halving (reduce-scatter) and doubling (all-gather).

    For other numbers than powers of two the ranks beyond the largest power first give their data to a partner, and get
    the result from it in the end. Source: Thakur et al., IJHPCA 19(1) 2005, section 4.3.

    Examples
    --------
    >>> _all_reduce(8).sent.tolist()
    [14, 14, 14, 14, 14, 14, 14, 14]
    """
    inner = 1 << (ranks.bit_length() - 1)
    extra = np.arange(ranks - inner)
    writer = _ScheduleWriter()
    before = np.full((2, inner), -1)  # the last message that each rank received, and the last that it sent
    if extra.size:
        before[0, extra] = writer.add(inner + extra, extra, 0, inner, reduces=True)
    everyone = np.arange(inner)
    first, kept_chunks = np.zeros(inner, np.int64), inner
    distance = inner // 2
    while distance:
        kept_chunks //= 2
        keep = first + np.where(everyone & distance, kept_chunks, 0)
        give = first + np.where(everyone & distance, 0, kept_chunks)
        before = _exchange(writer, everyone, distance, give, kept_chunks, before, reduces=True)
        first, distance = keep, distance // 2
    distance = 1
    while distance < inner:
        before = _exchange(writer, everyone, distance, first, kept_chunks, before, reduces=False)
        first = np.minimum(first, first[everyone ^ distance])
        kept_chunks, distance = kept_chunks * 2, distance * 2
    if extra.size:
        back = writer.add(extra, inner + extra, 0, inner)
        writer.order(before[:, extra], back)
    return writer.finish("all_reduce", "halving_doubling", ranks, inner)


def _exchange(
    writer: _ScheduleWriter,
    everyone: IntArray,
    distance: int,
    first: IntArray,
    count: int,
    before: IntArray,
    *,
    reduces: bool,
) -> IntArray:
    """Write one exchange of `count` chunks with the partners at `distance`; return the messages received and sent."""
    partner = everyone ^ distance
    sent = writer.add(everyone, partner, first, count, reduces=reduces)
    writer.order(before, sent)
    return np.stack([sent[partner], sent])


SCHEDULES: dict[str, ScheduleBuilder] = {
    "all_reduce": _all_reduce,
}
