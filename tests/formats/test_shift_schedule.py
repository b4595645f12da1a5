"""Schedules of shifts: against every schedule there is, monotone in the budget, lossless where nothing is saved."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipstick.core.errors import SlipstickError
from slipstick.formats.shift_schedule import (
    average,
    errors_by_shifts,
    lockstep_order,
    schedule,
    schedule_layer,
)

B = 4


def table(rng: np.random.Generator, filters: int) -> np.ndarray:
    """Errors that fall with every shift, not always by less and less; none with all of them."""
    falls = rng.exponential(1.0, (filters, B - 1))
    return np.concatenate([np.cumsum(falls[:, ::-1], axis=1)[:, ::-1], np.zeros((filters, 1))], axis=1)


def total(errors: np.ndarray, shifts: np.ndarray) -> float:
    return float(errors[np.arange(len(errors)), shifts - 1].sum())


def best_of_all(errors: np.ndarray, room: float, costs: np.ndarray | float = 1.0) -> float:
    every = (np.array(s) for s in itertools.product(range(1, B + 1), repeat=len(errors)))
    return min(total(errors, s) for s in every if (s * costs).sum() <= room)


@pytest.mark.parametrize("seed", range(8))
def test_one_layer_is_as_good_as_the_best_of_all_schedules(seed: int) -> None:
    rng = np.random.default_rng(seed)
    errors = table(rng, 5)
    for budget in (1.0, 1.6, 2.4, 3.0, 4.0):
        found = schedule_layer(errors, budget)
        assert found.sum() <= 5 * budget
        assert total(errors, found) == pytest.approx(best_of_all(errors, 5 * budget))


@pytest.mark.parametrize("seed", range(8))
def test_one_price_for_all_layers_is_on_the_hull_of_all_schedules(seed: int) -> None:
    """A Lagrangian's schedule, before what is left is spent, has the least error of all that cost as much."""
    rng = np.random.default_rng(seed)
    errors = [table(rng, 3), table(rng, 2)]
    costs = [np.ones(3), np.array([1.0, 30.0])]  # one filter whose shifts are dear
    both, dear = np.concatenate(errors), np.concatenate(costs)
    for budget in (1.4, 2.3, 3.1):
        found = schedule(errors, costs, budget)
        spent = float((np.concatenate(found) * dear).sum())
        assert spent <= budget * dear.sum() * (1 + 1e-9)
        ours = sum(total(e, n) for e, n in zip(errors, found, strict=True))
        steepest = max((both[:, :-1] - both[:, 1:]).max(axis=1))
        assert best_of_all(both, spent, dear) <= ours + 1e-12
        assert ours <= best_of_all(both, budget * dear.sum(), dear) + steepest, "at most one step from the best"


def test_dear_shifts_go_where_they_gain_most_for_their_cost() -> None:
    """Two filters gain the same by a shift, and one pays ten times as much for it: the other gets it."""
    errors = np.array([[4.0, 1.0, 0.5, 0.0], [4.0, 1.0, 0.5, 0.0]])
    cheap, dear = schedule([errors], [np.array([1.0, 10.0])], 1.3)[0]
    assert (cheap, dear) == (4, 1)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.sampled_from([1, 2]))
def test_more_shifts_never_hurt_and_the_budget_holds(seed: int, columns: int, step: int) -> None:
    rng = np.random.default_rng(seed)
    errors = [table(rng, 7), table(rng, 4)]
    costs = [rng.uniform(0.5, 5.0, 7), rng.uniform(0.5, 5.0, 4)]
    before = np.inf
    for budget in np.linspace(2.0, B, 6):
        found = schedule(errors, costs, float(budget), columns=columns, step=step)
        assert average(found, costs) <= budget * (1 + 1e-9)
        now = sum(total(e, n) for e, n in zip(errors, found, strict=True))
        steps = max(float((e[:, 0]).max()) for e in errors)
        assert now <= before + columns * steps, "but for what one batch cannot split"
        before = min(before, now)
        if step == 2:
            assert all(set(n.tolist()) <= {2, 4} for n in found)
    assert now == 0, "with all shifts nothing is lost"


def test_filters_in_lockstep_have_the_same_shifts() -> None:
    rng = np.random.default_rng(0)
    errors = table(rng, 8) * rng.exponential(1.0, (8, 1))
    for found in (schedule([errors], [np.ones(8)], 2.5, columns=4)[0], schedule_layer(errors, 2.5, columns=4)):
        order = lockstep_order(found)
        assert len(set(found[order][:4].tolist())) == len(set(found[order][4:].tolist())) == 1
        assert found.mean() <= 2.5
    free = total(errors, schedule_layer(errors, 2.5))
    assert free <= total(errors, schedule_layer(errors, 2.5, columns=4)), "lockstep is a limit"


def test_permuted_filters_compute_the_same() -> None:
    rng = np.random.default_rng(1)
    first, second, x = rng.normal(size=(6, 5)), rng.normal(size=(3, 6)), rng.normal(size=5)
    order = lockstep_order(rng.integers(1, 4, 6))
    plain = second @ np.maximum(first @ x, 0)
    np.testing.assert_allclose(second[:, order] @ np.maximum(first[order] @ x, 0), plain, rtol=1e-12)


def test_errors_by_shifts_asks_for_each_number() -> None:
    found = errors_by_shifts(lambda n: np.full((2, 3), n), lambda codes: (8.0 - codes).sum(axis=1), 3)
    assert found.tolist() == [[21.0, 18.0, 15.0]] * 2


def test_a_budget_below_one_shift_is_refused() -> None:
    with pytest.raises(SlipstickError, match="too few shifts"):
        schedule([np.ones((2, 3))], [np.ones(2)], 0.5)
    with pytest.raises(SlipstickError, match="too few shifts"):
        schedule_layer(np.ones((2, 4)), 1.0, step=2)
