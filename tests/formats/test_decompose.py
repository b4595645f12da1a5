"""The decomposition against an exhaustive search that only knows the definition."""

from __future__ import annotations

import itertools
from itertools import combinations, pairwise, product

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError
from slipstick.formats.decompose import _decompose, _position_sets

CASES = [
    (bits, shifts, members, consecutive, alpha)
    for bits in (7, 8)
    for shifts in (1, 2, 3, 4, 5)
    for members in (1, 2, 4, 8)
    for consecutive in (False, True)
    for alpha in (0.0, 0.25, 1.0, 4.0)
]
GROUPS = 320  # for each of the 320 cases: more than 10^5 in all


def oracle(codes: np.ndarray, bits: int, shifts: int, consecutive: bool, alpha: float) -> np.ndarray:
    """Return the least cost of each group over all sets and all choices of nearest and second nearest values."""
    windows = [tuple(range(low, low + shifts)) for low in range(bits - shifts + 1)]
    sets = windows if consecutive else list(combinations(range(bits), shifts))
    least = np.full(len(codes), np.inf)
    magnitudes, signs = np.abs(codes), np.where(codes < 0, -1, 1)
    for positions in sets:
        values = np.sort([sum(v) for v in product(*((0, 1 << p) for p in positions))])  # ties go downwards
        distance = np.abs(values[None, None, :] - magnitudes[..., None])
        two = values[np.argsort(distance, axis=-1, kind="stable")[..., :2]]  # [groups, M, 2]
        errors = (two - magnitudes[..., None]) * signs[..., None]
        for chosen in product((0, 1), repeat=codes.shape[1]) if alpha else [(0,) * codes.shape[1]]:
            e = errors[:, np.arange(codes.shape[1]), chosen]
            least = np.minimum(least, (e**2).sum(axis=1) + alpha * (e.sum(axis=1) ** 2))
    return least


def groups(bits: int, members: int, seed: int) -> np.ndarray:
    """Half of the groups are spread evenly, half like weights; zeros and the largest are among them."""
    rng = np.random.default_rng(seed)
    top = 2**bits - 1
    even = rng.integers(-top, top + 1, (GROUPS // 2, members))
    bell = np.clip(np.rint(rng.normal(0, top / 6, (GROUPS - GROUPS // 2, members))), -top, top).astype(int)
    bell[0], bell[1] = 0, top
    return np.concatenate([even, bell])


@pytest.mark.parametrize("members", [1, 2, 4, 8])
@pytest.mark.parametrize("bits", [7, 8])
def test_the_cost_is_the_exhaustive_minimum(bits: int, members: int) -> None:
    for seed, (_, shifts, _, consecutive, alpha) in enumerate(c for c in CASES if c[0] == bits and c[2] == members):
        few = groups(bits, members, seed)[:: 8 if members == 8 and alpha else 1]
        found = _decompose(few, bits=bits, shifts=shifts, consecutive=consecutive, alpha=alpha)
        np.testing.assert_array_equal(found.cost, oracle(few, bits, shifts, consecutive, alpha))


@pytest.mark.parametrize("members", [3, 5, 6, 7, 9, 16])
@pytest.mark.parametrize("consecutive", [False, True])
def test_groups_of_every_size_reach_the_minimum(members: int, consecutive: bool) -> None:
    few = groups(7, members, members)[::5]
    for shifts, alpha in itertools.product((1, 3, 6), (0.0, 0.5) if members <= 5 else (0.0,)):
        found = _decompose(few, bits=7, shifts=shifts, consecutive=consecutive, alpha=alpha)
        np.testing.assert_array_equal(found.cost, oracle(few, 7, shifts, consecutive, alpha))
        errors = (found.magnitudes - np.abs(few)) * np.where(few < 0, -1, 1)
        np.testing.assert_array_equal((errors**2).sum(axis=1) + alpha * errors.sum(axis=1) ** 2, found.cost)


@pytest.mark.parametrize(("bits", "shifts", "members", "consecutive", "alpha"), CASES[::7])
def test_what_is_returned_has_that_cost(bits: int, shifts: int, members: int, consecutive: bool, alpha: float) -> None:
    codes = groups(bits, members, 5)
    found = _decompose(codes, bits=bits, shifts=shifts, consecutive=consecutive, alpha=alpha)
    sets = np.array(_position_sets(bits, shifts, consecutive=consecutive))
    used = (found.masks[..., None] >> np.arange(shifts)) & 1
    np.testing.assert_array_equal((used << sets[found.sets][:, None, :]).sum(axis=-1), found.magnitudes)
    errors = (found.magnitudes - np.abs(codes)) * np.where(codes < 0, -1, 1)
    np.testing.assert_array_equal((errors**2).sum(axis=1) + alpha * errors.sum(axis=1) ** 2, found.cost)


def test_all_positions_lose_nothing() -> None:
    codes = groups(8, 4, 1)
    np.testing.assert_array_equal(_decompose(codes, shifts=8).magnitudes, np.abs(codes))


def test_more_shifts_are_never_worse_and_sets_beat_windows() -> None:
    codes = groups(8, 4, 2)
    costs = [_decompose(codes, shifts=n).cost for n in range(1, 9)]
    assert all((few >= more).all() for few, more in pairwise(costs))
    for shifts in (1, 2, 3, 4):
        assert (_decompose(codes, shifts=shifts).cost <= _decompose(codes, shifts=shifts, consecutive=True).cost).all()


def test_the_signed_term_cancels_errors() -> None:
    codes = groups(8, 4, 3)
    plain, signed = _decompose(codes, shifts=2), _decompose(codes, shifts=2, alpha=1.0)

    def drift(found: object) -> float:
        return float(np.abs(((found.magnitudes - np.abs(codes)) * np.sign(codes)).sum(axis=1)).mean())

    assert drift(signed) < 0.6 * drift(plain)


@pytest.mark.parametrize(
    ("codes", "arguments", "message"),
    [
        (np.array([[256, 0]]), {}, "does not fit"),
        (np.array([[0, -256]]), {}, "got 256; allowed: below 256"),
        (np.array([[-8, 7]]), {"bits": 3}, "got 8; allowed: below 8"),
        (np.zeros((2, 9), int), {"alpha": 1.0}, "too large"),
        (np.zeros((2, 0), int), {}, "not groups"),
        (np.zeros(4, int), {}, "not groups"),
        (np.zeros((2, 4), int), {"alpha": np.inf}, "out of range"),
        (np.zeros((2, 4), int), {"bits": 0}, "swis.bits"),
        (np.zeros((2, 4), int), {"shifts": 0}, "swis.shifts"),
        (np.zeros((2, 17), int), {}, "not groups"),
        (np.zeros((2, 16), int), {"alpha": 1.0}, "too large"),
        (np.zeros((2, 4), int), {"alpha": -1.0}, "out of range"),
        (np.zeros((2, 4), int), {"shifts": 9}, "swis.shifts"),
        (np.zeros((2, 4), int), {"bits": 9}, "swis.bits"),
    ],
)
def test_what_cannot_be_is_refused(codes: np.ndarray, arguments: dict[str, float], message: str) -> None:
    with pytest.raises(SlipstickError, match=message):
        _decompose(codes, **arguments)


def test_what_is_at_the_limits_is_taken() -> None:
    assert _decompose(np.array([[-255, 255]]), shifts=8).magnitudes.tolist() == [[255, 255]]
    assert _decompose(np.array([[-7, 7]]), bits=3, shifts=3).magnitudes.tolist() == [[7, 7]]
    assert _decompose(np.array([[1]]), bits=1, shifts=1, alpha=1.0).magnitudes.tolist() == [[1]]
    assert _decompose(np.ones((1, 8), int), shifts=1, alpha=1.0).cost.tolist() == [0.0]
    assert _decompose(np.ones((1, 16), int), shifts=1).cost.tolist() == [0.0]
    assert _decompose(np.zeros((0, 4), int)).magnitudes.shape == (0, 4)
