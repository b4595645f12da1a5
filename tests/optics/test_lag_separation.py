"""Separation of lobes: equal to supports counted out sample by sample, smallest fields by exhaustive search."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError
from slipstick.optics.lag_separation import (
    JointPlane,
    Lags,
    clean_offsets,
    lag_flags,
    largest_signal,
    packed_pieces,
    smallest_field,
)


def supports(plane: JointPlane) -> dict[str, set[int]]:
    """Return the lags of every lobe, pair by pair of samples that the square law multiplies."""
    signal = range(plane.offset, plane.offset + plane.signal)
    lobes: dict[str, set[int]] = {"autocorrelation": set(), "correlation": set(), "mirror": set()}
    for lobe, first, second in (
        ("autocorrelation", signal, signal),
        ("autocorrelation", range(plane.kernel), range(plane.kernel)),
        ("correlation", signal, range(plane.kernel)),
        ("mirror", range(plane.kernel), signal),
    ):
        lobes[lobe] |= {(a - b) % plane.field for a in (first[0], first[-1]) for b in second}
        lobes[lobe] |= {(a - b) % plane.field for a in first for b in (second[0], second[-1])}
    return lobes


def random_plane(random: np.random.Generator) -> JointPlane:
    signal = int(random.integers(1, 40))
    kernel = int(random.integers(1, signal + 1))
    field = int(random.integers(signal + kernel, 5 * signal + 3 * kernel + 1))
    return JointPlane(signal, kernel, field, int(random.integers(kernel, field - signal + 1)))


def test_ten_thousand_geometries_equal_supports_counted_out() -> None:
    random = np.random.default_rng(0)
    for _ in range(10_000):
        plane = random_plane(random)
        flags, lobes = lag_flags(plane), supports(plane)
        for lobe, lags in lobes.items():
            assert set(np.flatnonzero(getattr(flags, lobe)).tolist()) == lags, (plane, lobe)
        contaminated = lobes["autocorrelation"] | lobes["mirror"]
        assert set(np.flatnonzero(flags.valid).tolist()) == set(plane.valid) <= lobes["correlation"]
        assert set(np.flatnonzero(flags.clean).tolist()) == lobes["correlation"] - contaminated
        assert plane.clean == (not contaminated & set(plane.valid))


@pytest.mark.parametrize("lags", ["valid", "all"])
def test_offsets_and_smallest_fields_equal_exhaustive_search(lags: Lags) -> None:
    for signal, kernel in itertools.combinations_with_replacement(range(1, 8), 2):
        signal, kernel = max(signal, kernel), min(signal, kernel)
        least = smallest_field(signal, kernel, lags)
        for field in range(signal + kernel, 5 * signal + 3 * kernel):
            clean = set()
            for offset in range(kernel, field - signal + 1):
                lobes = supports(plane := JointPlane(signal, kernel, field, offset))
                asked = set(plane.valid) if lags == "valid" else lobes["correlation"]
                if not asked & (lobes["autocorrelation"] | lobes["mirror"]):
                    clean.add(offset)
            below, above = clean_offsets(signal, kernel, field, lags)
            assert set(below) | set(above) == clean
            assert bool(clean) == (field >= least.field)
            assert field != least.field or least.offset in clean
            if clean:
                assert largest_signal(field, kernel, lags).signal >= signal


def test_fields_of_the_theory() -> None:
    """Theory, section 1, item 6; a field of 1024 serves 256 inputs with 1 to 25 contiguous taps, valid lags alone."""
    assert [smallest_field(256, taps).field for taps in (9, 25, 256)] == [1015, 999, 768]
    assert [smallest_field(256, taps, "all").field for taps in (9, 25, 256)] == [1039, 1071, 1533]
    assert all(largest_signal(1024, taps).signal >= 256 for taps in range(1, 26))
    assert all(largest_signal(1024, taps, "all").signal < 256 for taps in range(2, 26))
    assert [largest_signal(256, taps).signal for taps in (3, 5, 7, 9)] == [64, 65, 65, 66]


def test_pieces_do_not_mix() -> None:
    random = np.random.default_rng(1)
    for _ in range(200):
        kernel, piece = int(random.integers(1, 6)), int(random.integers(6, 12))
        signal = int(random.integers(piece, 80))
        many = packed_pieces(signal, piece, kernel)
        assert many * piece + (many - 1) * (kernel - 1) <= signal < (many + 1) * piece + many * (kernel - 1)


def test_an_answer_takes_less_than_a_millisecond() -> None:
    started = time.thread_time()
    for offset in range(256, 356):
        lag_flags(JointPlane(256, 25, 1024, offset))
        smallest_field(256, 25)
    assert time.thread_time() - started < 0.1  # 100 answers


@pytest.mark.parametrize(
    ("sizes", "field"),
    [
        ((8, 9, 64, 9), "kernel"),
        ((8, 0, 64, 9), "kernel"),
        ((8, 3, 10, 8), "field"),
        ((8, 3, 2**25, 8), "field"),
        ((8, 3, 64, 2), "offset"),
        ((8, 3, 64, 57), "offset"),
    ],
)
def test_impossible_planes_are_refused(sizes: tuple[int, int, int, int], field: str) -> None:
    with pytest.raises(SlipstickError, match=rf"correlator\.{field}: out of range.*allowed"):
        JointPlane(*sizes)


def test_a_field_without_a_clean_lag_is_refused() -> None:
    with pytest.raises(SlipstickError, match=r"too small for a clean lag.*from 15"):
        largest_signal(10, 5)
