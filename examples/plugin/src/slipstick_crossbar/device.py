"""Analogue crossbar: cells at the crossings of lines multiply by their conductance, columns add up currents."""

from typing import Literal

from pydantic import Field

from slipstick import Device
from slipstick.core.units import Joules, Seconds


class Crossbar(Device):
    """An analogue crossbar: one read multiplies a vector by a tile of `lines` x `lines` weights at once."""

    kind: Literal["crossbar"] = Field(default="crossbar", description="Kind of device: crossbar")
    lines: int = Field(gt=0, description="Word lines, and bit lines, of one tile")
    read_time: Seconds = Field(description="Time of one read of one tile, converters included")
    energy: Joules = Field(description="Energy of one product of a cell, converters included")
