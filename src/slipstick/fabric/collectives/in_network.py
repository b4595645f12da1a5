"""In-network: switches add up on the way up and copy on the way down; every rank sends and receives the data once."""

from __future__ import annotations

from slipstick.fabric.messages import Schedule, Writer


def all_reduce(ranks: int) -> Schedule:
    """Return one message from all to all.

    Examples
    --------
    >>> all_reduce(20).sent.tolist() == [1] * 20
    True
    """
    return _one("all_reduce", ranks, list(range(ranks)), list(range(ranks)), 0)


def reduce(ranks: int, root: int = 0) -> Schedule:
    """Return one message from all to the root."""
    return _one("reduce", ranks, list(range(ranks)), [root], root)


def broadcast(ranks: int, root: int = 0) -> Schedule:
    """Return one message from the root to all others."""
    return _one("broadcast", ranks, [root], [rank for rank in range(ranks) if rank != root], root)


def reduce_scatter(ranks: int) -> Schedule:
    """Return a reduction to each rank in turn. Source: FRED (arXiv 2406.19580), section 5: compound collectives."""
    writer = Writer()
    everyone = list(range(ranks))
    for rank in everyone:
        writer.cast(everyone, [rank], rank)
    return writer.finish("reduce_scatter", "in_network", ranks, ranks)


def all_gather(ranks: int) -> Schedule:
    """Return a multicast from each rank in turn."""
    writer = Writer()
    for rank in range(ranks):
        writer.cast([rank], [other for other in range(ranks) if other != rank], rank)
    return writer.finish("all_gather", "in_network", ranks, ranks)


def _one(collective: str, ranks: int, sources: list[int], targets: list[int], root: int) -> Schedule:
    writer = Writer()
    if targets:
        writer.cast(sources, targets, 0)
    return writer.finish(collective, "in_network", ranks, 1, root)
