"""Price of a collective: its time by a closed form, by the links of a fabric, or by a measured table."""

from __future__ import annotations

from typing import Protocol


class CollectivePrice(Protocol):
    """Price [s] of a collective among a group of devices; a closed form or a fabric implements it."""

    def __call__(self, op: str, size: float, ranks: int, stride: int) -> float:
        """Return seconds of `op` among `ranks` devices that are `stride` apart in rank order.

        `size` is bytes of the full tensor, as the cluster model counts them: all_reduce the tensor, all_gather the
        gathered one, reduce_scatter the unreduced one, all_to_all what one rank holds before, broadcast and
        point_to_point the message. Every other group of the same kind, over the rest of the devices, runs at the same
        time.
        """
        ...
