"""Stochastic arithmetic: numbers as streams of random bits, a product an AND gate, sums counted with saturation.

Source: Li et al., "Training Neural Networks for Execution on Approximate Hardware", arXiv 2304.04125, of which we have
seen the abstract, and the training codes of GEO and REX-SC (nanocad-lab/geo, nanocad-lab/rex-sc).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike

from slipstick.core.arithmetic import Arithmetic, Cost
from slipstick.core.arrays import AnyArray, Float32Array, IntArray
from slipstick.core.encoding import Encoded, Encoding
from slipstick.core.errors import SlipstickError
from slipstick.core.stand_in import StandIn
from slipstick.core.window import WholeNumbers, Window
from slipstick.formats.arithmetic.bit_streams import GENERATORS, LENGTHS, Generator, _levels
from slipstick.formats.arithmetic.operation_costs import array_parts
from slipstick.formats.arithmetic.products import _check_integers, check_whole, whole_product

_MAX_COUNTED = 7  # products of a cycle that OR-n counts: a counter of three bits
_AXES = ("", "y", "x", "xy", "z", "yz", "xz", "xyz")
_PROGRESSIVE = 8  # bits that arrive at a time: all of a 7 bit magnitude at once, the training code's default


@dataclass(frozen=True)
class Stochastic(Arithmetic):
    """Stochastic computing: inputs and weights as streams of `length` bits, weights split by sign (split-unipolar).

    An operand of magnitude x gets the level v = ceil(x L), at most L - 1; bit t of its stream is [v > r_t], where r is
    a shift register that is updated before it is compared. Products of either sign are counted apart; a sum is their
    difference over L. Negative inputs are split like weights (our own extension; the training codes have none).

    Parameters
    ----------
    length : cycles of a stream, 8 to 256, a power of two.
    count : ``or``: a cycle counts 1 if any product is 1. ``or2`` to ``or7``: at most n products (REX-SC).
        ``binary``: all of them (an accumulating parallel counter). ``mux``: the product of one place, drawn for the
        cycle, times the number of places.
    generator : ``xnor`` (2**n - 1 states, 0 among them), ``xor`` (0 is not), ``acc`` (``xor`` with 0 put in, 2**n
        states), ``accurate`` (drawn streams with exactly v ones), ``random`` (drawn anew every cycle), ``sobol``.
    seeds : ``shared``: all filters have the same seed at a tap; ``separate``: every weight has its own.
    binary : axes over which groups of taps are counted apart and added (partial binary, GEO): kernel columns x, rows y,
        z for groups of `depth` input channels.
    depth : input channels of a group along z.
    unit, wait : progressive loading: `unit` more bits of an operand arrive every `wait` cycles (GEO: 2, 2).

    Examples
    --------
    >>> from slipstick.formats import format_of
    >>> form = format_of("int8@stochastic:length=64,count=or2")
    >>> form.name, form.arithmetic.cost(form.encoding).cycles
    ('int8@stochastic:length=64,count=or2', 128.0)
    """

    length: int = 32
    count: str = "or"
    generator: Generator = "xnor"
    seeds: str = "shared"
    binary: str = ""
    depth: int = 8
    unit: int = _PROGRESSIVE
    wait: int = 1

    def __post_init__(self) -> None:
        counts = ["or", *(f"or{n}" for n in range(2, _MAX_COUNTED + 1)), "binary", "mux"]
        choices: dict[str, tuple[str, ...]] = {
            "count": tuple(counts), "generator": GENERATORS, "seeds": ("shared", "separate"), "binary": _AXES,
        }  # fmt: skip
        if self.length not in LENGTHS:
            allowed = f"a power of two: {', '.join(map(str, LENGTHS))}"
            raise SlipstickError("no length of a stream", path="stochastic.length", value=self.length, allowed=allowed)
        for name, texts in choices.items():
            value = getattr(self, name)
            if value not in texts:
                raise SlipstickError("no such choice", path=f"stochastic.{name}", value=value, allowed=texts)
        _check_integers(self, "stochastic")
        for name in ("depth", "unit", "wait"):
            if getattr(self, name) < 1 + (name == "unit"):
                least = "from 2" if name == "unit" else "from 1"
                raise SlipstickError(
                    "out of range", path=f"stochastic.{name}", value=getattr(self, name), allowed=least
                )
        if self.binary and self.counted is None:
            message = "groups of taps are counted by OR"
            raise SlipstickError(message, path="stochastic.binary", value=self.binary, allowed="count=or, or2, ...")

    @property
    def name(self) -> str:
        """``stochastic:length=32``, with the other arguments that differ from the defaults."""
        changed = [f"{field.name}={getattr(self, field.name)}" for field in fields(self)[1:] if
                   getattr(self, field.name) != field.default]  # fmt: skip
        return ",".join([f"stochastic:length={self.length}", *changed])

    @property
    def counted(self) -> int | None:
        """Products of a cycle that are counted at most, in a group of taps; None: no such limit."""
        counted = re.fullmatch(r"or(\d?)", self.count)
        return int(counted[1] or 1) if counted else None

    def check(self, encoding: Encoding) -> None:
        """Raise SlipstickError unless weights are whole numbers of up to 8 bits."""
        check_whole(encoding)

    def matmul(self, inputs: Encoded, weights: Encoded) -> Float32Array:
        """Return inputs [m, k] times weights [n, k]: counts over the stream's length, times both scales in fp32."""
        return whole_product(self, inputs, weights)

    def sums(self, inputs: WholeNumbers, weights: WholeNumbers) -> AnyArray:
        """Return sums [m, n] of inputs [m, k] by weights [n, k]; the seed of an input is its place in the row."""
        a, b = (WholeNumbers(part.elements[:, :, None, None], part.full) for part in (inputs, weights))
        return self.layer_sums(a, b, Window())[:, :, 0, 0]

    def layer_sums(self, inputs: WholeNumbers, weights: WholeNumbers, window: Window) -> AnyArray:
        """Return a layer's sums; seeds of inputs are counted over the padded image, the same for every image."""
        from slipstick.formats.arithmetic.stochastic_layer import _stochastic_layer

        return _stochastic_layer(self, inputs, weights, window)

    def carried(self, numbers: WholeNumbers) -> Float32Array:
        """Return the share of ones in an operand's stream, with its sign: of ``xnor`` v / (L - 1)."""
        from slipstick.formats.arithmetic.stochastic_layer import _looked_up

        level = _levels(WholeNumbers(np.arange(numbers.full + 1), numbers.full), self.length).astype(np.float32)
        if self.generator == "xor":
            level = np.maximum(level - 1, 0)
        period = self.length - (self.generator in ("xnor", "xor"))
        return _looked_up(self, numbers, np.asarray(level / np.float32(period), np.float32))

    def tap_groups(self, shape: tuple[int, int, int]) -> IntArray:
        """Return the group of each tap [channels, rows, columns] whose products saturate together."""
        places = np.indices(shape)
        group, count = np.zeros(shape, np.int64), 1
        for axis, place, size in (
            ("z", places[0] // self.depth, -(-shape[0] // self.depth)), ("y", places[1], shape[1]),
            ("x", places[2], shape[2]),
        ):  # fmt: skip
            if axis in self.binary:
                group, count = group + count * place, count * size
        return group

    def product_error(self, encoding: Encoding) -> float:
        """Return 1.5: a few dozen products of arbitrary size may be off by their sum, and by the levels' ceiling."""
        return 1.5  # seen in the conformance suite: at most 1.1, of 8 cycles

    def stand_in(self, encoding: Encoding) -> StandIn:
        """Return the expected count of a cycle: n - exp(-s) sum (n - i) s^i / i! of OR-n, else the sum itself."""
        return StandIn() if self.counted is None else StandIn("poisson", counted=self.counted)

    def cost(self, encoding: Encoding) -> Cost:
        """Return 2 L cycles: positive and negative products one after the other, through an AND gate and a counter.

        Generators of streams are shared by many products and left out.
        """
        parts = array_parts.entry("energy")
        counter = 1.0 if self.counted == 1 or self.count == "mux" else float(self.counted or 0)
        energy, area = parts.energy["and"] * (1 + counter), parts.area["and"] * (1 + counter)
        if self.count == "binary":  # a full adder an input
            energy, area = energy + parts.energy["add8"] / 8, area + parts.area["add8"] / 8
        note = (
            "assumed: gates of data/array/energy.yaml, an AND and n ORs a product (binary: an eighth of an 8 bit adder)"
        )
        return Cost(2.0 * self.length, 2 * self.length * energy, area, note)

    def steps(self, encoding: Encoding) -> int | None:
        """Return None: a stream is as long whatever the weight is."""
        return None

    def cycles(self, steps: ArrayLike) -> IntArray:
        """Return 2 L cycles a weight, whatever its steps."""
        return np.full_like(np.asarray(steps, np.int64), 2 * self.length)
