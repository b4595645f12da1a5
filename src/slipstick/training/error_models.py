"""Models of what hardware adds to a smooth sum: by the sum, by the channel, and what is fixed at each place.

Training with an error model costs a fraction of training with the hardware's own arithmetic. Sources: the training code
of REX-SC (nanocad-lab/rex-sc, as read), which fits polynomials of degree 5 to the error's mean and deviation by the
sum (type 1) or takes one mean and deviation of a layer (type 2); equal shares of the samples in every bin, weights,
bounds, deviations that stay positive and the part that is fixed are ours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from slipstick.core.arrays import BoolArray, FloatArray, IntArray

DEGREE = 5  # of both polynomials: that of REX-SC
_BINS = 64  # of equal shares of the samples; REX-SC has 30 of a fixed width
_LEAST = 4  # samples of a bin from which a mean and a deviation are taken
_LIMITS = 2**14  # samples that tell the limits of bins: 256 a bin
_TINY = float(np.finfo(np.float32).tiny)
_TURNS = 4  # of the bias and of what is fixed; more change nothing that is seen in three digits


@dataclass(frozen=True, eq=False)
class ErrorSamples:
    """Samples of errors: smooth sums, hardware's sums less these, and the place of each in the layer's output.

    A place is an index into [channels, rows, columns] of `shape`; channels of the positive counts stand before those of
    the negative ones where hardware counts them apart. Samples are in the order of their images. `known` is the part of
    the errors that the operands tell (`table_errors`), None without one.
    """

    sums: FloatArray
    errors: FloatArray
    places: IntArray
    shape: tuple[int, int, int]
    known: FloatArray | None = None

    @property
    def channels(self) -> IntArray:
        """Channel of each sample."""
        return self.places // (self.shape[1] * self.shape[2])

    @classmethod
    def together(cls, parts: list[ErrorSamples]) -> ErrorSamples:
        """Return the samples of several batches as one."""
        sums, errors = (np.concatenate(arrays) for arrays in zip(*((p.sums, p.errors) for p in parts), strict=True))
        known = [part.known for part in parts if part.known is not None]
        places = np.concatenate([part.places for part in parts])
        return cls(sums, errors, places, parts[0].shape, np.concatenate(known) if known else None)

    def halves(self) -> list[ErrorSamples]:
        """Return the samples of the first and of the last images."""
        middle = len(self.sums) // 2
        return [
            ErrorSamples(
                self.sums[part], self.errors[part], self.places[part], self.shape,
                None if self.known is None else self.known[part],
            )
            for part in (slice(0, middle), slice(middle, None))
        ]  # fmt: skip

    def unknown(self) -> ErrorSamples:
        """Return the samples with what the operands tell taken out of the errors."""
        return self if self.known is None else replace(self, errors=self.errors - self.known, known=None)


@dataclass(frozen=True, eq=False)
class PolynomialError:
    """Error of type 1: at a smooth sum s, bias(t) + deviation(t) z with z normal and t = (s - middle) / half.

    Both polynomials, lowest power first, hold for -1 <= t <= 1, between the centres of the outermost bins; beyond, the
    error is that of the nearest end. The deviation is never below `floor`.

    Examples
    --------
    >>> sums = np.linspace(0, 1, 1000)
    >>> model = fitted_polynomials(sums, sums + 0.1 * sums**2)
    >>> bool(np.abs(model.mean(0.5) - 0.025) < 1e-3)
    True
    """

    bias: FloatArray
    deviation: FloatArray
    middle: float
    half: float
    floor: float

    def position(self, sums: ArrayLike) -> FloatArray:
        """Return t of smooth sums, held within -1 to 1."""
        return np.clip((np.asarray(sums, np.float64) - self.middle) / self.half, -1, 1)

    def mean(self, sums: ArrayLike) -> FloatArray:
        """Return the mean error at smooth sums, elementwise."""
        return np.asarray(np.polynomial.polynomial.polyval(self.position(sums), self.bias))

    def spread(self, sums: ArrayLike) -> FloatArray:
        """Return the standard deviation of the error at smooth sums, elementwise."""
        values = np.polynomial.polynomial.polyval(self.position(sums), self.deviation)
        return np.maximum(values, self.floor)

    def slope(self, sums: ArrayLike) -> FloatArray:
        """Return the derivative of the mean error by the sum, 0 beyond the ends."""
        position = (np.asarray(sums, np.float64) - self.middle) / self.half
        inner = np.polynomial.polynomial.polyval(position, np.polynomial.polynomial.polyder(self.bias)) / self.half
        return np.where(np.abs(position) <= 1, inner, 0.0)

    def predicted(self, samples: ErrorSamples) -> tuple[FloatArray, FloatArray]:
        """Return mean and deviation of the error of each sample."""
        return self.mean(samples.sums), self.spread(samples.sums)


@dataclass(frozen=True, eq=False)
class GaussianError:
    """Error of type 2: of each channel a mean and a standard deviation, whatever the sum."""

    means: FloatArray
    deviations: FloatArray

    def predicted(self, samples: ErrorSamples) -> tuple[FloatArray, FloatArray]:
        """Return mean and deviation of the error of each sample."""
        return self.means[samples.channels], self.deviations[samples.channels]


@dataclass(frozen=True, eq=False)
class LayerError:
    """Error of a layer's sums: a model by the sum or the channel, and what is fixed at each place besides.

    Seeds of streams are the same for every image, and so is a part of the error at each place (`ErrorSamples`). `fixed`
    has it in units of the deviation, mean + deviation (fixed + z), as errors of small sums are small; None without it.
    """

    model: PolynomialError | GaussianError
    fixed: FloatArray | None = None

    def mean(self, samples: ErrorSamples) -> FloatArray:
        """Return the mean error of each sample, what is fixed at its place left out."""
        mean = self.model.predicted(samples)[0]
        return mean if samples.known is None else mean + samples.known

    def predicted(self, samples: ErrorSamples) -> tuple[FloatArray, FloatArray]:
        """Return mean and deviation of the error of each sample."""
        mean, spread = self.mean(samples), self.model.predicted(samples)[1]
        return (mean if self.fixed is None else mean + spread * self.fixed[samples.places]), spread


def fitted_polynomials(sums: ArrayLike, exact: ArrayLike, degree: int = DEGREE) -> PolynomialError:
    """Return the model of type 1 from smooth sums and what the hardware gave for them.

    Least squares over bins of equal shares of the samples, weighted by their numbers; with too few bins for the degree
    the bias is 0 and the deviation constant, as in the source.
    """
    smooth = np.asarray(sums, np.float64).ravel()
    error = np.asarray(exact, np.float64).ravel() - smooth
    return _polynomials(Bins.of(smooth), error, error, degree)


def _polynomials(bins: Bins, errors: FloatArray, rest: FloatArray, degree: int = DEGREE) -> PolynomialError:
    """Return the model of type 1 whose bias is that of the errors, and whose deviation that of the rest."""
    full, counts, centres = bins.full, bins.counts[bins.full], bins.centres[bins.full]
    if len(centres) <= degree:
        spread = float(rest.std()) if rest.size else 0.0
        return PolynomialError(np.zeros(1), np.array([spread]), 0.0, 1.0, spread)
    middle, half = (centres[0] + centres[-1]) / 2, max((centres[-1] - centres[0]) / 2, _TINY)
    position, weights = (centres - middle) / half, np.sqrt(counts)
    means, spreads = bins.moments(errors)[0][full], bins.moments(rest)[1][full]
    bias, deviation = (
        np.asarray(np.polynomial.polynomial.polyfit(position, values, degree, w=weights), np.float64)
        for values in (means, spreads)
    )
    return PolynomialError(bias, deviation, float(middle), float(half), float(spreads.min()))


def _fitted_gaussians(samples: ErrorSamples) -> GaussianError:
    """Return the model of type 2: mean and deviation of each channel's error."""
    _, means, squares = _by(samples.channels, samples.shape[0], samples.errors)
    return GaussianError(means, np.sqrt(np.maximum(squares - means**2, 0.0)))


def fitted_error(samples: ErrorSamples, *, by_sum: bool, fixed: bool) -> LayerError:
    """Return the model of a layer's error, of type 1 (`by_sum`) or 2, with the part that is fixed if it is asked for.

    What is fixed at places and the model are fitted in turns (backfitting), as places differ in their sums. Deviations
    are those of what is left. What the operands tell is no part of the model.
    """
    samples = samples.unknown()
    bins, places = Bins.of(samples.sums), None
    model = _fitted(samples, bins if by_sum else None, samples.errors, samples.errors)
    for _ in range(_TURNS if fixed else 0):
        mean, spread = model.predicted(samples)
        places, freedom = _fixed_errors(samples, samples.errors - mean, spread)
        unfixed = samples.errors - spread * places[samples.places]
        model = _fitted(samples, bins if by_sum else None, unfixed, (unfixed - mean) * freedom)
    return LayerError(model, places)


def _fitted(
    samples: ErrorSamples, bins: Bins | None, errors: FloatArray, rest: FloatArray
) -> PolynomialError | GaussianError:
    """Return the model by the sum, or by the channel without bins, whose deviation is that of the rest."""
    if bins is not None:
        return _polynomials(bins, errors, rest)
    model = _fitted_gaussians(replace(samples, errors=errors))
    return (
        model
        if rest is errors
        else replace(model, deviations=_fitted_gaussians(replace(samples, errors=rest)).deviations)
    )


def _fixed_errors(samples: ErrorSamples, rest: FloatArray, spread: FloatArray) -> tuple[FloatArray, float]:
    """Return the part of each place, in units of the deviation `spread`, and a factor of what is left.

    Least squares, shrunk towards 0 by the sampling error (James and Stein, one variance for all places). The factor,
    of square root n / (n - 1) for n samples a place, undoes that a place is nearest to its own samples. Nothing is
    fixed where samples are single.
    """
    size = int(np.prod(samples.shape))
    counts, _, squares = _by(samples.places, size, spread)
    seen = (counts > 1) & (squares > 0)
    if not seen.any():
        return np.zeros(size), 1.0
    weights = np.where(seen, counts * squares, 1)
    parts = np.where(seen, np.bincount(samples.places, spread * rest, size) / weights, 0.0)
    often = float(counts[seen].mean())
    left = np.square(rest - spread * parts[samples.places]).sum() / max(np.square(spread).sum(), _TINY)
    variance = float(np.square(parts[seen]).mean())
    share = max(0.0, 1 - left / (often - 1) / variance) if variance else 0.0
    return share * parts, (float(np.sqrt(often / (often - 1))) if share else 1.0)


def _by(index: IntArray, size: int, values: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the number, the mean and the mean square of values at each index; 0 where there are none."""
    counts = np.bincount(index, minlength=size).astype(np.float64)
    most = np.maximum(counts, 1)
    return counts, np.bincount(index, values, size) / most, np.bincount(index, values**2, size) / most


@dataclass(frozen=True, eq=False)
class Bins:
    """Bins of sums by equal shares of them: the bin of each sum, and number, mean sum and use of each bin.

    `full` bins have samples enough; there are no bins where all sums are alike.
    """

    index: IntArray
    counts: FloatArray
    centres: FloatArray
    full: BoolArray

    @classmethod
    def of(cls, sums: FloatArray) -> Bins:
        """Return the bins of sums, whose limits are those of at most `_LIMITS` of them."""
        some = sums[:: 1 + len(sums) // _LIMITS]
        edges = np.unique(np.quantile(some, np.linspace(0, 1, _BINS + 1))) if sums.size else np.zeros(0)
        size = max(len(edges) - 1, 0)
        index = np.searchsorted(edges[1:-1], sums, side="right") if size else np.zeros(sums.shape, np.int64)
        counts, centres, _ = _by(index, size, sums) if size else (np.zeros(0),) * 3
        return cls(index, counts, centres, counts >= _LEAST)

    def moments(self, values: FloatArray, part: BoolArray | slice = slice(None)) -> tuple[FloatArray, FloatArray]:
        """Return mean and deviation of values, or of a part of them, in every bin."""
        _, means, squares = _by(self.index[part], len(self.counts), values[part])
        return means, np.sqrt(np.maximum(squares - means**2, 0.0))
