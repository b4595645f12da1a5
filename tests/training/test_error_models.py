"""Error models: each recovers the errors that samples were made with, and its quality is that of the truth."""

from __future__ import annotations

import numpy as np
import pytest

from slipstick.training.error_models import (
    Bins,
    ErrorSamples,
    GaussianError,
    LayerError,
    PolynomialError,
    fitted_error,
    fitted_polynomials,
)
from slipstick.training.error_quality import drifted, explained


def _samples(count: int = 200_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    sums = random.beta(2, 5, count) * 3
    mean, spread = 0.1 * sums - 0.08 * sums**2 + 0.02 * sums**3, 0.02 + 0.03 * sums
    return sums, sums + mean + spread * random.normal(size=count)


def test_polynomials_recover_mean_and_deviation() -> None:
    sums, exact = _samples()
    model = fitted_polynomials(sums, exact)
    inner = np.linspace(float(np.quantile(sums, 0.01)), float(np.quantile(sums, 0.99)), 50)
    np.testing.assert_allclose(model.mean(inner), 0.1 * inner - 0.08 * inner**2 + 0.02 * inner**3, atol=4e-3)
    np.testing.assert_allclose(model.spread(inner), 0.02 + 0.03 * inner, rtol=0.06)
    held_out = explained(as_samples(*_samples(seed=1)), LayerError(model))
    assert min(held_out.mean, held_out.spread) > 0.95


def test_slope_is_the_derivative_of_the_mean() -> None:
    model = fitted_polynomials(*_samples())
    sums, step = np.linspace(0.2, 2, 40), 1e-6
    np.testing.assert_allclose(
        model.slope(sums), (model.mean(sums + step) - model.mean(sums - step)) / (2 * step), atol=1e-6
    )
    assert model.slope(1e6) == 0


def test_beyond_the_samples_errors_stay_and_deviations_are_never_negative() -> None:
    sums, exact = _samples(2000)
    model = fitted_polynomials(sums, exact)
    far = np.array([-100.0, 100.0])
    np.testing.assert_allclose(model.mean(far), model.mean([sums.min(), sums.max()]))
    assert (model.spread(np.linspace(-10, 10, 1001)) >= model.floor).all()
    assert model.floor > 0
    steep = PolynomialError(np.zeros(1), np.array([0.1, -1.0]), 0.0, 1.0, 0.01)
    assert steep.spread(1.0) == 0.01


@pytest.mark.parametrize("sums", [np.zeros(0), np.full(100, 0.5), np.array([0.1, 0.2, 0.3])])
def test_few_samples_give_a_constant_deviation_and_no_bias(sums: np.ndarray) -> None:
    model = fitted_polynomials(sums, sums + 0.1)
    assert (model.mean([0.0, 0.5, 1.0]) == 0).all()
    assert np.isfinite(model.spread([0.0, 0.5, 1.0])).all()


def as_samples(sums: np.ndarray, exact: np.ndarray) -> ErrorSamples:
    """Return samples of one channel and one place."""
    return ErrorSamples(sums, exact - sums, np.zeros(len(sums), np.int64), (1, 1, 1))


def placed(images: int, seed: int, fixed: float = 0.6) -> tuple[ErrorSamples, np.ndarray]:
    """Return samples whose error is 0.1 s + (0.02 + 0.1 s) (fixed at the place + z), and what is fixed at places.

    Sums differ from place to place, so that a mean over a place's errors alone is not what is fixed there.
    """
    places = np.random.default_rng(77)
    shape = (4, 5, 6)
    part, level = fixed * places.normal(size=shape), places.uniform(0.3, 2.0, shape)
    random = np.random.default_rng(seed)
    sums = level * random.uniform(0.5, 1.5, (images, *shape))
    error = 0.1 * sums + (0.02 + 0.1 * sums) * (part + random.normal(size=sums.shape))
    return ErrorSamples(sums.ravel(), error.ravel(), np.arange(sums.size) % part.size, shape), part.ravel()


def test_gaussians_are_those_of_each_channel() -> None:
    random = np.random.default_rng(2)
    sums = random.normal(size=(200, 3, 8, 8))
    error = random.normal(
        np.array([0.0, 1.0, -2.0])[:, None, None], np.array([0.1, 0.5, 1.0])[:, None, None], sums.shape
    )
    samples = ErrorSamples(sums.ravel(), error.ravel(), np.arange(sums.size) % (3 * 64), (3, 8, 8))
    model = fitted_error(samples, by_sum=False, fixed=False).model
    assert isinstance(model, GaussianError)
    np.testing.assert_allclose(model.means, [0, 1, -2], atol=0.03)
    np.testing.assert_allclose(model.deviations, [0.1, 0.5, 1.0], rtol=0.03)


def test_what_is_fixed_at_places_is_parted_from_bias_and_noise() -> None:
    samples, part = placed(400, 1)
    model = fitted_error(samples, by_sum=True, fixed=True)
    assert model.fixed is not None
    np.testing.assert_allclose(model.fixed - model.fixed.mean(), part - part.mean(), atol=0.2)  # 3.5 of 1 / sqrt(400)
    assert np.corrcoef(model.fixed, part)[0, 1] > 0.99
    inner = np.linspace(0.3, 2.0, 50)
    np.testing.assert_allclose(model.model.spread(inner), 0.02 + 0.1 * inner, rtol=0.05)
    seen = explained(placed(400, 2)[0], model)
    assert min(seen.mean, seen.spread) > 0.95
    assert seen.fixed == pytest.approx(0.36 / 1.36, abs=0.08)  # of 120 places: a draw of the variance 0.36
    without = explained(placed(400, 2)[0], fitted_error(samples, by_sum=True, fixed=False))
    assert np.isnan(without.fixed)


def test_nothing_is_fixed_where_images_do_not_show_it() -> None:
    noise = fitted_error(placed(200, 3, fixed=0.0)[0], by_sum=True, fixed=True)
    assert noise.fixed is not None
    assert np.abs(noise.fixed).max() < 0.1  # means of 200 samples have a deviation of 0.07 before they are shrunk
    single = fitted_error(placed(1, 3)[0], by_sum=True, fixed=True)
    assert single.fixed is not None
    assert (single.fixed == 0).all()


def test_a_channels_deviation_is_that_of_what_the_fixed_part_leaves() -> None:
    random, part = np.random.default_rng(5), np.array([2.0, -1.0, 0.5, -1.5])
    errors = 3.0 + 0.2 * (part + random.normal(size=(500, 4)))
    samples = ErrorSamples(np.ones(errors.size), errors.ravel(), np.arange(errors.size) % 4, (1, 2, 2))
    model = fitted_error(samples, by_sum=False, fixed=True)
    mean, spread = model.predicted(samples)
    np.testing.assert_allclose(spread, 0.2, rtol=0.06)
    np.testing.assert_allclose(mean[:4], 3.0 + 0.2 * part, atol=0.04)


def test_the_ceiling_is_the_quality_of_the_truth_where_errors_of_an_image_are_alike() -> None:
    """The true model has an R^2 below 1 on few samples; the ceiling says so without knowing it."""
    truth = PolynomialError(np.array([0.0, 0.05]), np.array([0.5]), 0.5, 0.5, 0.5)
    reached, ceilings = [], []
    for seed in range(40):
        random = np.random.default_rng(seed)
        sums = random.uniform(0, 1, (40, 500))
        shared = random.normal(size=(40, 1)) * np.sqrt(0.5)  # half of the noise is one draw an image
        error = truth.mean(sums) + 0.5 * (shared + np.sqrt(0.5) * random.normal(size=sums.shape))
        quality = explained(as_samples(sums.ravel(), (sums + error).ravel()), LayerError(truth))
        reached.append(quality.mean)
        ceilings.append(quality.mean_ceiling)
    assert np.median(reached) < 0.9
    assert np.median(ceilings) < 0.97


def test_what_the_operands_tell_is_no_part_of_the_model_and_counts_as_explained() -> None:
    samples, _ = placed(100, 4)
    random = np.random.default_rng(0)
    known = random.normal(size=samples.sums.shape)
    told = ErrorSamples(samples.sums, samples.errors + known, samples.places, samples.shape, known)
    models = [fitted_error(each, by_sum=True, fixed=True) for each in (samples, told)]
    np.testing.assert_allclose(models[0].fixed, models[1].fixed)
    assert explained(told, models[1]).share > 0.9
    halves = ErrorSamples.together(told.halves())
    np.testing.assert_array_equal(halves.known, known)
    np.testing.assert_array_equal(halves.errors, told.errors)


def test_bins_share_the_samples_equally() -> None:
    random = np.random.default_rng(0)
    bins = Bins.of(random.exponential(size=200_000))
    np.testing.assert_allclose(bins.counts, 200_000 / 64, rtol=0.35)  # limits are those of 16,384 samples
    assert (np.diff(bins.centres) > 0).all()
    assert not Bins.of(np.full(10, 0.5)).full.any()


def test_drift_is_seen_when_mean_or_deviation_moves_and_not_before() -> None:
    model = fitted_polynomials(*_samples())
    sums, exact = _samples(20_000, seed=3)
    assert not drifted(LayerError(model), as_samples(sums, exact))
    assert drifted(LayerError(model), as_samples(sums, exact + 0.05))
    assert drifted(LayerError(model), as_samples(sums, sums + model.mean(sums) + 2 * (exact - sums - model.mean(sums))))
