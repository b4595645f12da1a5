"""Constants of the matrix-product model, one set a device generation: read from ``data/kernels/<generation>.yaml``."""

from __future__ import annotations

from functools import cache
from importlib import resources

from pydantic import Field

from slipstick.core import units
from slipstick.core.files import parse_yaml
from slipstick.core.spec import Spec, validate

_WIDE = ("bf16", "fp16", "tf32", "fp32", "fp64")  # formats that no kernel has to quantise to


class MatmulConstants(Spec):
    """What matrix products of one number format reach, relative to the data sheet's figures."""

    launch: units.Seconds  # start and end of a kernel
    efficiency: float = Field(gt=0, le=1)  # share of the peak that a short kernel of large tiles reaches
    half_area: float = Field(ge=0)  # elements of a tile at which half of that share is reached
    largest_tile: float = Field(gt=0)  # elements of the largest tile; more where pairs of cores share one
    fill: float = Field(ge=0)  # a tile's prologue and epilogue, in elements of the inner dimension
    dram: float = Field(gt=0, le=1)  # share of the DRAM bandwidth
    l2: float = Field(gt=0)  # share of the stated L2 bandwidth; above 1 where that is not published
    capacity: float = Field(gt=0)  # share of the L2 that holds distinct data: its partitions keep copies
    draw: float = Field(gt=0)  # bytes that one core can load in a clock
    sag: float = Field(ge=0, lt=1)  # share of the rate lost in long kernels, whose power lowers the clock
    sag_flops: float = Field(gt=0)  # operations of one kernel at which half of that is lost
    split: units.Seconds  # cost of summing the parts of a split inner dimension
    whole_waves: float = Field(ge=0, le=1)  # share of a last, partly filled wave that is paid in full
    sharpness: float = Field(ge=1, le=20)  # exponent of the smooth maximum over compute, L2 and DRAM
    eviction: float = Field(gt=0, le=1)  # reuse distance, beyond the L2's capacity, over which hits fade out
    partial_sums: float = Field(ge=0)  # share of the split parts' fp32 traffic that the L2 sees
    quantise_launch: units.Seconds = 0.0  # the kernel that quantises the activations: start and end
    quantise_rate: float = Field(default=1.0, gt=0)  # elements that one core quantises in a clock
    quantise_reads: float = Field(default=1.0, ge=0)  # times that it reads them: a scale of the whole tensor needs two


class KernelConstants(Spec):
    """Constants of one generation: a set a number format. `source` says what they were fitted on."""

    generation: str
    calibrated: bool
    source: str
    formats: dict[str, MatmulConstants]

    def of(self, name: str) -> MatmulConstants:
        """Return the constants of a format, or those of the nearest one: 16 bits and wider, 8 bits, or 4."""
        order = ("bf16",) if name in _WIDE else ("nvfp4", "fp8", "bf16") if "fp4" in name else ("fp8", "bf16")
        return self.formats[next(known for known in (name, *order) if known in self.formats)]


@cache
def load_kernel_constants(generation: str) -> KernelConstants:
    """Return the constants of a generation, or the generic ones (assumed: medians), marked as not calibrated.

    Examples
    --------
    >>> load_kernel_constants("hopper").calibrated, load_kernel_constants("abacus").generation
    (True, 'generic')
    """
    folder = resources.files("slipstick.data") / "kernels"
    file = folder / f"{generation}.yaml"
    if not file.is_file():
        file = folder / "generic.yaml"
    return validate(KernelConstants, parse_yaml(file.read_text("utf-8"), where=file.name), where=file.name)
