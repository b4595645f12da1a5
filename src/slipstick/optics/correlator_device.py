"""Device: joint transform correlators that share their inputs: lasers, modulators, lenses, detectors and converters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from slipstick.core import units
from slipstick.core.device import Device, Surroundings, register_device
from slipstick.core.spec import Spec
from slipstick.optics.row_tiling import CorrelatorInput, Guard, Packing, Strides

_Count = Annotated[int, Field(gt=0, le=2**20)]
_Decibels = Annotated[float, Field(ge=0, le=200)]  # a factor of 1e20: beyond it no light is left
_Bits = Annotated[int, Field(gt=0, le=16)]


class _Converter(Spec):
    """A digital-to-analog or analog-to-digital converter, by the design that its power was stated for."""

    power: units.PositiveWatts = Field(description="Power at `rate` and `bits`")
    rate: units.Hertz = Field(description="Conversions per second at which the power holds")
    bits: _Bits = Field(description="Bits at which the power holds")
    area: units.SquareMetres = Field(description="Area of one")


class _Modulator(Spec):
    """A microring modulator, which sets the amplitude of the light of one waveguide."""

    power: units.PositiveWatts = Field(description="Power of one, its tuning and driver included")
    area: units.SquareMetres = Field(description="Area of one")
    loss: _Decibels = Field(description="Insertion loss [dB]")


class _Detector(Spec):
    """A photodetector of one sample of a plane."""

    area: units.SquareMetres = Field(description="Area of one")
    sensitivity: units.PositiveWatts = Field(description="Least optical power that it must get")
    responsivity: Annotated[float, Field(gt=0)] = Field(description="Current per optical power [A/W]")
    noise: Annotated[float, Field(ge=0)] = Field(description="Input current noise of its amplifier [pA/sqrt(Hz)]")


class _Lens(Spec):
    """An on-chip lens, which transforms between its focal planes."""

    area: units.SquareMetres = Field(description="Area of a lens for `waveguides`, the planes before and behind it")
    waveguides: _Count = Field(description="Waveguides that the area holds for")
    growth: Annotated[float, Field(ge=0, le=4)] = Field(
        default=2.0, description="Exponent of the area in the number of waveguides: aperture and focal length grow"
    )
    loss: _Decibels = Field(description="Loss of one lens [dB]")


class _Light(Spec):
    """The light: lasers, their wavelength, and the losses between them and the modulators."""

    power: units.PositiveWatts | None = Field(
        default=None, description="Electrical power of the laser for one waveguide; null: sized by the loss chain"
    )
    efficiency: Annotated[float, Field(gt=0, le=1)] = Field(description="Wall-plug efficiency of the lasers")
    wavelength: units.Metres = Field(description="Wavelength of the light")
    area: units.SquareMetres = Field(description="Area of one laser")
    lasers: _Count = Field(default=1, description="Lasers of one correlator")
    rin: Annotated[float, Field(le=0)] = Field(description="Relative intensity noise of the lasers [dB/Hz]")
    coupler: _Decibels = Field(description="Loss of the coupler onto the chip [dB]")
    splitter: _Decibels = Field(description="Excess loss of one stage of the splitter tree [dB]")
    guide: _Decibels = Field(description="Loss of the waveguides along their way [dB]")
    pitch: units.Metres = Field(description="Pitch of waveguides")


class _Electronics(Spec):
    """Digital multipliers for the layers that are left to electronics."""

    macs: _Count = Field(description="Multiply-accumulates of 8 bits a cycle")
    clock: units.Hertz = Field(description="Clock of the multipliers")
    energy: units.Joules = Field(description="Energy of one multiply-accumulate")


@register_device
class Correlator(Device):
    """On-chip joint transform correlators (PhotoFourier, Li et al., HPCA 2023): each convolves a signal with a kernel.

    `correlators` = `parallel_inputs` times filters at once: all correlators of one input channel share its modulated
    light, all of one filter add their photocurrents before one converter. Counts are at `slipstick.optics.layer_shots`.
    """

    kind: Literal["correlator"] = Field(default="correlator", description="Kind of device: correlator")
    clock: units.Hertz = Field(description="Shots per second of a correlator, if pipelined")
    correlators: _Count = Field(description="Correlators (PhotoFourier's compute units, PFCU)")
    parallel_inputs: _Count = Field(default=1, description="Input channels at once, whose sum is detected together")
    waveguides: _Count = Field(description="Samples of the signal, and of each plane that is detected")
    taps: _Count = Field(description="Modulators of weights of one correlator: taps of one shot")
    accumulation: _Count = Field(description="Shots whose charge a detector adds up before one conversion")
    pipelined: bool = Field(
        default=True, description="Whether the plane between the lenses is held, so that both halves work on two shots"
    )
    remodulated: bool = Field(
        description="Whether detectors and modulators make the plane between the lenses (current generation), or a "
        "nonlinear material does (next generation)"
    )
    gated: bool = Field(
        default=False, description="Whether modulators and converters of dark samples are off; if not, all draw power"
    )
    guard: Guard = Field(default="full", description="Zeros between rows of an image: none (inexact), full, shared")
    strides: Strides = Field(default="discard", description="Strided layers: discard results, or polyphase")
    packing: Packing = Field(default="none", description="What shares a shot where it fits: none, images, channels")
    signs: Annotated[int, Field(ge=1, le=4)] = Field(
        default=2,
        description="Shots for signs: 2 where weights are split into positive and negative, 4 where inputs are, too",
    )
    pointwise: Literal["light", "electronics"] = Field(default="light", description="Where 1x1 convolutions run")
    dense: Literal["light", "electronics", "skip"] = Field(
        default="light", description="Where dense layers run; skip: they are left out, as in counts of convolutions"
    )
    wavelengths: _Count = Field(
        default=1, description="Wavelengths: input channels that share lenses and detectors, each with own modulators"
    )
    reuse: _Count = Field(
        default=1, description="Shots that one modulated input serves, held in a delay line (ReFOCUS's buffer)"
    )
    dac_bits: _Bits = Field(default=8, description="Bits of inputs and weights")
    adc_bits: _Bits = Field(default=8, description="Bits of results")
    converter_factor: Annotated[float, Field(gt=0)] = Field(
        default=1.0, description="Factor on the power of all converters, such as that of another technology node"
    )
    light: _Light = Field(description="Lasers and the losses of the light's way")
    modulator: _Modulator = Field(description="Modulators of inputs, weights and the plane between the lenses")
    detector: _Detector = Field(description="Detectors of the last plane, and of that between the lenses")
    lens: _Lens = Field(description="Lenses, two of each correlator")
    dac: _Converter = Field(description="Converters of inputs and weights")
    adc: _Converter = Field(description="Converters of results")
    electronics: _Electronics | None = Field(default=None, description="Digital multipliers; null: there are none")
    sram_area: units.SquareMetres = Field(description="Area of 256 KiB of SRAM")

    @property
    def layout(self) -> CorrelatorInput:
        """Input of one correlator, and how convolutions are laid onto it."""
        return CorrelatorInput(self.waveguides, self.taps, self.guard, self.strides, self.packing)

    def check(self, system: Surroundings) -> Iterator[str]:
        """Yield an error message per part that does not fit: memories, channels at once, layers without a place."""
        absent = [name for name in ("activations", "weights") if name not in system.memory]
        if absent:
            yield f"a correlator needs the memories activations and weights: {', '.join(absent)} missing"
        elif system.main_memory_name in ("activations", "weights"):
            yield "a correlator needs a main memory beside activations and weights, the largest of all"
        if self.correlators % self.parallel_inputs:
            yield f"device.parallel_inputs: {self.parallel_inputs} do not divide {self.correlators} correlators"
        if "electronics" in (self.pointwise, self.dense) and self.electronics is None:
            yield "device.electronics: layers are left to electronics and there are none; give macs, clock and energy"
