"""Device: photonic arrays of dot products by wavelength (Albireo): groups of units whose star couplers share inputs."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Annotated, Literal

from pydantic import Field

from slipstick.core import units
from slipstick.core.device import Device, Surroundings, register_device
from slipstick.core.spec import Spec
from slipstick.optics.layer_shots import OpticalLayer

_Count = Annotated[int, Field(gt=0, le=2**12)]
PART_NAMES = ("mrr", "mzm", "laser", "tia", "dac", "adc", "awg", "star_coupler", "photodiode")


class _Part(Spec):
    """A part of a photonic array: what one draws and occupies."""

    power: units.Watts = Field(description="Power of one at the device's clock; 0 for a passive one")
    area: units.SquareMetres = Field(description="Area of one")


@register_device
class PhotonicArray(Device):
    """A photonic array as Albireo (Shiflett et al., ISCA 2021): groups of units, each with star couplers and weights.

    A star coupler brings `lines` wavelengths to `rows` of modulated weights, each crossing `columns` outputs side by
    side in a row of the image. The units of a group add their photocurrents.
    """

    kind: Literal["photonic-array"] = Field(default="photonic-array", description="Kind of device: photonic-array")
    clock: units.Hertz = Field(description="Clock of modulators and converters")
    groups: _Count = Field(description="Groups, each with another filter (PLCG)")
    members: _Count = Field(description="Units of a group, whose results add up (PLCU)")
    stars: _Count = Field(description="Star couplers of a unit")
    rows: _Count = Field(description="Weights behind one star coupler")
    columns: _Count = Field(description="Outputs of a unit at once")
    lines: _Count = Field(description="Wavelengths, that is inputs, of one star coupler")
    mapping: Literal["mapped", "peak"] = Field(
        default="mapped", description="Time of a layer: by its mapping, or as if all products were used (peak)"
    )
    dense: Literal["light", "skip"] = Field(
        default="light", description="Where dense layers run; skip: they are left out, as in counts of convolutions"
    )
    parts: dict[str, _Part] = Field(description=f"Parts by name: {', '.join(PART_NAMES)}")
    cache_power: units.PositiveWatts = Field(description="Power of all memories on the chip")
    cache_area: units.SquareMetres = Field(description="Area of all memories on the chip")

    @property
    def products(self) -> int:
        """Multiply-accumulates of one cycle."""
        return self.groups * self.members * self.stars * self.rows * self.columns

    @property
    def counts(self) -> dict[str, int]:
        """Number of each part: two rings a product, a modulator and a DAC for each input and each weight.

        Source: CiMLoop's model of Albireo (arch.yaml), whose photodiodes are counted by unit.
        """
        in_all = self.groups * self.members
        modulated = self.members * self.stars * self.lines + in_all * self.stars * self.rows
        outputs, couplers = self.groups * self.columns, in_all * self.stars
        return {
            "mrr": 2 * self.products, "mzm": modulated, "laser": self.products, "tia": outputs, "dac": modulated,
            "adc": outputs, "awg": couplers, "star_coupler": couplers, "photodiode": in_all,
        }  # fmt: skip

    @property
    def power_parts(self) -> dict[str, float]:
        """Power [W] by part with every part at work; passive ones left out."""
        drawn = {name: count * self.parts[name].power for name, count in self.counts.items()}
        return {name: watts for name, watts in drawn.items() if watts} | {"cache": self.cache_power}

    @property
    def area_parts(self) -> dict[str, float]:
        """Area [m2] by part."""
        return {name: count * self.parts[name].area for name, count in self.counts.items()} | {"cache": self.cache_area}

    def check(self, system: Surroundings) -> Iterator[str]:
        """Yield an error message per part that is missing, or that nobody knows."""
        absent = [name for name in PART_NAMES if name not in self.parts]
        if absent:
            yield f"device.parts: {', '.join(absent)} missing"
        unknown = [name for name in self.parts if name not in PART_NAMES]
        if unknown:
            yield f"device.parts: {', '.join(unknown)} unknown; allowed: {', '.join(PART_NAMES)}"


def array_cycles(layer: OpticalLayer, array: PhotonicArray) -> float:
    """Return the cycles of a layer for the whole batch.

    Mapped: `columns` outputs of a row at once; of the kernel's rows as many as the star coupler's inputs serve,
    ceil((lines - columns) / stride + 1); its columns and the input channels over star couplers and units; a dense layer
    takes as many inputs as products of one output. Source: CiMLoop's constraints of Albireo (arch.yaml).

    Examples
    --------
    >>> from slipstick.core.catalogue import resolve_system
    >>> from slipstick.core.workload import Phase
    >>> from slipstick.networks import network
    >>> from slipstick.optics.layer_shots import optical_layers
    >>> layers = optical_layers(network("vgg-16").ops(Phase.INFER, 1, 1, 1))
    >>> device = resolve_system("albireo-conservative").device_as(PhotonicArray)
    >>> array_cycles(layers[1], device), round(layers[1].macs / device.products)
    (1774080.0, 1522377)
    """
    if array.mapping == "peak":
        return layer.macs / array.products
    filters, wide = ceil(layer.filters / array.groups), array.stars * array.members
    if layer.kind == "dense":
        return float(filters * ceil(layer.channels / (wide * array.rows)) * layer.images)
    (high, across), (rows, columns) = layer.geometry.output, layer.geometry.kernel
    at_once = min(array.rows, ceil((array.lines - array.columns) / layer.geometry.stride[1] + 1))
    products = ceil(layer.channels * columns / wide) * ceil(rows / at_once)
    return float(filters * products * high * ceil(across / array.columns) * layer.groups * layer.images)
