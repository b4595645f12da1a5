"""Device: arrays of multipliers whose columns sum their products at once: stochastic, approximate or analog."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from slipstick.core import units
from slipstick.core.device import Device, Surroundings, register_device
from slipstick.core.device_kinds import SRAMS
from slipstick.core.errors import SlipstickError
from slipstick.formats import format_of


@register_device
class DotProductArray(Device):
    """Arrays with weights at rest: each of `columns` columns sums the products of `rows` inputs at once.

    The format of a layer says by which arithmetic: streams of bits, a table of an approximate multiplier, currents.
    """

    kind: Literal["dot-product"] = Field(default="dot-product", description="Kind of device: dot-product")
    clock: units.Hertz = Field(
        description="Clock: a product of a multiplier, a bit of a stream, a conversion of an ADC"
    )
    rows: int = Field(gt=0, le=2**16, description="Inputs that a column multiplies and sums at once")
    columns: int = Field(gt=0, le=2**16, description="Columns of one array")
    arrays: int = Field(default=1, gt=0, le=2**16, description="Arrays that work side by side on one layer")
    sharing: int = Field(
        default=1, gt=0, le=2**10, description="Columns that share one converter, which reads one after the other"
    )
    format: str = Field(
        description="Number format of layers for which the plan names none; its arithmetic is what the multipliers are "
        "built for, such as int8@analog:rows=128"
    )

    def check(self, system: Surroundings) -> Iterator[str]:
        """Yield an error message unless there is a memory per operand and a larger main memory."""
        try:
            format_of(self.format)
        except SlipstickError as error:
            yield f"device.format: {error}"
        absent = [name for name in SRAMS if name not in system.memory]
        if absent:
            yield f"a dot-product array needs a memory for each of its operands: {', '.join(absent)} missing"
        elif system.main_memory_name in SRAMS:
            yield "a dot-product array needs a main memory beside those of its operands, the largest of all"
