"""Noise by counting: moments of a normal, and no correlation from place to place or seed to seed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from slipstick.training.injection_noise import _hashed, _hashed_number, normal_noise


def test_moments_and_distribution_are_those_of_a_normal() -> None:
    noise = normal_noise(11, 2**20).astype(np.float64)
    error = 2.0**-10
    assert abs(noise.mean()) < 4 * error
    assert noise.std() == pytest.approx(1, abs=4 * error)
    assert abs((noise**3).mean()) < 4 * error * math.sqrt(6)
    assert (noise**4).mean() == pytest.approx(3 - 2 / 64, abs=4 * error * math.sqrt(24))  # binomial of 64 bits
    places = np.linspace(-3, 3, 25)
    normal = np.array([0.5 * (1 + math.erf(x / math.sqrt(2))) for x in places])
    np.testing.assert_allclose([(noise < x).mean() for x in places], normal, atol=0.004)


def test_places_and_seeds_are_not_correlated() -> None:
    noise, other = (normal_noise(seed, 2**18).astype(np.float64) for seed in (5, 6))
    for shift in (1, 2, 7, 64, 256):
        assert abs((noise[:-shift] * noise[shift:]).mean()) < 5 * 2.0**-9
    assert abs((noise * other).mean()) < 5 * 2.0**-9
    assert abs((noise**2 * other**2).mean() - 1) < 0.02


def test_noise_is_that_of_its_seed_and_place() -> None:
    np.testing.assert_array_equal(normal_noise(2**31 - 1, 100), normal_noise(2**31 - 1, 1000)[:100])
    assert len(normal_noise(3, 0)) == 0


def test_a_number_and_an_array_have_the_same_hash() -> None:
    numbers = [0, 1, 77, 2**31, 2**32 - 1]
    assert [_hashed_number(number) for number in numbers] == _hashed(np.array(numbers, np.uint32)).tolist()
