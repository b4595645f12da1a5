"""Price of a collective: a closed form, a fabric's links or a measured table that gives its time."""

from __future__ import annotations

from typing import Protocol


class CollectivePrice(Protocol):
    """Price of collectives on groups of devices: the abstract noun, which a closed form or a fabric implements."""

    def __call__(self, op: str, size: float, ranks: int, stride: int) -> float:
        """Return seconds of `op` among `ranks` devices that are `stride` apart in rank order.

        `size` is bytes of the full tensor, as the cluster model counts them: all_reduce the tensor, all_gather the
        gathered one, reduce_scatter the unreduced one, all_to_all what one rank holds before, broadcast and
        point_to_point the message. Every other group of the same kind, over the rest of the devices, runs at the same
        time.
        """
        ...
