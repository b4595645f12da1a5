"""A flow, the one thing that the switch does: add up what enters at its input ports, copy it to its output ports.

Collectives are one flow, or several in series. Source: FRED (arXiv 2406.19580), section 4 and table 2 (the table was
not seen: the steps of an all-to-all are cyclic shifts, our choice).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from slipstick.core.errors import SlipstickError


@dataclass(frozen=True)
class Flow:
    """The sum over `inputs` goes to every one of `outputs` (port numbers from 0).

    Examples
    --------
    >>> Flow.of([1, 0], [2])
    Flow(inputs=frozenset({0, 1}), outputs=frozenset({2}))
    """

    inputs: frozenset[int]
    outputs: frozenset[int]

    @classmethod
    def of(cls, inputs: Iterable[int], outputs: Iterable[int]) -> Flow:
        """Return the flow from `inputs` to `outputs`."""
        return cls(frozenset(inputs), frozenset(outputs))

    def moved(self, places: Sequence[int]) -> Flow:
        """Return the flow with port i at places[i]."""
        return Flow.of((places[i] for i in self.inputs), (places[i] for i in self.outputs))


Series = list[list[Flow]]  # steps one after the other; the flows of a step run together


def all_reduce(ports: Sequence[int]) -> Series:
    """Return one flow from all of `ports` to all of them."""
    return [[Flow.of(ports, ports)]]


def reduce(ports: Sequence[int], root: int) -> Series:
    """Return one flow from `ports` to `root`."""
    return [[Flow.of(ports, [root])]]


def multicast(root: int, ports: Sequence[int]) -> Series:
    """Return one flow from `root` to `ports`."""
    return [[Flow.of([root], ports)]]


def reduce_scatter(ports: Sequence[int]) -> Series:
    """Return k reductions: step j ends at port j."""
    return [[Flow.of(ports, [port])] for port in ports]


def all_gather(ports: Sequence[int]) -> Series:
    """Return k multicasts: step j starts at port j."""
    return [[Flow.of([port], ports)] for port in ports]


def scatter(root: int, ports: Sequence[int]) -> Series:
    """Return k unicasts from `root`."""
    return [[Flow.of([root], [port])] for port in ports]


def gather(ports: Sequence[int], root: int) -> Series:
    """Return k unicasts to `root`."""
    return [[Flow.of([port], [root])] for port in ports]


def all_to_all(ports: Sequence[int]) -> Series:
    """Return k - 1 steps of disjoint unicasts: in step s, member i sends to member i + s."""
    count = len(ports)
    return [[Flow.of([ports[i]], [ports[(i + shift) % count]]) for i in range(count)] for shift in range(1, count)]


def ring_all_reduce(ports: Sequence[int]) -> Series:
    """Return the 2 (k - 1) steps of a ring, each a permutation of unicasts: the split of remedy three."""
    step = [Flow.of([port], [ports[(i + 1) % len(ports)]]) for i, port in enumerate(ports)]
    return [step] * (2 * (len(ports) - 1))


COLLECTIVES: dict[str, Callable[[Sequence[int]], Series]] = {
    "all-reduce": all_reduce,
    "reduce-scatter": reduce_scatter,
    "all-gather": all_gather,
    "all-to-all": all_to_all,
    "ring-all-reduce": ring_all_reduce,
}


def check(ports: int, flows: Sequence[Flow]) -> None:
    """Refuse flows that no switch can carry at once.

    Errors
    ------
    SlipstickError: no inputs or outputs, a port that is not there, a port that two flows use the same way.
    """
    for side in ("inputs", "outputs"):
        taken: dict[int, int] = {}
        for place, flow in enumerate(flows):
            path, mine = f"flows.{place}.{side}", getattr(flow, side)
            if not mine:
                raise SlipstickError("no ports", path=path, allowed="at least one")
            for port in sorted(mine):
                if not 0 <= port < ports:
                    raise SlipstickError("no such port", path=path, value=port, allowed=f"0 to {ports - 1}")
                if port in taken:
                    raise SlipstickError(f"flow {taken[port]} has this port already", path=path, value=port)
                taken[port] = place
