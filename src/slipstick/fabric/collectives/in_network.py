"""In-network collectives: switches reduce data on the way up and copy it on the way down; ranks send data once."""

from __future__ import annotations

from slipstick.fabric.messages import CollectiveSchedule, ScheduleBuilder, _ScheduleWriter


def _all_reduce(ranks: int) -> CollectiveSchedule:
    """Return an in-network all-reduce, as one message from all ranks to all ranks.

    Examples
    --------
    >>> _all_reduce(20).sent.tolist() == [1] * 20
    True
    """
    return _single_cast("all_reduce", ranks, list(range(ranks)), list(range(ranks)), 0)


def _reduce(ranks: int, root: int = 0) -> CollectiveSchedule:
    """Return an in-network reduce, as one message from all ranks to the root."""
    return _single_cast("reduce", ranks, list(range(ranks)), [root], root)


def _broadcast(ranks: int, root: int = 0) -> CollectiveSchedule:
    """Return an in-network broadcast, as one message from the root to all other ranks."""
    return _single_cast("broadcast", ranks, [root], [rank for rank in range(ranks) if rank != root], root)


def _reduce_scatter(ranks: int) -> CollectiveSchedule:
    """Return a reduce-scatter as a reduction per rank. Source: FRED (2406.19580), section 5: compound collectives."""
    writer = _ScheduleWriter()
    everyone = list(range(ranks))
    for rank in everyone:
        writer.cast(everyone, [rank], rank)
    return writer.finish("reduce_scatter", "in_network", ranks, ranks)


def _all_gather(ranks: int) -> CollectiveSchedule:
    """Return an in-network all-gather, as one multicast from each rank in turn."""
    writer = _ScheduleWriter()
    for rank in range(ranks):
        writer.cast([rank], [other for other in range(ranks) if other != rank], rank)
    return writer.finish("all_gather", "in_network", ranks, ranks)


def _single_cast(collective: str, ranks: int, sources: list[int], targets: list[int], root: int) -> CollectiveSchedule:
    writer = _ScheduleWriter()
    if targets:
        writer.cast(sources, targets, 0)
    return writer.finish(collective, "in_network", ranks, 1, root)


SCHEDULES: dict[str, ScheduleBuilder] = {
    "all_reduce": _all_reduce,
    "reduce": _reduce,
    "broadcast": _broadcast,
    "reduce_scatter": _reduce_scatter,
    "all_gather": _all_gather,
}
