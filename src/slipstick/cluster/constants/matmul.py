"""Constants of the matrix-product model per device generation, read from ``data/kernels/<generation>.yaml``."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from slipstick.core import units
from slipstick.core.catalogue import Catalogue, Entry
from slipstick.core.spec import Spec

_WIDE = ("bf16", "fp16", "tf32", "fp32", "fp64")  # formats that no kernel has to quantise to


def _in(unit: str, **settings: Any) -> Any:
    """Return a dataclass field whose number stays in `unit`, the unit that the YAML files use."""
    return Field(json_schema_extra={"unit": unit}, **settings)


class _MatmulConstants(Spec):
    """Efficiencies and overheads of matrix products in one number format, most of them relative to the data sheet."""

    launch: units.Seconds = Field(description="Start and end of a kernel")
    efficiency: float = Field(gt=0, le=1, description="Share of the peak that a short kernel of large tiles reaches")
    half_area: float = _in("element", ge=0, description="Area of a tile at which half of that share is reached")
    largest_tile: float = _in("element", gt=0, description="Area of the largest tile; more where two cores share it")
    fill: float = _in("element", ge=0, description="Prologue and epilogue of a tile, along the inner dimension")
    dram: float = Field(gt=0, le=1, description="Share of the DRAM bandwidth")
    l2: float = Field(gt=0, description="Share of the stated L2 bandwidth; above 1 where that is not published")
    capacity: float = Field(gt=0, description="Share of the L2 that holds distinct data: its partitions keep copies")
    draw: float = _in("B", gt=0, description="Bytes that one core can load in a clock")
    sag: float = Field(ge=0, lt=1, description="Share of the rate lost in long kernels, whose power lowers the clock")
    sag_flops: float = _in("FLOP", gt=0, description="Operations of one kernel at which half of that is lost")
    split: units.Seconds = Field(description="Cost of summing the parts of a split inner dimension")
    whole_waves: float = Field(ge=0, le=1, description="Share of a last, partly filled wave that is paid in full")
    sharpness: float = Field(ge=1, le=20, description="Exponent of the smooth maximum over compute, L2 and DRAM")
    eviction: float = Field(gt=0, le=1, description="Reuse distance beyond the L2's capacity over which hits fade")
    partial_sums: float = Field(ge=0, description="Share of the split parts' fp32 traffic that the L2 sees")
    quantise_launch: units.Seconds = Field(default=0.0, description="Start and end of a kernel that quantises")
    quantise_rate: float = _in("element", default=1.0, gt=0, description="Elements that one core quantises in a clock")
    quantise_reads: float = Field(
        default=1.0, ge=0, description="Reads of each activation to quantise it: 2 for a scale of the whole tensor"
    )


class _KernelConstants(Entry):
    """Matrix-product constants of one device generation, one set per number format, and the `source` of the fit."""

    calibrated: bool = Field(description="Fitted on measurements of this generation, rather than assumed")
    formats: dict[str, _MatmulConstants] = Field(description="Number format of the products -> its constants")

    def of(self, name: str) -> _MatmulConstants:
        """Return the constants of a number format, or those of its width class: 16 bits and wider, 8 bits, or 4."""
        order = ("bf16",) if name in _WIDE else ("nvfp4", "fp8", "bf16") if "fp4" in name else ("fp8", "bf16")
        return self.formats[next(known for known in (name, *order) if known in self.formats)]

    def measured(self, name: str) -> bool:
        """Return whether products of a number format were measured; fp16 is as fast as bf16 on all of them."""
        return self.calibrated and ("bf16" if name == "fp16" else name) in self.formats

    @classmethod
    def of_generation(cls, generation: str) -> _KernelConstants:
        """Return the matrix-product constants of a device generation, or the uncalibrated generic ones.

        Examples
        --------
        >>> _KernelConstants.of_generation("hopper").calibrated, _KernelConstants.of_generation("abacus").name
        (True, 'generic')
        """
        return kernel_constants.entry(generation if generation in kernel_constants.names() else "generic")


kernel_constants = Catalogue(_KernelConstants, "kernels", noun="device generation")
