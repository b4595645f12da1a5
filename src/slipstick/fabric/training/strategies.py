"""Strategies: how tensor (MP), data (DP) and pipeline (PP) parallelism divide the work, and who sits where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from slipstick.core.arrays import IntArray
from slipstick.core.errors import SlipstickError


@dataclass(frozen=True)
class Strategy:
    """MP(`mp`)-DP(`dp`)-PP(`pp`) on the nodes 0 to mp * dp * pp - 1.

    Ranks run along MP first, then PP, then DP. Source: FRED (arXiv 2406.19580), section 5: "MP workers on consecutive
    NPUs, then PP, then DP".

    Examples
    --------
    >>> Strategy(2, 5, 2).tensor_group(replica=1, stage=0), Strategy(2, 5, 2).data_group(member=1, stage=0)
    ((4, 5), (1, 5, 9, 13, 17))
    """

    mp: int = 1
    dp: int = 1
    pp: int = 1

    @property
    def used(self) -> int:
        """How many nodes it takes."""
        return self.mp * self.dp * self.pp

    @property
    def name(self) -> str:
        """As the FRED paper writes it."""
        return f"MP({self.mp})-DP({self.dp})-PP({self.pp})"

    def rank(self, member: int, stage: int, replica: int) -> int:
        """Return the rank of one worker."""
        return member + self.mp * (stage + self.pp * replica)

    def tensor_group(self, replica: int, stage: int) -> tuple[int, ...]:
        """Return the ranks that share the layers of one stage of one replica."""
        return tuple(self.rank(member, stage, replica) for member in range(self.mp))

    def data_group(self, member: int, stage: int) -> tuple[int, ...]:
        """Return the ranks that hold the same weights."""
        return tuple(self.rank(member, stage, replica) for replica in range(self.dp))


def strategies(nodes: int) -> list[Strategy]:
    """Return every strategy that takes all nodes, in the order of MP, then PP.

    Examples
    --------
    >>> len(strategies(20)), strategies(4)[1].name
    (18, 'MP(1)-DP(2)-PP(2)')
    """
    sizes = [size for size in range(1, nodes + 1) if nodes % size == 0]
    return [Strategy(mp, nodes // (mp * pp), pp) for mp in sizes for pp in sizes if nodes // mp % pp == 0]


def cut_in_stages(costs: Sequence[float], stages: int) -> list[IntArray]:
    """Return the layers of each stage: runs of layers whose costs come closest to equal shares.

    Errors
    ------
    SlipstickError for more stages than layers.

    Examples
    --------
    >>> [run.tolist() for run in cut_in_stages([1, 1, 1, 3], 2)]
    [[0, 1, 2], [3]]
    """
    if stages > len(costs):
        raise SlipstickError("more stages than layers", path="plan.pp", value=stages, allowed=f"up to {len(costs)}")
    middle = np.cumsum(costs) - np.asarray(costs) / 2
    stage = np.minimum((middle / max(float(np.sum(costs)), np.finfo(float).tiny) * stages).astype(np.int64), stages - 1)
    first = np.searchsorted(stage, np.arange(stages))
    # every stage has a layer: later ones are pushed on, earlier ones pulled back
    for index in range(1, stages):
        first[index] = max(first[index], first[index - 1] + 1)
    for index in reversed(range(stages)):
        first[index] = min(first[index], len(costs) - (stages - index))
    return [np.arange(a, b) for a, b in zip(first, [*first[1:], len(costs)], strict=True)]
