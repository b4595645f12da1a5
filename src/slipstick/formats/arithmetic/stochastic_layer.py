"""Layers of stochastic arithmetic on packed streams: native kernels where they can be built, numba elsewhere.

A word holds 32 cycles of a stream, so that an AND and an OR of words do 32 cycles of a product. Inputs are packed for
16 images at a time, which stand side by side: every tap is then an aligned load of 16 words, whatever the stride, the
padding and the size of the map. Weights keep their order but for sorting by sign, four filters at a time.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Any

import numpy as np

from slipstick.core.arrays import AnyArray, CodeArray, Float32Array, IntArray
from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.core.window import WholeNumbers, Window
from slipstick.formats.arithmetic.bit_streams import Role, _levels, _seed_numbers, _stream_table, _StreamArithmetic
from slipstick.formats.arithmetic.kernels.native_library import native_library
from slipstick.formats.arithmetic.stochastic_oracle import _drawn_taps, _stochastic_oracle

_IMAGES = 16  # of a block: 32 bit words of the widest register
_FILTERS = 4  # whose taps are sorted together
_LINE = 64  # bytes of a cache line, on which blocks of words start
_buffers = threading.local()


def _stochastic_layer(
    arithmetic: _StreamArithmetic, inputs: WholeNumbers, weights: WholeNumbers, window: Window
) -> Float32Array:
    """Return the sums [b, n, rows, columns] of a layer, equal to `_stochastic_oracle`.

    Errors
    ------
    SlipstickError for shapes that cannot be multiplied, and magnitudes beyond full scale.
    """
    window.check(inputs.elements, weights.elements)
    native = native_library("stochastic", partial(_agrees, type(arithmetic)))
    run = _numba if native is None else lambda layer, x, results: _native(native, layer, x, results)
    x = _whole(inputs)
    full, signed = (inputs.full, weights.full), bool(x.min(initial=0) < 0)
    together = 1 if native is None else _FILTERS  # numba goes through the taps of each filter alone
    layer = _Layer(arithmetic, window, x.shape, _whole(weights), full, signed, together)
    results = np.empty((len(x), len(layer.weights), *layer.size), np.float32)
    if results.size:
        run(layer, x, results)
    return results


@dataclass(frozen=True, eq=False)
class _Layer:
    """Geometry of a layer as kernels take it; `full` are the full scales of inputs and weights.

    `together` filters have their taps sorted together, where they read the same channels.
    """

    arithmetic: _StreamArithmetic
    window: Window
    shape: tuple[int, ...]
    weights: AnyArray
    full: tuple[int, int]
    signed: bool
    together: int = _FILTERS

    @cached_property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the outputs."""
        return self.window.output((self.shape[2], self.shape[3]), self.kernel)

    @property
    def kernel(self) -> tuple[int, int]:
        """Rows and columns of a filter."""
        return self.weights.shape[2], self.weights.shape[3]

    @property
    def parts(self) -> int:
        """Parts of the inputs, by sign."""
        return 1 + self.signed

    @cached_property
    def padded(self) -> tuple[int, int]:
        """Rows and columns of the padded inputs."""
        return self.shape[2] + sum(self.window.padding[0]), self.shape[3] + sum(self.window.padding[1])

    @property
    def share(self) -> int:
        """Filters that read the same channels."""
        return len(self.weights) // self.window.groups

    @property
    def filters(self) -> int:
        """Filters whose taps are sorted together."""
        return self.together if self.share > 1 else 1

    @property
    def depth(self) -> int:
        """Products of a cycle that are counted at most; 0: all."""
        return 0 if self.arithmetic.count == "binary" else self.arithmetic.counted or 1

    @property
    def factor(self) -> np.float32:
        """Value of one count: the product of both full scales over the length, times the places of a multiplexer."""
        taps = self.weights[0].size if self.arithmetic.count == "mux" else 1
        return np.float32(self.full[0] * self.full[1] * taps / self.arithmetic.length)

    def table(self, operand: Role) -> CodeArray:
        """Return the words of each level and seed of an operand, [levels, seeds, planes]."""
        load = (self.arithmetic.unit, self.arithmetic.wait)
        return _stream_table(self.arithmetic.generator, self.arithmetic.length, operand, load).words

    @cached_property
    def planes(self) -> int:
        """Words of a stream."""
        return int(self.table("input").shape[2])


@dataclass(frozen=True, eq=False)
class _Taps:
    """Arrays that do not depend on values: offset, group, seed and mask of taps, quads of filters, places."""

    offset: AnyArray
    group: AnyArray
    seed: AnyArray
    mask: CodeArray
    of: IntArray
    base: IntArray
    groups: int
    sizes: IntArray


def _whole(numbers: WholeNumbers) -> AnyArray:
    whole = np.ascontiguousarray(numbers.elements, np.int16)
    if whole.size and max(int(whole.max()), -int(whole.min())) > numbers.full:
        largest = max(int(whole.max()), -int(whole.min())) / numbers.full
        raise SlipstickError("streams carry no such magnitude", path="stochastic", value=largest, allowed="up to 1")
    return whole


def _taps(layer: _Layer) -> _Taps:
    return _geometry(layer.arithmetic, layer.window, layer.shape[1:], layer.weights.shape, layer.signed, layer.together)


@lru_cache(maxsize=64)
def _geometry(
    arithmetic: _StreamArithmetic,
    window: Window,
    image: tuple[int, ...],
    filters: tuple[int, ...],
    signed: bool,
    together: int,
) -> _Taps:
    """Return the arrays of a layer that its values leave alone: kept, since training asks for them every step."""
    layer = _Layer(arithmetic, window, (1, *image), np.empty(filters, np.int16), (1, 1), signed, together)
    (high, wide), planes, channels = layer.padded, layer.planes, filters[1]
    c, y, x = np.indices(filters[1:]).reshape(3, -1)
    offset = (c * high + y * window.dilation[0]) * planes * wide + x * window.dilation[1]
    offset = np.concatenate([offset + part * image[0] * high * wide * planes for part in range(layer.parts)])
    group = arithmetic.tap_groups((filters[1], filters[2], filters[3])).ravel()
    taps = len(group)
    firsts = range(0, filters[0], layer.share)
    starts = [start for first in firsts for start in range(first, first + layer.share, layer.filters)]
    rows, columns = np.indices(layer.size)
    base = rows * window.stride[0] * planes * wide + columns * window.stride[1]
    seeds = layer.table("weight").shape[1]
    seed = _seed_numbers(arithmetic.generator, np.arange(taps), "weight", seeds).astype(np.int32)
    apart = taps if arithmetic.seeds == "separate" else 0
    sizes = np.array([apart, layer.parts, layer.share, channels * high * wide * planes], np.int64)
    return _Taps(
        offset.astype(np.int32), group.astype(np.int32), seed, _mask(arithmetic, taps, planes),
        np.array(starts, np.int64), np.ascontiguousarray(base.ravel(), np.int64), int(group.max()) + 1, sizes,
    )  # fmt: skip


@lru_cache(maxsize=16)
def _by_seed(arithmetic: _StreamArithmetic) -> CodeArray:
    """Return the words of inputs as [seeds, planes, levels], so that a place's words stand together."""
    load = (arithmetic.unit, arithmetic.wait)
    words = _stream_table(arithmetic.generator, arithmetic.length, "input", load).words
    return np.ascontiguousarray(words.transpose(1, 2, 0))


def _mask(arithmetic: _StreamArithmetic, taps: int, planes: int) -> CodeArray:
    """Return the cycles in which each tap counts, [taps, planes] words: all, or those that a multiplexer gives it."""
    cycles = np.ones((taps, planes * 32), np.bool_)
    if arithmetic.count == "mux":
        cycles[:, : arithmetic.length] = _drawn_taps(arithmetic.length, taps) == np.arange(taps)[:, None]
    return np.packbits(cycles, axis=1, bitorder="little").view("<u4").astype(np.uint32)


@lru_cache(maxsize=64)
def _level_table(full: int, length: int) -> AnyArray:
    return _levels(WholeNumbers(np.arange(full + 1), full), length).astype(np.int16)


def _buffer(name: str, count: int, kind: Any = np.uint32) -> AnyArray:
    """Return an array of this thread that starts on a cache line, kept from call to call; its contents are stale."""
    buffers: dict[str, AnyArray] = _buffers.__dict__
    nbytes = count * np.dtype(kind).itemsize
    if name not in buffers or len(buffers[name]) < nbytes + _LINE:
        buffers[name] = np.empty(nbytes + _LINE, np.uint8)
    start = -buffers[name].ctypes.data % _LINE
    return buffers[name][start : start + nbytes].view(kind)


def _packed_taps(layer: _Layer, pack: Callable[..., None]) -> tuple[AnyArray, AnyArray, AnyArray]:
    """Return the sorted taps of the weights: places, words and bounds, as `pack` writes them."""
    taps = _taps(layer)
    quads, count = len(taps.of), len(taps.offset)
    at = _buffer("at", quads * count, np.int32).reshape(quads, count)
    word = _buffer("word", at.size * layer.planes * layer.filters).reshape(quads, count, layer.planes, layer.filters)
    bound = _buffer("bound", quads * (taps.groups * 2**layer.filters + 1), np.int32).reshape(quads, -1)
    pack(taps, at, word, bound)
    return at, word, bound


def _block(layer: _Layer) -> AnyArray:
    """Return the buffer of a block's words, [channels, rows, planes, columns, 16]; its contents are stale."""
    high, wide = layer.padded
    shape = (layer.parts * layer.shape[1], high, layer.planes, wide, _IMAGES)
    return _buffer("words", int(np.prod(shape))).reshape(shape)


def _numba(layer: _Layer, x: AnyArray, results: Float32Array) -> None:
    """Fill the results by the portable kernels."""
    kernels = require("slipstick.formats.arithmetic.kernels.numba_kernels", "sim")
    arithmetic, weights = layer.arithmetic, layer.weights.reshape(len(layer.weights), -1)

    def pack(taps: _Taps, at: AnyArray, word: AnyArray, bound: AnyArray) -> None:
        word.fill(0)
        level_of = _level_table(layer.full[1], arithmetic.length)
        kernels._pack_weights(
            weights, taps.sizes, level_of, layer.table("weight"), taps.mask, taps.offset, taps.group, taps.seed,
            taps.of, at, word, bound,
        )  # fmt: skip

    at, word, bound = _packed_taps(layer, pack)
    taps, pad, words = _taps(layer), np.array(layer.window.padding, np.int64).ravel(), _block(layer)
    level_of, table = _level_table(layer.full[0], arithmetic.length), layer.table("input")
    run = layer.size[1] if layer.window.stride[1] == 1 else 1
    for first in range(0, len(x), _IMAGES):
        words.fill(0)
        kernels._pack_inputs(x[first : first + _IMAGES], pad, layer.signed, level_of, table, words)
        block = results[first : first + _IMAGES].reshape(-1, len(weights), len(taps.base))
        kernels._layer_counts(
            run,
            words.shape[3],
            layer.depth,
            words.ravel(),
            taps.base,
            taps.of,
            layer.share,
            at,
            word,
            bound,
            layer.factor,
            block,
        )


def _native(library: ctypes.CDLL, layer: _Layer, x: AnyArray, results: Float32Array) -> None:
    """Fill the results by the native kernels, which take the same arrays."""
    arithmetic, weights = layer.arithmetic, layer.weights
    integer = ctypes.c_int64

    def pack(taps: _Taps, at: AnyArray, word: AnyArray, bound: AnyArray) -> None:
        apart, parts, share, shift = taps.sizes.tolist()
        table, level_of = layer.table("weight"), _level_table(layer.full[1], arithmetic.length)
        sizes = [
            len(weights), weights[0].size, table.shape[1], layer.planes, apart, layer.filters, len(taps.of),
            taps.groups, parts, share, shift,
        ]  # fmt: skip
        arrays = (
            weights, np.array(sizes, np.int64), level_of, table, taps.mask, taps.offset, taps.group, taps.seed,
            taps.of, at, word, bound,
        )  # fmt: skip
        library.pack_weights(*map(_address, arrays))

    at, word, bound = _packed_taps(layer, pack)
    taps, words = _taps(layer), _block(layer)
    pad = np.array(layer.window.padding, np.int64)
    level_of, table = _level_table(layer.full[0], arithmetic.length), _by_seed(arithmetic)
    for first in range(0, len(x), _IMAGES):
        images = x[first : first + _IMAGES]
        zeros = first > 0 and len(images) == _IMAGES and not layer.signed
        layout = np.array([table.shape[2], table.shape[0], layer.planes, layer.signed, zeros], np.int64)
        shape = np.array(images.shape, np.int64)
        library.pack_inputs(*map(_address, (images, shape, pad, layout, level_of, table, words)))
        sizes = [
            len(weights), len(taps.base), len(images), layer.planes, len(taps.of), taps.groups, at.shape[1],
            layer.share, words.shape[3],
        ]  # fmt: skip
        library.layer_counts(
            integer(layer.filters), integer(layer.depth), _address(words), _address(taps.base),
            _address(np.array(sizes, np.int64)), *map(_address, (taps.of, at, word, bound)),
            ctypes.c_float(float(layer.factor)), _address(results[first:]),
        )  # fmt: skip


def _looked_up(arithmetic: _StreamArithmetic, numbers: WholeNumbers, table: Float32Array) -> Float32Array:
    """Return the table's value of each element's magnitude, with the element's sign.

    Errors
    ------
    SlipstickError for magnitudes beyond full scale.
    """
    whole = _whole(numbers)
    native = native_library("stochastic", partial(_agrees, type(arithmetic)))
    if native is None:
        return np.asarray(np.sign(whole) * table[np.abs(whole)], np.float32)
    result = np.empty(whole.shape, np.float32)
    both = np.concatenate([-table[:0:-1], table])
    native.look_up(_address(whole), ctypes.c_int64(whole.size), _address(both[len(table) - 1 :]), _address(result))
    return result


def _address(array: AnyArray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _agrees(family: Callable[[int, str], _StreamArithmetic], library: ctypes.CDLL) -> bool:
    """Return whether the native kernels equal the oracle on small layers of every kind of accumulation.

    Source: the numbers are sizes and ranges of layers drawn at random; they stand for nothing else.
    """
    random = np.random.default_rng(0)
    for length, accumulate in ((32, "or"), (64, "or2"), (8, "or3"), (32, "binary"), (128, "or7")):
        arithmetic, window = family(length, accumulate), Window(padding=((1, 0), (0, 1)), groups=2)
        inputs = WholeNumbers(random.integers(-128, 129, (18, 4, 3, 4)).astype(np.int16), 128)
        weights = WholeNumbers(random.integers(-40, 41, (12, 2, 2, 2)).astype(np.int16), 128)
        layer = _Layer(arithmetic, window, inputs.elements.shape, weights.elements, (128, 128), True)
        results = np.empty((18, 12, *layer.size), np.float32)
        _native(library, layer, inputs.elements, results)
        if not np.array_equal(results, _stochastic_oracle(arithmetic, inputs, weights, window)):
            return False
    whole, values = np.arange(-128, 129, dtype=np.int16), np.empty(257, np.float32)
    table = np.arange(-128, 129).astype(np.float32) / 8
    library.look_up(_address(whole), ctypes.c_int64(257), _address(table[128:]), _address(values))
    return bool(np.array_equal(values, table))
