"""Flows of the switch: each adds up the values of its input ports and copies the sum to its output ports.

Collectives are one flow, or several in series. Source: FRED (arXiv 2406.19580), section 4 and table 2 (the table was
not seen: the steps of an all-to-all are cyclic shifts, our choice).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from slipstick.core.errors import SlipstickError


@dataclass(frozen=True)
class Flow:
    """Flow of a switch: the sum over the `inputs` ports is copied to all `outputs` ports (numbered from 0).

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


Series = list[list[Flow]]  # steps one after the other; the flows of a step run together


def _collective_flows(collective: str, ports: Sequence[int], root: int = 0) -> Series:
    """Return a collective among `ports` as flows, step by step; `root` is the port of one that has a root.

    Errors
    ------
    SlipstickError for an unknown collective.

    Examples
    --------
    >>> [len(step) for step in _collective_flows("all_to_all", [0, 2, 5])]
    [3, 3]
    """
    if collective not in _COLLECTIVES:
        raise SlipstickError("no such collective", path="collective", value=collective, allowed=list(_COLLECTIVES))
    return _COLLECTIVES[collective](list(ports), root)


def _all_to_all(ports: Sequence[int], root: int) -> Series:
    """Return an all-to-all as k - 1 steps of disjoint unicasts: in step s, member i sends to member i + s."""
    count = len(ports)
    return [[Flow.of([ports[i]], [ports[(i + shift) % count]]) for i in range(count)] for shift in range(1, count)]


def _ring_all_reduce(ports: Sequence[int], root: int) -> Series:
    """Return a ring all-reduce as 2 (k - 1) steps, each a permutation of unicasts: the third remedy."""
    step = [Flow.of([port], [ports[(i + 1) % len(ports)]]) for i, port in enumerate(ports)]
    return [step] * (2 * (len(ports) - 1))


_COLLECTIVES: dict[str, Callable[[Sequence[int], int], Series]] = {
    "all_reduce": lambda ports, root: [[Flow.of(ports, ports)]],
    "reduce": lambda ports, root: [[Flow.of(ports, [root])]],
    "multicast": lambda ports, root: [[Flow.of([root], ports)]],
    "reduce_scatter": lambda ports, root: [[Flow.of(ports, [port])] for port in ports],
    "all_gather": lambda ports, root: [[Flow.of([port], ports)] for port in ports],
    "scatter": lambda ports, root: [[Flow.of([root], [port])] for port in ports],
    "gather": lambda ports, root: [[Flow.of([port], [root])] for port in ports],
    "all_to_all": _all_to_all,
    "ring_all_reduce": _ring_all_reduce,
}
