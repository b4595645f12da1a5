"""Analog arithmetic: sums of products as currents of array columns, read by converters of few bits.

K inputs are split over ceil(K / R) arrays of R rows, taps in the order of the weights (channel, row, column). The sum
of each array is digitised by its converter (ADC), and the digital results are added. Sources: the model of partial sums
is that of Rekhi et al., DAC 2019, and of aihwkit and CrossSim, as we recollect them; that the range of the converter
decides the accuracy is reported by users of NeuroSim (DNN_NeuroSim_V1.3, issue 4).
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from slipstick.core.arithmetic import Arithmetic, Cost
from slipstick.core.arrays import AnyArray, CodeArray, Float32Array, FloatArray, IntArray
from slipstick.core.encoding import Encoded, Encoding
from slipstick.core.errors import SlipstickError
from slipstick.core.stand_in import StandIn
from slipstick.core.window import WholeNumbers, Window
from slipstick.formats.arithmetic.analog_layer import native_codes
from slipstick.formats.arithmetic.clipped_sums import _ClippedSums, _Read
from slipstick.formats.arithmetic.converter import Converter, best_range
from slipstick.formats.arithmetic.operation_costs import _operation_energy
from slipstick.formats.arithmetic.products import _check_integers, check_whole, whole_product

Columns = Literal["differential", "separate"]
_MAX_ROWS = 1024  # of an array: sums of 8-bit products are whole numbers below 2**24 then, exact in fp32
_BYTES = 128  # full scale that all bytes keep to
_MAX_BITS = 24  # of a converter: its codes are whole numbers in fp32
_GROUPS, _PLACES = (
    8,
    1024,
)  # of a layer on which a range is fitted: ten thousands of sums, of which a histogram is smooth
_WHOLE_RANGE = 1.0  # of a converter that nobody calibrated: no sum can clip
_DRIFT_START = 20.0  # s after programming from which drift counts: t_c of phase-change cells in aihwkit, from memory
_LIMITS: dict[str, tuple[float, float]] = {
    "rows": (1, _MAX_ROWS), "adc_range": (0, 1), "dac_bits": (1, _MAX_BITS), "slices": (1, 8),
    "companding": (0, 1e6), "read_noise": (0, 1), "weight_noise": (0, 1), "drift": (0, 1), "age": (0, 1e12),
    "seed": (0, 2**31),
}  # fmt: skip


@dataclass(frozen=True)
class Analog(Arithmetic):
    """Analog arrays of `rows` rows whose column sums an ADC of `adc_bits` bits reads; weights are conductances.

    Parameters
    ----------
    rows : inputs that one array sums before it is read.
    adc_bits : of each converter. A pair of columns that is read by its difference needs a sign: from 2 bits.
    columns : ``differential``: positive and negative weights are subtracted as currents, one signed conversion.
        ``separate``: a conversion of each column, without sign, subtracted afterwards; negative inputs are a second
        pass.
    adc_range : largest sum that the converter tells apart, as a share of `rows` full products; larger ones clip.
        0: calibrated for each layer where data are at hand (`calibrated`), else 1, with which nothing clips.
    dac_bits : of the inputs, with their sign.
    slices : columns over which the bits of a weight's magnitude are divided, each with its own conversions.
    companding : 0 for equal steps; mu of steps that grow with the sum (mu-law), finer around zero.
    read_noise : standard deviation of a sum when it is read, as a share of the converter's range.
    weight_noise : standard deviation of a weight as it was programmed, as a share of the largest conductance.
    drift : exponent by which conductances fall with `age` [s] since programming, as (age / 20 s) ** -drift.
    seed : of both noises, which are the same for the same inputs and weights.

    Errors
    ------
    SlipstickError for values out of range. No bits of a converter mean no result: 0 is refused.

    Examples
    --------
    >>> from slipstick.formats import format_of
    >>> form = format_of("int8@analog:rows=2,adc_bits=8,adc_range=0.5")
    >>> x = form.encoding.encode([[1.0, 2.0, 3.0, 127.0]])
    >>> form.matmul(x, x).round(0).tolist()
    [[16126.0]]
    """

    rows: int = 64
    adc_bits: int = 6
    columns: Columns = "differential"
    adc_range: float = 0.0
    dac_bits: int = 8
    slices: int = 1
    companding: float = 0.0
    read_noise: float = 0.0
    weight_noise: float = 0.0
    drift: float = 0.0
    age: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        _check_integers(self, "analog")
        if self.columns not in get_args(Columns):
            raise SlipstickError(
                "no such columns", path="analog.columns", value=self.columns, allowed=get_args(Columns)
            )
        least = 2 if self.columns == "differential" else 1
        if not least <= self.adc_bits <= _MAX_BITS:
            allowed = (
                f"{least} to {_MAX_BITS}; 0 bits would tell no sums apart, and mean no ideal converter: "
                f"that is {_MAX_BITS} bits, or a format without analog arrays, such as int8"
            )
            raise SlipstickError("out of range", path="analog.adc_bits", value=self.adc_bits, allowed=allowed)
        for name, (low, high) in _LIMITS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise SlipstickError("out of range", path=f"analog.{name}", value=value, allowed=f"{low:g} to {high:g}")

    @property
    def name(self) -> str:
        """``analog``, with the arguments that differ from the defaults behind a colon."""
        changed = [field.name for field in fields(self) if getattr(self, field.name) != field.default]
        arguments = [f"{name}={_text(getattr(self, name))}" for name in changed]
        return "analog" + (":" + ",".join(arguments) if arguments else "")

    @property
    def cells(self) -> int:
        """Cells that hold one weight: a positive and a negative one for each slice."""
        return 2 * self.slices

    @property
    def read_rows(self) -> int:
        """Rows of an array, whose products its converters read."""
        return self.rows

    def check(self, encoding: Encoding) -> None:
        """Raise SlipstickError unless weights are whole numbers of up to 8 bits."""
        check_whole(encoding)

    def matmul(self, inputs: Encoded, weights: Encoded) -> Float32Array:
        """Return inputs [m, k] times weights [n, k], array by array as the converters read them.

        Errors
        ------
        SlipstickError if scales vary along the summed axis, or a tensor is none of whole numbers.
        """
        return whole_product(self, inputs, weights)

    def sums(self, inputs: WholeNumbers, weights: WholeNumbers) -> Float32Array:
        """Return sums [m, n] of whole numbers [m, k] by [n, k] as the converters give them, in fp32."""
        for numbers in (inputs, weights):
            numbers.check_magnitudes("analog")
        codes = [sign * self._codes(driven, inputs.full, weights) for sign, driven in self._passes(inputs)]
        return self.converter(inputs, weights).values(sum(codes[1:], codes[0]))

    def layer_sums(self, inputs: WholeNumbers, weights: WholeNumbers, window: Window) -> Float32Array:
        """Return a layer's sums [b, n, rows, columns] as `sums` gives them, by the native kernel where there is one.

        Errors
        ------
        SlipstickError for shapes that cannot be multiplied.
        """
        return self._layer_sums(inputs, weights, window, None)

    def read_layer(
        self, inputs: WholeNumbers, weights: WholeNumbers, window: Window
    ) -> tuple[Float32Array, _ClippedSums | None]:
        """Return `layer_sums`, and the conversions that clip; None where the range holds every sum.

        Read noise, which may clip a sum too, is left out of them.
        """
        if (self.adc_range or _WHOLE_RANGE) >= _WHOLE_RANGE:
            return self.layer_sums(inputs, weights, window), None
        words: list[CodeArray] = []
        sums = self._layer_sums(inputs, weights, window, words)
        return sums, _ClippedSums(self, inputs, weights, window, tuple(words))

    def _layer_sums(
        self, inputs: WholeNumbers, weights: WholeNumbers, window: Window, clips: list[CodeArray] | None
    ) -> Float32Array:
        """Return a layer's sums; `clips` takes the native kernel's words of the conversions that clip."""
        window.check(inputs.elements, weights.elements)
        for numbers in (inputs, weights):
            if numbers.full < _BYTES:  # larger ones are what the kernel takes, or `sums` checks
                numbers.check_magnitudes("analog")
        if self.read_noise or self.weight_noise or self.drift:
            return np.asarray(super().layer_sums(inputs, weights, window), np.float32)
        converter, codes = self.converter(inputs, weights), []
        for (sign, driven), (factor, digits) in itertools.product(self._passes(inputs), self.digits(weights)):
            part = native_codes(driven, digits, window, converter, self.rows, clips)
            if part is None:
                return np.asarray(super().layer_sums(inputs, weights, window), np.float32)
            codes.append(part if sign * factor == 1 else part * np.float32(sign * factor))
        return converter.values(sum(codes[1:], codes[0]))

    def reads(self, inputs: WholeNumbers, weights: WholeNumbers) -> list[_Read]:
        """Return the operands of each read of the arrays, pass by pass and slice by slice."""
        passes, slices = self._passes(inputs), self.digits(weights)
        return [
            _Read(sign if len(passes) > 1 else 0, driven, self._programmed(digits), factor * digits.elements, last)
            for sign, driven in passes
            for (factor, digits), last in zip(slices, [False] * (self.slices - 1) + [True], strict=True)
        ]

    def calibrated(self, inputs: WholeNumbers, weights: WholeNumbers, window: Window) -> Analog:
        """Return the arithmetic with the converter's range for a layer: that of the least squared error over samples.

        A range that was given stays. Of large layers an even share of the places and of the groups is taken.
        """
        if self.adc_range:
            return self
        whole = replace(self, adc_range=_WHOLE_RANGE).converter(inputs, weights)
        share = best_range(whole, np.concatenate(list(self._array_sums(inputs, weights, window)))) / whole.span
        return replace(self, adc_range=float(f"{share:.4g}"))  # as its name says it

    def _array_sums(self, inputs: WholeNumbers, weights: WholeNumbers, window: Window) -> Iterator[AnyArray]:
        """Yield samples of the sums that a layer's converters read."""
        filters, channels, *kernel = weights.elements.shape
        patches = window.patches(self._driven(inputs), (kernel[0], kernel[1]))
        share, signed = filters // window.groups, self.columns == "differential"
        for group in range(0, window.groups, -(-window.groups // _GROUPS)):
            taps = patches[:, group * channels : (group + 1) * channels].transpose(0, 2, 3, 1, 4, 5)
            places = taps.reshape(-1, channels * kernel[0] * kernel[1])
            places = places[:: -(-len(places) // _PLACES)]
            driven = places if signed else np.abs(places)
            own = weights.elements[group * share : (group + 1) * share].reshape(share, -1)
            for _, digits in self.digits(WholeNumbers(own, weights.full)):
                column = digits.elements if signed else np.maximum(digits.elements, 0)
                for first in range(0, driven.shape[1], self.rows):
                    array = slice(first, first + self.rows)
                    yield _dot(driven[:, array], column[:, array]).ravel()

    def stand_in(self, encoding: Encoding) -> StandIn:
        """Return the exact product, straight through the converters; `read_layer` says which of them clip."""
        return StandIn()

    def product_error(self, encoding: Encoding) -> float:
        """Return 1: a sum below half a step is read as 0, a sum beyond the range as the range."""
        return 1.0

    def cost(self, encoding: Encoding) -> Cost:
        """Return the cost of a cell that is read with its array: its share of the conversions and of an addition.

        Conversions by a figure of merit for each step of the converter; digital-to-analog converters belong to the
        system, which knows how many columns share one.
        """
        step, source = _operation_energy("adc_conversion_step")
        add, added = _operation_energy("int32_add")
        conversions = self.slices * (1 if self.columns == "differential" else 2)
        joules = conversions * (step * 2**self.adc_bits + add) / self.rows
        return Cost(1.0, joules, None, f"{source}; {added}; inputs' converters left out")

    def steps(self, encoding: Encoding) -> int | None:
        """Return None: a cell holds the whole weight, or one of its slices."""
        return None

    def cycles(self, steps: ArrayLike) -> IntArray:
        """Return one read of an array for each weight, whatever its bits."""
        return np.ones_like(np.asarray(steps, np.int64))

    def converter(self, inputs: WholeNumbers, weights: WholeNumbers) -> Converter:
        """Return the converter of one array's columns, which hold one slice of the weights."""
        span = (self.adc_range or _WHOLE_RANGE) * self.rows * inputs.full * (1 << self._slice_bits(weights))
        return Converter(self.adc_bits, self.columns == "differential", span, self.companding)

    def digits(self, weights: WholeNumbers) -> list[tuple[int, WholeNumbers]]:
        """Return (factor, signed digits) of the slices of weights: digits times factors add up to them."""
        bits = self._slice_bits(weights)
        signs, magnitudes = np.sign(weights.elements), np.abs(np.asarray(weights.elements, np.int64))
        parts = [magnitudes >> bits * place & (1 << bits) - 1 for place in range(self.slices - 1)]
        parts.append(magnitudes >> bits * (self.slices - 1))  # -128 fills one digit more than 127
        return [(1 << bits * place, WholeNumbers(signs * part, 1 << bits)) for place, part in enumerate(parts)]

    def _driven(self, inputs: WholeNumbers) -> AnyArray:
        """Return the inputs as their converters give them: multiples of a step, ties to the even one."""
        lost = inputs.full.bit_length() - self.dac_bits  # a bit is the sign
        if lost <= 0:
            return inputs.elements
        step = 1 << lost
        rounded = np.clip(np.rint(inputs.elements / step) * step, step - inputs.full, inputs.full - step)
        return np.asarray(rounded, np.int64)

    def _passes(self, inputs: WholeNumbers) -> list[tuple[int, AnyArray]]:
        """Return (sign, inputs) of each pass: columns without sign take positive inputs alone."""
        driven = self._driven(inputs)
        if self.columns == "differential" or driven.min(initial=0) >= 0:
            return [(1, driven)]
        return [(1, np.maximum(driven, 0)), (-1, np.maximum(-driven, 0))]

    def _slice_bits(self, weights: WholeNumbers) -> int:
        """Return the bits of a weight's magnitude that one column holds."""
        return -(-(weights.full.bit_length() - 1) // self.slices)

    def _codes(self, driven: AnyArray, full: int, weights: WholeNumbers) -> FloatArray:
        """Return the codes of one pass of inputs, added up over slices, columns and arrays."""
        noise = np.random.default_rng([self.seed, zlib.crc32(driven.tobytes())])
        converter = self.converter(WholeNumbers(driven, full), weights)
        total = np.zeros((len(driven), len(weights.elements)))
        for factor, digits in self.digits(weights):
            conductances = self._programmed(digits)
            if converter.signed:
                total += factor * self._read(driven, conductances, converter, noise)
                continue
            for sign in (1, -1):
                column = np.maximum(sign * conductances, 0)
                total += sign * factor * self._read(driven, column, converter, noise)
        return total

    def _programmed(self, digits: WholeNumbers) -> AnyArray:
        """Return conductances in units of digits: as programmed, with noise, and after drift."""
        conductances: AnyArray = digits.elements
        if self.weight_noise:
            seed = [self.seed, zlib.crc32(digits.elements.tobytes())]
            conductances = conductances + np.random.default_rng(seed).normal(
                0, self.weight_noise * digits.full, conductances.shape
            )
        remaining = (self.age / _DRIFT_START) ** -self.drift if self.age > _DRIFT_START else 1.0
        return conductances * remaining

    def _read(
        self, driven: AnyArray, conductances: AnyArray, converter: Converter, noise: np.random.Generator
    ) -> Float32Array:
        """Return the codes of one column, added up over its arrays."""
        total = np.zeros((len(driven), len(conductances)), np.float32)
        for first in range(0, driven.shape[1], self.rows):
            taps = slice(first, first + self.rows)
            sums = _dot(driven[:, taps], conductances[:, taps])
            if self.read_noise:
                sums = sums + noise.normal(0, self.read_noise * converter.span, sums.shape)
            total += converter.codes(sums)
        return total


def _dot(inputs: AnyArray, weights: AnyArray) -> AnyArray:
    """Return the sums of one array in float32, which holds sums of whole numbers exactly."""
    sums: AnyArray = inputs.astype(np.float32) @ np.asarray(weights, np.float32).T
    return sums


def _text(value: object) -> str:
    return f"{value:.9g}" if isinstance(value, float) else str(value)
