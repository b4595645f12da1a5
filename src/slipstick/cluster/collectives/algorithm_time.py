"""Time of a collective by algorithm (ring, double binary tree, in the switch), as pure functions of arrays.

N ranks, a message of S bytes (the FULL tensor), rate B bytes/s one way per device, latency h per step.

* ring: `steps h + S / N (steps / B)`, steps = N - 1 (gather, scatter) or 2 (N - 1) (all-reduce)
  [Patarasu and Yuan 2009, section 3; the per-protocol latencies follow NCCL's tuning model].
* double binary tree over k domains: `2 log2(k) h + S min(2, k / 2) / B`: the busiest node is inside one tree and a
  leaf of the other one, and each tree carries half of the bytes [Sanders, Speck and Traeff 2009].
* in the switch: every device sends and receives S once.
* direct exchange: `(N - 1) h + S (N - 1) / N / B`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from slipstick.cluster.constants.links import _InSwitch, _Protocol
from slipstick.core.arrays import FloatArray


class _AlgorithmTime(NamedTuple):
    """Time of one collective by one algorithm [s]: its latency, and the bandwidth part that grows with the bytes."""

    latency: FloatArray
    bandwidth: FloatArray

    @classmethod
    def ring(
        cls, protocol: _Protocol, shard: FloatArray, steps: FloatArray, hop: FloatArray, rate: FloatArray,
        own_rate: FloatArray,
    ) -> _AlgorithmTime:  # fmt: skip
        """Return the time of a ring collective of `steps` pipelined steps, each moving one shard of the message.

        Parameters
        ----------
        protocol : its base latency and own-shard cost are used; `hop` and `rate` already hold the rest.
        shard : message bytes / ranks [B].
        steps : N - 1, or 2 (N - 1) for an all-reduce.
        hop : mean latency of a step over the links of the ring [s].
        rate : bytes per second that the slowest link of the ring gives one device.
        own_rate : data-sheet rate of a device's link [B/s].
        """
        return cls(protocol.base + hop * steps, shard * (steps / rate + protocol.own / own_rate))

    @classmethod
    def tree(cls, protocol: _Protocol, size: FloatArray, domains: FloatArray, rate: FloatArray) -> _AlgorithmTime:
        """Return the time of an all-reduce of `size` bytes over a double binary tree, half of them in each tree."""
        depth = np.ceil(np.log2(np.maximum(domains, 1.0)))
        return cls(protocol.base + 2.0 * protocol.hop * depth, size * np.minimum(2.0, domains / 2.0) / rate)

    @classmethod
    def in_switch(
        cls, constants: _InSwitch, size: FloatArray, ranks: FloatArray, bandwidth: FloatArray
    ) -> _AlgorithmTime:
        """Return the time of an all-reduce inside the switch (NVLS, SHARP); infinite for groups too small for it."""
        latency = np.where(ranks >= constants.min_ranks, constants.base, np.inf)
        return cls(latency, size / (constants.efficiency * bandwidth))

    @classmethod
    def best_protocol(
        cls, costs: Sequence[_AlgorithmTime], protocols: Sequence[_Protocol], shard: FloatArray
    ) -> _AlgorithmTime:
        """Return the time by the fastest protocol (as NCCL's LL, LL128, Simple) that a shard of this size may use.

        The full-bandwidth protocol is always allowed: a message above a limit takes at least as long as one below it.
        """
        best = costs[-1]
        for protocol, cost in zip(protocols[:-1], costs[:-1], strict=True):
            best = best.or_cheaper(cls(np.where(shard < protocol.limit, cost.latency, np.inf), cost.bandwidth))
        return best

    def or_cheaper(self, other: _AlgorithmTime) -> _AlgorithmTime:
        """Return, element by element, the shorter of two times (latency + bandwidth part), this one where equal."""
        better = other.latency + other.bandwidth < self.latency + self.bandwidth
        return _AlgorithmTime(
            np.where(better, other.latency, self.latency), np.where(better, other.bandwidth, self.bandwidth)
        )
