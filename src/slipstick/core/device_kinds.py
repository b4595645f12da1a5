"""The kinds of devices that most systems have: accelerators with matrix units, and arrays of processing elements."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from slipstick.core import units
from slipstick.core.device import Device, Surroundings, register_device

Dataflow = Literal["os", "ws", "is"]
Element = Literal["single-shift", "double-shift", "serial", "bit-fusion", "parallel"]
SRAMS = ("inputs", "weights", "outputs")  # the memories that an array reads and writes, by name


@register_device
class Accelerator(Device):
    """An accelerator (GPU, TPU): its dense peak rates, a multiply-accumulate counted as two operations."""

    kind: Literal["accelerator"] = Field(default="accelerator", description="Kind of device: accelerator")
    cores: int = Field(
        gt=0,
        description="Units that one tile of a matrix product is scheduled on: streaming multiprocessors, compute "
        "units, tensor cores",
    )
    clock: units.Hertz = Field(description="Clock of the cores at which the rates hold")
    matrix: dict[str, units.OperationsPerSecond] = Field(
        description="Dense peak rate of the matrix units, by number format"
    )
    vector: dict[str, units.OperationsPerSecond] = Field(description="Peak rate of the vector units, by number format")
    energy: units.JoulesPerOperation | None = Field(
        default=None, description="Energy of one bf16 operation in the matrix units, memory not counted"
    )

    def rate_of(self, number_format: str) -> float | None:
        """Return the dense rate [operations/s] of the matrix units in a number format, None where there is none."""
        return self.matrix.get(number_format)


@register_device
class Array(Device):
    """A systolic array of processing elements, each with several lanes, which take a group of weights together.

    Dataflows are explained in `slipstick.array.systolic`, elements in `slipstick.formats.arithmetic.bit_serial`.
    """

    kind: Literal["array"] = Field(default="array", description="Kind of device: array")
    clock: units.Hertz = Field(description="Clock of the elements")
    rows: int = Field(gt=0, le=2**16, description="Rows of processing elements")
    columns: int = Field(gt=0, le=2**16, description="Columns of processing elements")
    dataflow: Dataflow = Field(
        default="os", description="Operand that stays in the elements: outputs (os), weights (ws) or inputs (is)"
    )
    element: Element = Field(description="Circuit of a processing element: how it multiplies")
    group: int = Field(default=1, gt=0, le=2**10, description="Lanes of an element: weights that it takes in at a time")
    overlap: bool = Field(
        default=False,
        description="Whether the next fold enters while the last one leaves; if false, one after the other, as "
        "SCALE-Sim counts",
    )

    def check(self, system: Surroundings) -> Iterator[str]:
        """Yield an error message unless the array has a memory per operand and a larger main memory."""
        absent = [name for name in SRAMS if name not in system.memory]
        if absent:
            yield f"an array needs a memory for each of its operands: {', '.join(absent)} missing"
        elif system.main_memory_name in SRAMS:
            yield "an array needs a main memory beside those of its operands, the largest of all"


@register_device
class Host(Device):
    """The computer that slipstick itself runs on: accuracy is measured there, and no figure of it is stated.

    Examples
    --------
    >>> from slipstick.core.system import THIS_MACHINE
    >>> THIS_MACHINE.device.kind
    'host'
    """

    stated: ClassVar[bool] = False
    kind: Literal["host"] = Field(default="host", description="Kind of device: host")
