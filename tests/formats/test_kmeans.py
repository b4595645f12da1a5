"""k-means: the kernel against numpy, spherical k-means against its definition, what rounds must not make worse."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from slipstick.formats.kmeans import _assign, _fit


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("size", [1, 5, 64])
def test_the_kernel_finds_the_nearest(size: int, metric: str) -> None:
    rng = np.random.default_rng(size)
    x = rng.integers(-50, 51, (2000, 8)).astype(float)  # whole numbers: ties are ties, in any order of addition
    pool = rng.integers(-50, 51, (size, 8)).astype(float)
    if metric == "euclidean":
        wanted = (((x[:, None] - pool) ** 2).sum(-1)).argmin(axis=1)
        np.testing.assert_array_equal(_assign(x, pool), wanted)
        return
    angles = (x[:, None] * pool).sum(-1) / np.linalg.norm(pool, axis=1)
    found = _assign(x, pool, "cosine")
    np.testing.assert_allclose(angles[np.arange(len(x)), found], angles.max(axis=1), rtol=1e-5)


def test_clusters_are_found() -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(6, 8)) * 5
    x = centres[rng.integers(0, 6, 3000)] + rng.normal(size=(3000, 8)) * 0.01
    found = _fit(x, 6)
    assert np.abs(found[_assign(centres, found)] - centres).max() < 0.01
    assert sorted(_assign(centres, found)) == list(range(6))


def test_more_rounds_and_more_vectors_are_no_worse() -> None:
    x = np.random.default_rng(1).normal(size=(4000, 8))

    def left(size: int, rounds: int) -> float:
        centres = _fit(x, size, rounds=rounds)
        return float(((x - centres[_assign(x, centres)]) ** 2).sum())

    assert left(32, 20) < left(32, 4) < left(32, 1)
    assert left(128, 10) < left(32, 10) < left(8, 10)


def angles(x: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The angle between every vector and every centre, in radians [n, size]."""
    found = np.empty((len(x), len(centres)))
    for row, vector in enumerate(x):
        for place, centre in enumerate(centres):
            cosine = vector @ centre / np.sqrt(vector @ vector) / np.sqrt(centre @ centre)
            found[row, place] = np.arccos(np.clip(cosine, -1, 1))
    return found


def spherical(x: np.ndarray, centres: np.ndarray, rounds: int) -> np.ndarray:
    """Spherical k-means as it is defined, one vector after the other: the mean of those of least angle."""
    for _ in range(rounds):
        nearest = angles(x, centres).argmin(axis=1)
        centres = np.array([np.mean(x[nearest == place], axis=0) for place in range(len(centres))])
    return centres


def vectors(count: int, depth: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(count, depth)) * rng.uniform(0.1, 10, (count, 1))).astype(np.float32).astype(float)


@pytest.mark.parametrize(("count", "depth", "size", "rounds"), [(300, 3, 5, 1), (400, 8, 6, 4), (250, 9, 8, 10)])
def test_by_angle_it_is_spherical_k_means(count: int, depth: int, size: int, rounds: int) -> None:
    x = vectors(count, depth, seed=rounds)
    begun = _fit(x, size, metric="cosine", rounds=0)
    wanted = spherical(x, begun, rounds)
    np.testing.assert_allclose(_fit(x, size, metric="cosine", rounds=rounds), wanted, rtol=1e-5, atol=1e-6)


def test_of_vectors_of_length_one_it_is_the_textbooks() -> None:
    """There a centre is a direction: the sum of its vectors brought to length 1."""
    x = vectors(400, 5, seed=3)
    x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32).astype(float)
    concepts = _fit(x, 7, metric="cosine", rounds=0)
    for _ in range(6):
        nearest = (x @ concepts.T).argmax(axis=1)
        concepts = np.array([x[nearest == place].sum(axis=0) for place in range(7)])
        concepts /= np.linalg.norm(concepts, axis=1, keepdims=True)
    found = _fit(x, 7, metric="cosine", rounds=6)
    np.testing.assert_allclose(found / np.linalg.norm(found, axis=1, keepdims=True), concepts, atol=1e-5)


def test_lengths_do_not_change_what_is_nearest_by_angle() -> None:
    x, pool = vectors(500, 8, seed=4), vectors(20, 8, seed=5)
    longer = x * 2.0 ** np.random.default_rng(6).integers(-8, 9, (500, 1))
    wide = pool * 2.0 ** np.random.default_rng(7).integers(-3, 4, (20, 1))
    wanted = angles(x, pool).argmin(axis=1)
    for a, b in ((x, pool), (longer, pool), (x, wide)):
        np.testing.assert_array_equal(_assign(a, b, "cosine"), wanted)
    assert (_assign(x, wide) != wanted).any(), "distances do follow lengths"


def test_no_round_by_angle_is_worse() -> None:
    x = vectors(3000, 8, seed=8)

    def kept(rounds: int) -> float:
        centres = _fit(x, 24, metric="cosine", rounds=rounds)
        directions = centres / np.linalg.norm(centres, axis=1, keepdims=True)
        return float((x @ directions.T).max(axis=1).sum())  # the sum of |x| cos

    sums = [kept(rounds) for rounds in range(12)]
    assert all(after >= before * (1 - 1e-6) for before, after in pairwise(sums))
    assert sums[-1] > sums[0]


def test_a_centre_without_vectors_goes_to_what_loses_most_by_angle() -> None:
    """Long vectors of one direction are drawn twice, as they lie far apart; one of the two then has no vectors."""
    rng = np.random.default_rng(9)
    which = rng.integers(0, 3, 600)
    x = np.eye(3)[which] * np.where(which == 0, rng.choice([1.0, 100.0], 600), 1.0)[:, None]
    drawn_twice = 0
    for seed in range(10):
        begun = _fit(x, 3, seed=seed, metric="cosine", rounds=0)
        drawn_twice += len(np.unique(begun.argmax(axis=1))) < 3
        found = _fit(x, 3, seed=seed, metric="cosine")
        assert sorted(found.argmax(axis=1)) == [0, 1, 2], seed
    assert drawn_twice
