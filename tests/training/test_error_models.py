"""Error models: polynomials and Gaussians recover the errors that samples were made with."""

from __future__ import annotations

import numpy as np
import pytest

from slipstick.training.error_models import (
    PolynomialError,
    drifted,
    explained,
    fitted_gaussians,
    fitted_polynomials,
)


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
    held_out = explained(*_samples(seed=1), model)
    assert held_out["mean"] > 0.95
    assert held_out["spread"] > 0.95


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


def test_gaussians_are_those_of_each_channel() -> None:
    random = np.random.default_rng(2)
    sums = random.normal(size=(200, 3, 8, 8))
    error = random.normal(
        np.array([0.0, 1.0, -2.0])[:, None, None], np.array([0.1, 0.5, 1.0])[:, None, None], sums.shape
    )
    model = fitted_gaussians(sums, sums + error)
    np.testing.assert_allclose(model.means, [0, 1, -2], atol=0.03)
    np.testing.assert_allclose(model.deviations, [0.1, 0.5, 1.0], rtol=0.03)


def test_drift_is_seen_when_mean_or_deviation_moves_and_not_before() -> None:
    model = fitted_polynomials(*_samples())
    sums, exact = _samples(20_000, seed=3)
    assert not drifted(model, sums, exact)
    assert drifted(model, sums, exact + 0.05)
    assert drifted(model, sums, sums + model.mean(sums) + 2 * (exact - sums - model.mean(sums)))
