"""Optical correlation as an arithmetic: layers by shots of a joint transform correlator, read by a few converters.

Weights of either sign are shots of their own, subtracted behind the converters; so are inputs of either sign, or they
are shifted by full scale. A detector collects `depth` shots, channel by channel, before its converter reads it: sums of
amplitudes where the readout is linear, as PhotoFourier assumes (arXiv 2211.05276), sums of intensities where it is not.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from slipstick.core.arithmetic import Arithmetic, Cost
from slipstick.core.arrays import AnyArray, Float32Array, FloatArray, IntArray
from slipstick.core.encoding import Encoded, Encoding
from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.core.stand_in import StandIn
from slipstick.core.window import WholeNumbers, Window
from slipstick.formats.arithmetic.analog_layer import native_codes
from slipstick.formats.arithmetic.converter import Converter, best_range
from slipstick.formats.arithmetic.operation_costs import _operation_energy
from slipstick.formats.arithmetic.products import check_whole, whole_product
from slipstick.optics.detectors import Detectors, Readout, layer_collected, layer_readings
from slipstick.optics.row_tiling import CorrelatorInput, Guard, Strides
from slipstick.optics.shot_layers import ShotLayer, shot_layer

SignedInputs = Literal["branches", "shift"]
_CHOICES = {
    "guard": get_args(Guard), "strides": get_args(Strides), "readout": get_args(Readout),
    "inputs": get_args(SignedInputs),
}  # fmt: skip
_LIMITS: dict[str, tuple[float, float]] = {
    "depth": (1, 1024), "dac_bits": (1, 24), "adc_bits": (1, 24), "adc_range": (0, 1), "waveguides": (1, 2**20),
    "taps": (1, 2**20), "field": (0, 2**24), "snr": (0, 1000), "seed": (0, 2**31),
}  # fmt: skip
_NATIVE_TAPS = 1024  # of a conversion: sums of 8-bit products are whole numbers below 2**24 then, exact in fp32
_CODE_BITS = 7  # of the magnitudes that layers hand over
_SAMPLES = 2**17  # inputs or sums on which a range is found, beside the largest of all
_TYPICAL_TAPS = 9  # of a shot, where nothing but a format is known: a kernel of 3x3


@dataclass(frozen=True)
class OpticalCorrelation(Arithmetic):
    """Joint transform correlator of `waveguides` samples and `taps` weights a shot, its converters and its readout.

    Parameters
    ----------
    guard : zeros between rows: ``full`` or ``shared``, exact; ``none``, the published mode, in which pixels at the ends
        of padded rows read their neighbours.
    dac_bits : of the magnitudes of inputs and of weights.
    adc_bits : of the converters behind the detectors.
    depth : shots whose charge a detector collects before a conversion; `square_sqrt` converts every shot.
    readout : ``linear``, a signal in proportion to the amplitude. ``square_sqrt``, an intensity, converted after every
        shot, with a digital square root. ``square_integrate``, intensities that add up over `depth` shots first.
    adc_range : largest amplitude of a shot that the converter tells apart, as a share of `taps` full products, mean
        over its shots (root mean square where intensities add up); larger ones clip. 0: calibrated for each layer where
        data are at hand (`calibrated`), else 1.
    waveguides, taps, strides : how layers are laid out (`slipstick.optics.row_tiling.CorrelatorInput`).
    inputs : of either sign: ``branches``, shots of their own; ``shift``, full scale is added, and its products with the
        weights are subtracted behind the converter.
    field : samples of the field through whose two lenses every shot is computed; 0: closed form, as if all lags were
        clean. A field too small for its signals contaminates them (`slipstick.optics.lag_separation`).
    snr : signal-to-noise ratio [dB] of a shot that fills its share of the converter's range; 0: no noise.
    seed : of the noise, which is the same for the same inputs.

    Errors
    ------
    SlipstickError for values out of range, shots collected with `square_sqrt`, and shifted inputs whose squares add up.

    Examples
    --------
    >>> from slipstick.formats import format_of
    >>> form = format_of("int8@correlator:adc_bits=12,depth=2,adc_range=1")
    >>> x = form.encoding.encode([[1.0, 2.0, 3.0, 127.0]])
    >>> form.matmul(x, x).round(0).tolist()
    [[16148.0]]
    """

    guard: Guard = "full"
    dac_bits: int = 8
    adc_bits: int = 8
    depth: int = 16
    readout: Readout = "linear"
    adc_range: float = 0.0
    waveguides: int = 256
    taps: int = 25
    strides: Strides = "discard"
    inputs: SignedInputs = "branches"
    field: int = 0
    snr: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise SlipstickError(
                    f"no such {name}", path=f"correlator.{name}", value=getattr(self, name), allowed=allowed
                )
        for name, (low, high) in _LIMITS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise SlipstickError(
                    "out of range", path=f"correlator.{name}", value=value, allowed=f"{low:g} to {high:g}"
                )
        if self.readout == "square_sqrt" and self.depth not in (1, type(self).depth):
            message = "converts every shot, so that nothing is collected"
            cure = "depth=1, or readout=square_integrate"
            raise SlipstickError(message, path="correlator.readout", value="square_sqrt", allowed=cure)
        if self.readout == "square_integrate" and self.inputs == "shift":
            message = "the shift of the inputs cannot be subtracted from sums of squares"
            raise SlipstickError(message, path="correlator.inputs", value="shift", allowed="branches")

    @property
    def name(self) -> str:
        """``correlator``, with the arguments that differ from the defaults behind a colon."""
        changed = [field.name for field in fields(self) if getattr(self, field.name) != field.default]
        arguments = [f"{name}={_text(getattr(self, name))}" for name in changed]
        return "correlator" + (":" + ",".join(arguments) if arguments else "")

    @property
    def light(self) -> CorrelatorInput:
        """Input of the correlator, onto which layers are laid out."""
        return CorrelatorInput(self.waveguides, self.taps, self.guard, self.strides)

    @property
    def collected(self) -> int:
        """Shots that one conversion reads."""
        return 1 if self.readout == "square_sqrt" else self.depth

    def check(self, encoding: Encoding) -> None:
        """Raise SlipstickError unless weights are whole numbers of up to 8 bits."""
        check_whole(encoding)

    def matmul(self, inputs: Encoded, weights: Encoded) -> Float32Array:
        """Return inputs [m, k] times weights [n, k], an input a shot.

        Errors
        ------
        SlipstickError if scales vary along the summed axis, or a tensor is none of whole numbers.
        """
        return whole_product(self, inputs, weights)

    def sums(self, inputs: WholeNumbers, weights: WholeNumbers) -> Float32Array:
        """Return sums [m, n] of whole numbers [m, k] by [n, k] as the converters give them: images of one pixel."""
        a, b = (WholeNumbers(part.elements[:, :, None, None], part.full) for part in (inputs, weights))
        return self.layer_sums(a, b, Window())[:, :, 0, 0]

    def layer_sums(self, inputs: WholeNumbers, weights: WholeNumbers, window: Window) -> Float32Array:
        """Return a layer's sums [b, n, rows, columns], shot by shot; by the native kernel where there is one.

        Errors
        ------
        SlipstickError for shapes that cannot be multiplied.
        """
        window.check(inputs.elements, weights.elements)
        driven = WholeNumbers(_driven(weights, self.dac_bits), weights.full)
        if self.inputs == "shift" and inputs.elements.min(initial=0) < 0:
            shifted, valid = self._shifted(inputs, window)
            bias = inputs.full * _total_weights(driven.elements)
            return self._branch(shifted, driven, valid) - bias[:, None, None].astype(np.float32)
        codes = WholeNumbers(_driven(inputs, self.dac_bits), inputs.full)
        if codes.elements.min(initial=0) >= 0:
            return self._branch(codes, driven, window)
        above, below = (WholeNumbers(np.maximum(sign * codes.elements, 0), codes.full) for sign in (1, -1))
        return self._branch(above, driven, window) - self._branch(below, driven, window)

    def input_scale(self, values: FloatArray) -> float:
        """Return the input that is full scale: that of the least squared error of codes of 7 bits, over samples."""
        sizes = _samples(np.abs(values))
        return best_range(Converter(_CODE_BITS, False, float(sizes.max(initial=0)) or 1.0), sizes)

    def calibrated(self, inputs: WholeNumbers, weights: WholeNumbers, window: Window) -> OpticalCorrelation:
        """Return the arithmetic with the converters' range for a layer: that of the least squared error over samples.

        A range that was given stays.
        """
        if self.adc_range:
            return self
        driven = WholeNumbers(_driven(weights, self.dac_bits), weights.full)
        if self.inputs == "shift" and inputs.elements.min(initial=0) < 0:
            inputs, window = self._shifted(inputs, window)
            magnitudes = inputs.elements
        else:
            magnitudes = np.abs(_driven(inputs, self.dac_bits))
        layer = self._layer(magnitudes, driven.elements, window)
        detectors = Detectors.of(self, layer.taps * inputs.full * weights.full)
        sums = [_samples(collected) for collected in layer_collected(layer, detectors)]
        share = best_range(detectors.converter, _samples(np.concatenate(sums))) / detectors.converter.span
        share = share if self.readout == "linear" else float(np.sqrt(share))
        return replace(self, adc_range=float(f"{share:.4g}"))  # as its name says it

    def stand_in(self, encoding: Encoding) -> StandIn:
        """Return the exact product, straight through converters and readout."""
        return StandIn()

    def product_error(self, encoding: Encoding) -> float:
        """Return 1: a sum below half a step is read as 0, a sum beyond the range as the range; 2 of squares.

        A root of summed squares is at most the sum of the magnitudes, so that the difference of two is within twice.
        """
        return 1.0 if self.readout == "linear" else 2.0

    def cost(self, encoding: Encoding) -> Cost:
        """Return the conversions' share of one product: of both signs, over the shots of a conversion and 9 taps each.

        Light, modulators and converters of the inputs belong to the system.
        """
        step, source = _operation_energy("adc_conversion_step")
        add, added = _operation_energy("int32_add")
        joules = 2 * (step * 2**self.adc_bits + add) / (self.collected * _TYPICAL_TAPS)
        return Cost(1.0, joules, None, f"{source}; {added}; kernels of 3x3; light and the inputs' converters left out")

    def steps(self, encoding: Encoding) -> int | None:
        """Return None: a modulator holds the whole weight."""
        return None

    def cycles(self, steps: ArrayLike) -> IntArray:
        """Return one shot for each weight, whatever its bits."""
        return np.ones_like(np.asarray(steps, np.int64))

    def _shifted(self, inputs: WholeNumbers, window: Window) -> tuple[WholeNumbers, Window]:
        """Return inputs with full scale added, zeros of the padding too, and the window without padding."""
        shifted = WholeNumbers(window.padded(inputs.elements).astype(np.int64) + inputs.full, 2 * inputs.full)
        return WholeNumbers(_driven(shifted, self.dac_bits), shifted.full), replace(window, padding=((0, 0), (0, 0)))

    def _layer(self, inputs: AnyArray, weights: AnyArray, window: Window) -> ShotLayer:
        linear = self.readout == "linear"
        return shot_layer(inputs, weights, window, self.light, depth=self.collected, linear=linear)

    def _branch(self, inputs: WholeNumbers, weights: WholeNumbers, window: Window) -> Float32Array:
        """Return the sums of inputs that are not negative by weights of either sign."""
        if self.field:
            images = [self._sampled(inputs, image[None], weights, window) for image in inputs.elements]
            return np.concatenate(images)
        layer = self._layer(inputs.elements, weights.elements, window)
        detectors = Detectors.of(self, layer.taps * inputs.full * weights.full)
        taps = layer.depth * layer.weights.shape[2] * layer.weights.shape[3]
        if self.readout == "linear" and not self.snr and taps <= _NATIVE_TAPS:
            codes = native_codes(layer.inputs, WholeNumbers(layer.weights, 1), layer.window, detectors.converter, taps)
            if codes is not None:
                return layer.assembled(detectors.converter.values(codes))
        sums = layer_readings(layer, detectors)
        return layer.assembled(sums)

    def _sampled(self, inputs: WholeNumbers, image: AnyArray, weights: WholeNumbers, window: Window) -> Float32Array:
        """Return the sums of one image, every shot through the sampled planes of a field."""
        sampled: Any = require("slipstick.optics.sampled_shots", "torch")
        layer = self._layer(image, weights.elements, window)
        detectors = Detectors.of(self, layer.taps * inputs.full * weights.full)
        total: FloatArray = np.zeros(())
        for sign in (1, -1):
            lit = np.maximum(sign * weights.elements, 0)
            shots = sampled.sampled_amplitudes(image, lit, window, self.light, self.field)
            for first in range(0, len(shots), self.collected):
                total = total + sign * detectors.value(shots[first : first + self.collected])
        return np.asarray(total, np.float32)


def _samples(values: AnyArray) -> AnyArray:
    """Return values evenly from all, and the largest of all."""
    flat = values.ravel()
    return np.append(flat[:: -(-max(1, flat.size) // _SAMPLES)], flat.max(initial=0))


def _driven(numbers: WholeNumbers, bits: int) -> AnyArray:
    """Return whole numbers as multiples of the step of a converter of magnitudes of `bits` bits, ties to even."""
    lost = numbers.full.bit_length() - 1 - bits
    if lost <= 0:
        return numbers.elements
    step = 1 << lost
    rounded = np.clip(np.rint(numbers.elements / step) * step, step - numbers.full, numbers.full - step)
    return np.asarray(rounded, np.int64)


def _total_weights(weights: AnyArray) -> IntArray:
    """Return the sum of each filter's weights."""
    return np.asarray(weights.reshape(len(weights), -1).sum(1), np.int64)


def _text(value: object) -> str:
    return f"{value:.9g}" if isinstance(value, float) else str(value)
