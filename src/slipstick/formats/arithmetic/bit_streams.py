"""Bit streams of stochastic computing: the generators of random numbers, and the stream of every level and seed.

Source of the shift registers (taps, seeds, update before comparison, the inserted zero) and of progressive loading: the
training codes of GEO and REX-SC (nanocad-lab/geo, nanocad-lab/rex-sc). Sobol and the drawn streams are our own choice.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import numpy as np

from slipstick.core.arrays import AnyArray, BoolArray, CodeArray, IntArray
from slipstick.core.errors import SlipstickError
from slipstick.core.window import WholeNumbers

Generator = Literal["xnor", "xor", "acc", "accurate", "random", "sobol"]
Role = Literal["input", "weight"]
GENERATORS: tuple[Generator, ...] = get_args(Generator)
LENGTHS = (8, 16, 32, 64, 128, 256)  # cycles: powers of two for whose registers the training codes have taps
_TAPS = {3: (2, 1), 4: (3, 2), 5: (4, 2), 6: (5, 4), 7: (6, 5), 8: (7, 5, 4, 3)}  # bits of the register that are added
_WEIGHT_OFFSET = 13  # seeds of weights start there: the training code's kernels
_DRAWN = 509  # streams of an operand's random generator, a prime; later positions take them again
_OPERAND_BITS = 7  # magnitude bits that progressive loading counts: those of the training code's quantiser
_WORD = 32  # bits


class _StreamArithmetic(Protocol):
    """Arguments of stochastic arithmetic that its layers and their slow reference read."""

    def __hash__(self) -> int:
        """Return a hash by which tables of streams are kept."""

    @property
    def length(self) -> int:
        """Cycles of a stream."""

    @property
    def count(self) -> str:
        """Accumulation of the products of a cycle."""

    @property
    def counted(self) -> int | None:
        """Products of a cycle that are counted at most; None: no such limit."""

    @property
    def generator(self) -> Generator:
        """Generator of the random numbers."""

    @property
    def seeds(self) -> str:
        """Whether filters share their seeds."""

    @property
    def unit(self) -> int:
        """Bits that progressive loading adds at a time."""

    @property
    def wait(self) -> int:
        """Cycles between two such additions."""

    def tap_groups(self, shape: tuple[int, int, int]) -> IntArray:
        """Return the group of each tap whose products saturate together."""


@dataclass(frozen=True)
class _StreamTable:
    """Streams of one kind of operand: `bits` [levels, seeds, cycles], the same as `words` [levels, seeds, planes].

    Words have 32 cycles each, the first cycle in the lowest bit.
    """

    bits: BoolArray
    words: CodeArray

    @property
    def seeds(self) -> int:
        """Number of different seeds."""
        return int(self.bits.shape[1])


def _levels(numbers: WholeNumbers, length: int) -> IntArray:
    """Return the level of each magnitude that a comparator is given: ceil(|x| L), at most L - 1.

    Errors
    ------
    SlipstickError for elements beyond full scale, from -1 to 1.

    Examples
    --------
    >>> _levels(WholeNumbers(np.array([0, 1, -4, 5, 127]), 128), 32).tolist()
    [0, 1, 1, 2, 31]
    """
    magnitudes = np.abs(numbers.elements.astype(np.int64))
    if magnitudes.max(initial=0) > numbers.full:
        largest = int(magnitudes.max()) / numbers.full
        raise SlipstickError("streams carry no such magnitude", path="stochastic", value=largest, allowed="up to 1")
    return np.asarray(np.minimum(-(-magnitudes * length // numbers.full), length - 1), np.int64)


@functools.lru_cache(maxsize=16)
def _stream_table(generator: Generator, length: int, operand: Role, load: tuple[int, int]) -> _StreamTable:
    """Return the streams of all levels and seeds of one operand.

    Parameters
    ----------
    load : bits of an operand that arrive at a time, and cycles until the next do; (8, 1): all are there at once.
    """
    bits = _drawn_exactly(length, operand) if generator == "accurate" else _compared(generator, length, operand, load)
    padded = np.zeros((*bits.shape[:2], -(-length // _WORD) * _WORD), np.bool_)
    padded[..., :length] = bits
    return _StreamTable(bits, np.packbits(padded, axis=-1, bitorder="little").view("<u4").astype(np.uint32))


def _seed_numbers(generator: Generator, indices: IntArray, operand: Role, seeds: int) -> IntArray:
    """Return the row of a stream table for each operand, by its index in the padded inputs or in the filter."""
    drawn = generator in ("accurate", "random", "sobol")
    return (indices + (0 if operand == "input" or drawn else _WEIGHT_OFFSET)) % seeds


def _shift_register(generator: Generator, state: IntArray, bits: int) -> IntArray:
    """Return the states that follow, of linear feedback shift registers of `bits` bits.

    The feedback is the XOR of the taps, or its inverse (XNOR); ``acc`` is the XOR register with 0 between 1 and 2.
    """
    feedback = np.zeros_like(state)
    for tap in _TAPS[bits]:
        feedback ^= state >> tap & 1
    if generator == "xnor":
        feedback ^= 1
    following = (state << 1 & (1 << bits) - 1) | feedback
    if generator == "acc":
        following = np.where(state == 1, 0, np.where(state == 0, 2, following))
    return following


def _compared(generator: Generator, length: int, operand: Role, load: tuple[int, int]) -> BoolArray:
    """Return streams of bits [level > number of the cycle], with the level's bits that have been loaded by then."""
    numbers, bits = _numbers(generator, length, operand), length.bit_length() - 1
    width = max(bits, _OPERAND_BITS)
    loaded = np.minimum(
        width, (np.arange(length) // load[1] + 1) * load[0] - (load[0] <= _OPERAND_BITS)
    )  # one is the sign
    mask = -(1 << (width - loaded))
    level = np.arange(length)[:, None, None] << (width - bits)
    return np.asarray((level & mask) > numbers << (width - bits))


def _numbers(generator: Generator, length: int, operand: Role) -> IntArray:
    """Return the number of each seed and cycle, [seeds, length], that levels are compared with."""
    bits = length.bit_length() - 1
    if generator == "random":
        return np.random.default_rng([length, operand == "weight"]).integers(0, length, (_DRAWN, length))
    if generator == "sobol":  # scrambled by the seed, so that operands of different places differ
        return np.asarray(_sobol(bits, operand)[None, :] ^ np.arange(length)[:, None], np.int64)
    state = np.arange(length - 1) + (generator != "xnor")
    rows = []
    for _ in range(length):
        state = _shift_register(generator, state, bits)
        rows.append(state)
    return np.stack(rows, axis=1)


def _sobol(bits: int, operand: Role) -> IntArray:
    """Return the first 2**bits numbers of Sobol's first dimension (of inputs) or second (of weights).

    Source: Sobol, USSR Comp. Math. 7(4), 1967; the second dimension's polynomial is x + 1.
    """
    directions, numerator = [], 1
    for place in range(bits):
        directions.append(numerator << (bits - 1 - place))
        numerator = 1 if operand == "input" else numerator ^ numerator << 1
    numbers = np.zeros(1 << bits, np.int64)
    for place, direction in enumerate(directions):
        numbers ^= np.where(np.arange(1 << bits) >> place & 1, direction, 0)
    return numbers


def _drawn_exactly(length: int, operand: Role) -> BoolArray:
    """Return streams of exactly as many ones as the level, at drawn places: ones left over cycles left, each cycle."""
    random = np.random.default_rng([length, operand == "weight", 1])
    drawn = random.random((_DRAWN, length))
    bits: AnyArray = np.zeros((length, _DRAWN, length), np.bool_)
    left = np.broadcast_to(np.arange(length)[:, None], (length, _DRAWN)).copy()
    for cycle in range(length):
        bits[:, :, cycle] = drawn[:, cycle] * (length - cycle) < left
        left -= bits[:, :, cycle]
    return bits
