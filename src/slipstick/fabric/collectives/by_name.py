"""Collective schedules by name: the algorithm and the collective that it performs."""

from __future__ import annotations

from collections.abc import Mapping

from slipstick.core.errors import SlipstickError
from slipstick.fabric.collectives import direct, halving_doubling, in_network, ring, tree
from slipstick.fabric.messages import CollectiveSchedule, ScheduleBuilder

ALGORITHMS: Mapping[str, Mapping[str, ScheduleBuilder]] = {
    "ring": ring.SCHEDULES,
    "direct": direct.SCHEDULES,
    "halving_doubling": halving_doubling.SCHEDULES,
    "tree": tree.SCHEDULES,
    "in_network": in_network.SCHEDULES,
}


def collective_schedule(collective: str, algorithm: str, ranks: int, **options: int) -> CollectiveSchedule:
    """Return the schedule of a collective (``all_reduce``, ``gather``, ...) by an algorithm (``ring``, ``tree``, ...).

    Parameters
    ----------
    options : `root` of collectives that have one, `pieces` of trees.

    Errors
    ------
    SlipstickError for an unknown algorithm, or one that has no such collective.

    Examples
    --------
    A rank sends 2 (3/4) of the data around a ring of four, and all of it once where switches add up:

    >>> [float((s := collective_schedule("all_reduce", name, 4)).sent[0] / s.chunks) for name in ("ring", "in_network")]
    [1.5, 1.0]
    """
    if algorithm not in ALGORITHMS:
        raise SlipstickError("no such algorithm", path="algorithm", value=algorithm, allowed=list(ALGORITHMS))
    if collective not in ALGORITHMS[algorithm]:
        able = [name for name, schedules in ALGORITHMS.items() if collective in schedules]
        raise SlipstickError(
            f"has no {collective}", path="algorithm", value=algorithm, allowed=able or "no algorithm has"
        )
    return ALGORITHMS[algorithm][collective](ranks, **options)
