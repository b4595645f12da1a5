"""Stream laboratory: correlation of bit streams, and errors of products and of sums, by generator and length.

The correlation of two streams is SCC (Alaghi and Hayes, ICCD 2013, from memory): the covariance over the largest that
the two shares of ones allow, 1 for streams that overlap most, -1 for those that overlap least, 0 for independent ones.
All samples are drawn with fixed seeds, so that the figures are the same each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from slipstick.core.window import WholeNumbers
from slipstick.formats.arithmetic.bit_streams import Role, _levels, _seed_numbers, _stream_table
from slipstick.formats.arithmetic.stochastic_oracle import _drawn_taps

if TYPE_CHECKING:
    from slipstick.core.arrays import AnyArray, BoolArray, FloatArray, IntArray
    from slipstick.formats.arithmetic.stochastic import Stochastic

PAIRS = 4096  # of streams drawn for correlations and products: a standard error of 1 to 2 % of a root mean square
_PLACES = 2**14  # of inputs and weights: of a layer as large as any here
IMAGES, FILTERS, TAPS = 64, 16, 16  # of the layer whose sums are counted
_LARGEST = 0.25  # weight of that layer: sums are 1 on average, where an OR saturates by a third
_FULL = 128  # operands are whole numbers of 7 bits


@dataclass(frozen=True)
class StreamQuality:
    """Errors of streams, in units of a product of 1 by 1.

    Parameters
    ----------
    correlation, magnitude : mean SCC of an input's and a weight's stream, and mean of its magnitude.
    product_bias, product_rms : mean and root mean square of a product's error against levels over length.
    sum_bias, sum_rms : the same of sums of 16 products, against the expected count of independent streams.
    between : correlation of the sums' errors of two filters that read the same inputs.
    """

    correlation: float
    magnitude: float
    product_bias: float
    product_rms: float
    sum_bias: float
    sum_rms: float
    between: float


def stream_quality(arithmetic: Stochastic) -> StreamQuality:
    """Return correlation and errors of an arithmetic's streams.

    Examples
    --------
    >>> from slipstick.formats.arithmetic.stochastic import Stochastic
    >>> short, long = (stream_quality(Stochastic(length, generator="random")) for length in (32, 128))
    >>> 1.8 < short.product_rms / long.product_rms < 2.2
    True
    """
    random, length = np.random.default_rng(0), arithmetic.length
    levels = random.integers(0, length, (2, PAIRS))
    a, b = (
        _bits(arithmetic, role, level, random.integers(0, _PLACES, PAIRS))
        for role, level in zip(_ROLES, levels, strict=True)
    )
    products = (a & b).mean(axis=-1) - levels[0] * levels[1] / length**2
    correlations = overlap_correlation(a, b)
    errors = _sum_errors(arithmetic)
    return StreamQuality(
        float(np.nanmean(correlations)), float(np.nanmean(np.abs(correlations))), float(products.mean()),
        _rms(products), float(errors.mean()), _rms(errors), _between(errors),
    )  # fmt: skip


_ROLES: tuple[Role, Role] = ("input", "weight")


def overlap_correlation(a: BoolArray, b: BoolArray) -> FloatArray:
    """Return the SCC of streams [..., cycles]; nan where one is constant, which has none.

    Examples
    --------
    >>> overlap_correlation(np.array([1, 1, 0, 0], bool), np.array([[1, 0, 0, 0], [0, 0, 0, 1]], bool)).tolist()
    [1.0, -1.0]
    """
    shares = a.mean(axis=-1), b.mean(axis=-1)
    covariance = (a & b).mean(axis=-1) - shares[0] * shares[1]
    highest = np.minimum(*shares) - shares[0] * shares[1]
    lowest = shares[0] * shares[1] - np.maximum(shares[0] + shares[1] - 1, 0)
    most = np.where(covariance > 0, highest, lowest)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(most > 0, covariance / most, np.nan))


def seed_correlations(arithmetic: Stochastic) -> FloatArray:
    """Return mean SCC [seeds of inputs, seeds of weights], over pairs of levels at 1/4, 1/2 and 3/4.

    Of generators with more seeds than 32, that many evenly.
    """
    tables = [_stream_table(arithmetic.generator, arithmetic.length, role, _load(arithmetic)).bits for role in _ROLES]
    levels = arithmetic.length * np.arange(1, 4) // 4
    seeds = np.linspace(0, tables[0].shape[1] - 1, min(32, tables[0].shape[1])).astype(np.int64)
    a, b = (table[np.ix_(levels, seeds)] for table in tables)
    correlations = overlap_correlation(a[:, None, :, None], b[None, :, None, :])
    return np.asarray(np.nanmean(correlations, axis=(0, 1)))


def _load(arithmetic: Stochastic) -> tuple[int, int]:
    return arithmetic.unit, arithmetic.wait


def _bits(arithmetic: Stochastic, role: Role, levels: IntArray, places: IntArray) -> BoolArray:
    """Return the streams [..., cycles] of levels whose seeds are numbered by places."""
    table = _stream_table(arithmetic.generator, arithmetic.length, role, _load(arithmetic))
    return table.bits[levels, _seed_numbers(arithmetic.generator, places, role, table.seeds)]


def _sum_errors(arithmetic: Stochastic) -> FloatArray:
    """Return errors of sums [images, filters] of a dense layer against the expected count of independent streams."""
    random, length = np.random.default_rng(1), arithmetic.length
    x = random.integers(0, _FULL, (IMAGES, TAPS))
    w = random.integers(0, int(_LARGEST * _FULL) + 1, (FILTERS, TAPS))
    places = np.arange(FILTERS * TAPS).reshape(w.shape)
    places = places if arithmetic.seeds == "separate" else places % TAPS
    a = _bits(arithmetic, "input", _levels(WholeNumbers(x, _FULL), length), np.broadcast_to(np.arange(TAPS), x.shape))
    b = _bits(arithmetic, "weight", _levels(WholeNumbers(w, _FULL), length), places)
    bits = a[:, None] & b  # [images, filters, taps, cycles]
    chances = (x[:, None] * w) / _FULL**2
    if arithmetic.count == "mux":
        drawn = _drawn_taps(length, TAPS)
        counts = bits[:, :, drawn, np.arange(length)].mean(axis=-1) * TAPS
        return np.asarray(counts - chances.sum(axis=-1))
    groups = arithmetic.tap_groups((TAPS, 1, 1)).ravel()
    errors = np.zeros((IMAGES, FILTERS))
    for group in range(int(groups.max()) + 1):
        counts = bits[:, :, groups == group].sum(axis=2)
        most = arithmetic.counted
        counted = counts if most is None else np.minimum(counts, most)
        errors += counted.mean(axis=-1) - _expected_count(chances[..., groups == group], most)
    return errors


def _expected_count(chances: FloatArray, most: int | None) -> AnyArray:
    """Return the expected count of a cycle, at most `most`, of independent products with chances [..., taps]."""
    if most is None:
        return np.asarray(chances.sum(axis=-1))
    shares = np.zeros((most + 1, *chances.shape[:-1]))  # of cycles with 0, 1, ..., at least `most` products
    shares[0] = 1
    for chance in np.moveaxis(chances, -1, 0):
        moved = shares * chance
        shares[:-1] -= moved[:-1]
        shares[1:] += moved[:-1]
    return np.asarray(np.tensordot(np.arange(most + 1), shares, 1))


def _between(errors: FloatArray) -> float:
    """Return the mean correlation of two filters' errors over images."""
    filters = errors.shape[1]
    return float((np.sum(np.corrcoef(errors.T)) - filters) / (filters * (filters - 1)))


def _rms(errors: FloatArray) -> float:
    return float(np.sqrt(np.square(errors).mean()))
