"""Device: arrays of several kinds on one chip; each layer runs on one that multiplies its number format."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from slipstick.core.device import Device, Surroundings, register_device


@register_device
class MixedArrays(Device):
    """Arrays side by side, one layer at a time: bit-serial, parallel, stochastic, approximate, analog ones.

    Of the arrays that multiply a layer's format, the one that spends least energy on the layer takes it.
    """

    kind: Literal["mixed-arrays"] = Field(default="mixed-arrays", description="Kind of device: mixed-arrays")
    arrays: tuple[str, ...] = Field(
        min_length=1, description="Systems whose arrays are on the chip, such as int8-8x8, with their own memories"
    )

    def check(self, system: Surroundings) -> Iterator[str]:
        """Yield an error message for an array that stands twice."""
        twice = [name for name in dict.fromkeys(self.arrays) if self.arrays.count(name) > 1]
        if twice:
            yield f"device.arrays: {', '.join(twice)} twice; each kind of array stands once"
