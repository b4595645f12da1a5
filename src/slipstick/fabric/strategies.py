"""Parallel strategies: degrees of tensor, data and pipeline parallelism, and the node of every worker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from slipstick.core.arrays import IntArray
from slipstick.core.errors import SlipstickError


@dataclass(frozen=True)
class Strategy:
    """Degrees of tensor (`tp`), data (`dp`) and pipeline (`pp`) parallelism, on the ranks 0 to tp * dp * pp - 1.

    Ranks run along tensor parallelism first, then the pipeline, then data: "MP workers on consecutive NPUs, then PP,
    then DP" (FRED, arXiv 2406.19580, section 5; what the paper calls MP, model parallelism, is a Plan's tp).

    Examples
    --------
    >>> Strategy(2, 5, 2).tensor_group(replica=1, stage=0), Strategy(2, 5, 2).data_group(member=1, stage=0)
    ((4, 5), (1, 5, 9, 13, 17))
    """

    tp: int = 1
    dp: int = 1
    pp: int = 1

    @property
    def used(self) -> int:
        """Number of workers, one on each node: tp * dp * pp."""
        return self.tp * self.dp * self.pp

    @property
    def name(self) -> str:
        """Name of the strategy as the FRED paper writes it, in which MP is tensor parallelism."""
        return f"MP({self.tp})-DP({self.dp})-PP({self.pp})"

    def rank(self, member: int, stage: int, replica: int) -> int:
        """Return the rank of the worker at a place of the tensor group, a pipeline stage and a replica."""
        return member + self.tp * (stage + self.pp * replica)

    def tensor_group(self, replica: int, stage: int) -> tuple[int, ...]:
        """Return the tensor-parallel group: the ranks that share the layers of one stage of one replica."""
        return tuple(self.rank(member, stage, replica) for member in range(self.tp))

    def data_group(self, member: int, stage: int) -> tuple[int, ...]:
        """Return the data-parallel group: the ranks of all replicas that hold the same weights."""
        return tuple(self.rank(member, stage, replica) for replica in range(self.dp))

    @property
    def tensor_groups(self) -> list[tuple[int, ...]]:
        """Tensor-parallel groups of all replicas and stages, stage by stage of each replica."""
        return [self.tensor_group(replica, stage) for replica in range(self.dp) for stage in range(self.pp)]

    @property
    def data_groups(self) -> list[tuple[int, ...]]:
        """Data-parallel groups of all stages and members, member by member of each stage."""
        return [self.data_group(member, stage) for stage in range(self.pp) for member in range(self.tp)]


def strategies(nodes: int) -> list[Strategy]:
    """Return every factorisation tp * dp * pp of the nodes, ordered by tp, then pp.

    Examples
    --------
    >>> len(strategies(20)), strategies(4)[1].name
    (18, 'MP(1)-DP(2)-PP(2)')
    """
    sizes = [size for size in range(1, nodes + 1) if nodes % size == 0]
    return [Strategy(tp, nodes // (tp * pp), pp) for tp in sizes for pp in sizes if nodes // tp % pp == 0]


def _cut_in_stages(costs: Sequence[float], stages: int) -> list[IntArray]:
    """Return the layers of each pipeline stage: runs of layers whose costs come closest to equal shares.

    Errors
    ------
    SlipstickError for more stages than layers.

    Examples
    --------
    >>> [run.tolist() for run in _cut_in_stages([1, 1, 1, 3], 2)]
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
