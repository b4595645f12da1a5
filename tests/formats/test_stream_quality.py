"""Stream laboratory: laws that independent and equal streams obey, an enumeration by hand, the pictures' contents."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import numpy as np
import pytest

import slipstick
from slipstick.core.errors import SlipstickError
from slipstick.core.window import WholeNumbers
from slipstick.formats.arithmetic.bit_streams import GENERATORS, LENGTHS
from slipstick.formats.arithmetic.stochastic import Stochastic
from slipstick.formats.arithmetic.stream_quality import (
    FILTERS,
    IMAGES,
    TAPS,
    _expected_count,
    _sum_errors,
    overlap_correlation,
    seed_correlations,
    stream_quality,
)


def test_correlation_is_one_minus_one_and_zero_where_it_must_be() -> None:
    a = np.array([1, 1, 0, 0, 1, 0, 0, 0], bool)
    for b, expected in ((a, 1.0), (~a, -1.0), (np.array([1, 0, 0, 0, 0, 0, 0, 0], bool), 1.0)):
        assert overlap_correlation(a, b) == pytest.approx(expected)
    independent = overlap_correlation(np.array([1, 1, 0, 0], bool), np.array([1, 0, 1, 0], bool))
    assert independent == pytest.approx(0)
    assert np.isnan(overlap_correlation(a, np.ones(8, bool)))


def test_expected_counts_are_those_of_all_combinations() -> None:
    chances = np.array([0.2, 0.5, 0.9, 0.05])
    for most in (1, 2, 3, 7):
        slow = 0.0
        for bits in itertools.product((0, 1), repeat=4):
            chance = np.prod([p if bit else 1 - p for p, bit in zip(chances, bits, strict=True)])
            slow += float(chance) * min(sum(bits), most)
        assert float(_expected_count(chances, most)) == pytest.approx(slow, rel=1e-12)
    assert float(_expected_count(chances, 1)) == pytest.approx(1 - np.prod(1 - chances))
    assert float(_expected_count(chances, None)) == pytest.approx(chances.sum())


@pytest.mark.parametrize("length", LENGTHS)
def test_products_of_random_streams_err_as_the_binomial_says(length: int) -> None:
    """Independent bits: variance p (1 - p) / L, its mean over uniform levels 5 / 36 / L for many levels."""
    levels = np.arange(length) / length
    p = np.multiply.outer(levels, levels)
    quality = stream_quality(Stochastic(length, generator="random"))
    assert quality.product_rms == pytest.approx(np.sqrt((p * (1 - p)).mean() / length), rel=0.06)
    assert abs(quality.product_bias) < 4 * quality.product_rms / np.sqrt(4096) + 1e-9


def test_levels_of_shift_registers_are_biased_as_their_periods_say() -> None:
    """`xnor` carries v of L - 1 ones, read over L: above; `xor` v - 1: below; streams of exactly v ones: neither."""
    bias = {name: stream_quality(Stochastic(64, generator=name)).product_bias for name in GENERATORS}
    assert bias["xnor"] > 0.004
    assert bias["xor"] < -0.004
    assert max(abs(bias["accurate"]), abs(bias["sobol"])) < 0.002


def test_sobol_converges_faster_than_random_and_streams_of_exact_ones_lie_between() -> None:
    figures = {
        name: [stream_quality(Stochastic(length, generator=name)).product_rms for length in (32, 128)]
        for name in ("random", "accurate", "sobol")
    }
    assert 1.7 < figures["random"][0] / figures["random"][1] < 2.3  # 1 / sqrt(L)
    assert figures["sobol"][0] / figures["sobol"][1] > 3
    assert figures["sobol"][1] < figures["accurate"][1] < figures["random"][1]


@pytest.mark.parametrize("text", ["or", "or3", "binary", "mux"])
@pytest.mark.parametrize("seeds", ["shared", "separate"])
def test_sums_are_those_of_the_arithmetic(text: str, seeds: str) -> None:
    """The laboratory's counts are what the layer counts."""
    arithmetic = Stochastic(32, count=text, seeds=seeds)
    random = np.random.default_rng(1)
    x, w = random.integers(0, 128, (IMAGES, TAPS)), random.integers(0, 33, (FILTERS, TAPS))
    counts = arithmetic.sums(WholeNumbers(x, 128), WholeNumbers(w, 128)) / 128**2
    most = arithmetic.counted
    expected = _expected_count(x[:, None] * w / 128**2, most)
    np.testing.assert_allclose(_sum_errors(arithmetic), counts - expected, atol=1e-6)


def test_equal_seeds_of_one_register_are_one_sequence() -> None:
    diagonal = np.diag(seed_correlations(Stochastic(32)))
    assert (diagonal > 0.95).all()
    assert seed_correlations(Stochastic(256)).shape == (32, 32)


def test_filters_with_shared_seeds_err_alike() -> None:
    shared, separate = (stream_quality(Stochastic(32, seeds=seeds)).between for seeds in ("shared", "separate"))
    assert shared > 0.25 > abs(separate)


def test_show_has_every_generator_and_three_pictures_and_is_the_same_each_time() -> None:
    report = slipstick.show("stochastic:length=16,count=or2")
    rows = {row[0]: row[1] for row in report.breakdowns[report.title].rows}
    for generator in GENERATORS:
        own = replace(Stochastic(16, count="or2"), generator=generator)
        assert rows[f"correlation.{generator}"].startswith(f"{stream_quality(own).correlation:+.3f}")
        figures = dict(pair.split(": ") for pair in rows[f"sum.rms.{generator}"].split(", "))
        assert float(figures["16"]) == pytest.approx(stream_quality(own).sum_rms, abs=6e-5)
        assert list(figures) == list(map(str, LENGTHS))
    pictures = report.pictures()
    assert list(pictures) == ["Error of products", "Error of sums", "Correlation of seeds"]
    for name, svg in list(pictures.items())[:2]:
        assert svg.count("<polyline") == len(GENERATORS), name
        assert "nan" not in svg
    assert len(re.findall("seeds \\d+ and \\d+", pictures["Correlation of seeds"])) == 15 * 15
    assert slipstick.show("stochastic:length=16,count=or2") == report


def test_wrong_streams_are_one_error() -> None:
    with pytest.raises(SlipstickError, match="a power of two"):
        slipstick.show("stochastic:length=33")
    with pytest.raises(SlipstickError, match="no such choice"):
        slipstick.show("stochastic:generator=lfsr")
    assert slipstick.list("streams").breakdowns["streams"].rows[0][0] == "stochastic:length=32,generator=xnor"
