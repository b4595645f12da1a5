"""Collective schedules: the messages of a collective, the chunks that each carries, and the messages it waits for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from slipstick.core.arrays import BoolArray, IntArray
from slipstick.core.errors import SlipstickError


@dataclass(frozen=True, eq=False)
class CollectiveSchedule:
    """Messages of a collective between ranks 0 to `ranks` - 1 over a vector cut into `chunks` equal chunks.

    Message i takes chunks ``first[i]`` to ``first[i] + count[i] - 1``, added up over the ranks
    ``sources[source_starts[i]:source_starts[i + 1]]``, to each of its targets, which add them to their own (`reduces`)
    or replace them. More than one source or target: the network adds up or copies on the way. A message waits until
    those that `edges` [n, 2] names before it have been delivered; a message of no chunks is a rendezvous.

    In ``all_gather`` and ``gather`` rank r begins with chunk r; in ``reduce_scatter`` and ``scatter`` it ends with it;
    in ``all_to_all`` chunk s * ranks + t goes from s to t. `algorithm` is the schedule's name in reports; `root` is the
    rank from which or to which rooted collectives go; targets of message i are those from ``target_starts[i]`` on.
    """

    collective: str
    algorithm: str
    ranks: int
    chunks: int
    source_starts: IntArray
    sources: IntArray
    target_starts: IntArray
    targets: IntArray
    first: IntArray
    count: IntArray
    reduces: BoolArray
    edges: IntArray
    root: int = 0

    def __len__(self) -> int:
        return len(self.first)

    @property
    def sent(self) -> IntArray:
        """Number of chunks that each rank sends, [ranks]; a message that the network copies is sent once."""
        chunks = np.repeat(self.count, np.diff(self.source_starts))
        return np.bincount(self.sources, chunks, minlength=self.ranks).astype(np.int64)

    @property
    def received(self) -> IntArray:
        """Number of chunks that each rank receives, [ranks]; a message that the network reduces counts once."""
        chunks = np.repeat(self.count, np.diff(self.target_starts))
        return np.bincount(self.targets, chunks, minlength=self.ranks).astype(np.int64)

    def execute(self, data: IntArray, *, order: ArrayLike | None = None) -> IntArray:
        """Return the values of every rank after the schedule has run on real data, [ranks, chunks, length].

        Parameters
        ----------
        data : [ranks, chunks, length], the values that each rank begins with; chunks that it lacks are not read.
        order : the messages, every one behind those that it waits for; by default as they were written.

        Errors
        ------
        SlipstickError if a message would leave before one that it waits for.
        """
        values = data.copy()
        delivered = np.zeros(len(self), np.bool_)
        waits: list[list[int]] = [[] for _ in range(len(self))]
        for before, after in self.edges:
            waits[after].append(int(before))
        for message in np.arange(len(self)) if order is None else np.asarray(order):
            if not delivered[waits[message]].all():
                raise SlipstickError("leaves before what it waits for", path=f"schedule.{message}")
            delivered[message] = True
            chunks = slice(self.first[message], self.first[message] + self.count[message])
            sources = self.sources[self.source_starts[message] : self.source_starts[message + 1]]
            targets = self.targets[self.target_starts[message] : self.target_starts[message + 1]]
            total = values[sources, chunks].sum(axis=0)
            if self.reduces[message]:
                values[targets, chunks] += total
            else:
                values[targets, chunks] = total
        return values


class _ScheduleWriter:
    """Builder of a collective schedule, which collects its messages block by block."""

    def __init__(self) -> None:
        self._blocks: list[tuple[IntArray, IntArray, IntArray, IntArray, BoolArray]] = []
        self._wide: dict[int, tuple[Sequence[int], Sequence[int]]] = {}
        self._edges: list[IntArray] = []
        self.length = 0

    def add(
        self, source: ArrayLike, target: ArrayLike, first: ArrayLike, count: ArrayLike = 1, *, reduces: bool = False
    ) -> IntArray:
        """Add messages, one per element of the broadcast arrays; return their numbers."""
        arrays = np.broadcast_arrays(*(np.atleast_1d(np.asarray(a, np.int64)) for a in (source, target, first, count)))
        size = arrays[0].size
        self._blocks.append((*(a.ravel() for a in arrays), np.full(size, reduces)))  # type: ignore[arg-type]
        self.length += size
        return np.arange(self.length - size, self.length)

    def cast(self, sources: Sequence[int], targets: Sequence[int], first: int, count: int = 1) -> int:
        """Add one message that the network reduces over its sources and copies to its targets; return its number."""
        number = int(self.add(sources[0], targets[0], first, count)[0])
        self._wide[number] = (sources, targets)
        return number

    def rendezvous(self, ranks: ArrayLike) -> IntArray:
        """Add a message without chunks per rank, on which other messages can wait."""
        return self.add(ranks, ranks, 0, 0)

    def order(self, before: ArrayLike, after: ArrayLike) -> None:
        """Let messages wait for others, pairwise over the broadcast arrays; negative numbers are ignored."""
        pair = np.stack([a.ravel() for a in np.broadcast_arrays(np.asarray(before), np.asarray(after))], axis=1)
        self._edges.append(pair[(pair >= 0).all(axis=1)].astype(np.int64))

    def finish(self, collective: str, algorithm: str, ranks: int, chunks: int, root: int = 0) -> CollectiveSchedule:
        """Return the collective schedule of the messages collected so far."""
        blocks = [np.concatenate(column) for column in zip(*self._blocks, strict=True)] or [np.zeros(0, np.int64)] * 5
        source, target, first, count, reduces = blocks
        starts = np.arange(len(first) + 1)
        source_starts, sources = _widen(starts, source, {n: wide[0] for n, wide in self._wide.items()})
        target_starts, targets = _widen(starts, target, {n: wide[1] for n, wide in self._wide.items()})
        edges = np.concatenate(self._edges) if self._edges else np.zeros((0, 2), np.int64)
        return CollectiveSchedule(
            collective, algorithm, ranks, chunks, source_starts, sources, target_starts, targets, first, count,
            reduces.astype(np.bool_), edges, root,
        )  # fmt: skip


def _widen(starts: IntArray, values: IntArray, wide: dict[int, Sequence[int]]) -> tuple[IntArray, IntArray]:
    if not wide:
        return starts, values
    lists = [list(wide.get(number, (int(value),))) for number, value in enumerate(values)]
    return np.concatenate([[0], np.cumsum([len(ranks) for ranks in lists])]), np.concatenate(lists).astype(np.int64)


ScheduleBuilder = Callable[..., CollectiveSchedule]  # called with the number of ranks, and options by name
