"""Traffic patterns of one strategy on one fabric: all-reduces of its groups, stage transfers, streams and loads."""

from __future__ import annotations

from functools import cached_property

from slipstick.core.topology import Topology
from slipstick.fabric.patterns import Pattern, all_reduce, in_network
from slipstick.fabric.strategies import Strategy
from slipstick.fabric.training.io_controllers import _broadcast, _collect, load


class _StrategyTraffic:
    """Traffic patterns of a strategy by kind of communication, computed once and shared by all tasks."""

    def __init__(self, topology: Topology, strategy: Strategy) -> None:
        self.topology, self.strategy = topology, strategy
        self._nodes = [int(node) for node in topology.npus]
        self._tensor: dict[tuple[int, int], Pattern] = {}
        self._transfer: dict[tuple[int, int, int], Pattern] = {}

    def tensor(self, replica: int, stage: int) -> Pattern:
        """Return the all-reduce of the tensor group of one stage of one replica."""
        key = replica, stage
        if key not in self._tensor:
            self._tensor[key] = all_reduce(self.topology, self._of(self.strategy.tensor_group(replica, stage)))
        return self._tensor[key]

    @cached_property
    def data(self) -> list[list[Pattern]]:
        """All-reduce of every stage over the replicas, one per member of its tensor groups."""
        s = self.strategy
        return [
            [all_reduce(self.topology, self._of(s.data_group(member, stage))) for member in range(s.tp)]
            for stage in range(s.pp)
        ]

    def transfer(self, replica: int, stage: int, to: int) -> Pattern:
        """Return the pattern of activations sent from one pipeline stage to another.

        Every member holds them all. Switches that copy take a share from each to all members of the next stage;
        elsewhere each member sends them to its opposite. Source: FRED (arXiv 2406.19580), section 5: PP multicasts.
        """
        key = replica, stage, to
        if key not in self._transfer:
            sources = self._of(self.strategy.tensor_group(replica, stage))
            targets = self._of(self.strategy.tensor_group(replica, to))
            if in_network(self.topology):
                share = 1 / len(sources)
                parts = [Pattern.of_tree(self.topology, [source], targets, share) for source in sources]
                self._transfer[key] = Pattern.together(parts, self.topology)
            else:
                self._transfer[key] = Pattern.of_messages(self.topology, zip(sources, targets, strict=True))
        return self._transfer[key]

    @cached_property
    def weights_in(self) -> list[Pattern]:
        """Pattern of a layer's weights streamed to all replicas of each stage, a shard per member."""
        return [_broadcast(self.topology, self._shards(stage)) for stage in range(self.strategy.pp)]

    @cached_property
    def gradients_out(self) -> list[Pattern]:
        """Pattern of a layer's gradients streamed out of each stage, reduced over its replicas on the way."""
        return [_collect(self.topology, self._shards(stage)) for stage in range(self.strategy.pp)]

    @cached_property
    def samples(self) -> Pattern:
        """Pattern of the minibatch loaded into the first stage of every replica."""
        s = self.strategy
        first = [node for replica in range(s.dp) for node in self._of(s.tensor_group(replica, 0))]
        return load(self.topology, first)

    def _shards(self, stage: int) -> list[list[int]]:
        return [self._of(self.strategy.data_group(member, stage)) for member in range(self.strategy.tp)]

    def _of(self, ranks: tuple[int, ...]) -> list[int]:
        return [self._nodes[rank] for rank in ranks]
