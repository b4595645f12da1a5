"""Schedules against another way to their definition: every price at which a batch changes its mind, one by one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError
from slipstick.formats.shift_schedule import average, lockstep_order, schedule, schedule_layer


def cheapest(errors: list[float], cost: float, price: float, allowed: list[int]) -> int:
    """Return the shifts of least error and price together; of equals the fewest."""
    return min(allowed, key=lambda n: (errors[n - 1] + price * cost * n, n))


def prices(errors: np.ndarray, costs: np.ndarray, allowed: list[int]) -> list[float]:
    """Return a price between every two at which a row changes from one number of shifts to another, dearest first."""
    edges = {
        (row[few - 1] - row[many - 1]) / (cost * (many - few))
        for row, cost in zip(errors, costs, strict=True)
        for few, many in itertools.combinations(allowed, 2)
    }
    ordered = sorted(edge for edge in edges if edge > 0)
    middles = [(low + high) / 2 for low, high in itertools.pairwise(ordered)]
    return [*([2 * ordered[-1]] if ordered else []), *reversed(middles), *([ordered[0] / 2] if ordered else [1.0])]


def batches_by_definition(errors: np.ndarray, costs: np.ndarray, columns: int, allowed: list[int]) -> list[list[int]]:
    """Return filters in batches: in the order of what they want at the price that buys half of all shifts."""
    if columns == 1:
        return [[place] for place in range(len(errors))]
    half = (allowed[0] + allowed[-1]) / 2 * sum(costs)

    def wanted(price: float) -> list[int]:
        return [cheapest(list(row), cost, price, allowed) for row, cost in zip(errors, costs, strict=True)]

    price = next(p for p in reversed(prices(errors, costs, allowed)) if np.dot(wanted(p), costs) <= half)
    wants, gains = wanted(price), errors[:, 0] - errors[:, -1]
    order = sorted(range(len(errors)), key=lambda place: (wants[place], gains[place]))
    return [order[left : left + columns] for left in range(0, len(order), columns)]


def schedule_by_definition(
    errors: list[np.ndarray], costs: list[np.ndarray], budget: float, columns: int, step: int
) -> list[list[int]]:
    most = errors[0].shape[1]
    allowed = sorted({min(n, most) for n in range(step, most + step, step)})
    batches = [
        (layer, batch)
        for layer, (e, c) in enumerate(zip(errors, costs, strict=True))
        for batch in batches_by_definition(e, c, columns, allowed)
    ]
    table = np.array([errors[layer][batch].sum(axis=0) for layer, batch in batches])
    cost = np.array([costs[layer][batch].sum() for layer, batch in batches])
    room, chosen = budget * cost.sum(), [allowed[0]] * len(batches)
    for price in prices(table, cost, allowed):  # ever cheaper, until it is too much
        tried = [cheapest(list(row), each, price, allowed) for row, each in zip(table, cost, strict=True)]
        if np.dot(tried, cost) > room * (1 + 1e-12):
            break
        chosen = tried
    left = room - np.dot(chosen, cost)
    steps = []
    for place, shifts in enumerate(chosen):
        if shifts != allowed[-1]:
            following = allowed[allowed.index(shifts) + 1]
            gain, price = table[place, shifts - 1] - table[place, following - 1], (following - shifts) * cost[place]
            steps.append((-gain / price, place, following, gain, price))
    for _, place, following, gain, price in sorted(steps):
        if gain > 0 and price <= left:
            chosen[place], left = following, left - price
    found = [[0] * len(e) for e in errors]
    for (layer, batch), shifts in zip(batches, chosen, strict=True):
        for place in batch:
            found[layer][place] = shifts
    return found


@pytest.mark.parametrize("seed", range(40))
def test_schedules_are_those_of_the_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    most, columns, step = int(rng.integers(3, 8)), int(rng.choice([1, 1, 2, 3])), int(rng.choice([1, 1, 2]))
    errors, costs = [], []
    for _ in range(int(rng.integers(1, 4))):
        filters = int(rng.integers(1, 9))
        falls = rng.exponential(1.0, (filters, most)) * rng.exponential(1.0, (filters, 1))
        errors.append(np.cumsum(falls[:, ::-1], axis=1)[:, ::-1])
        costs.append(rng.uniform(0.5, 4.0, filters))
    for budget in (2.0, 2.3, 2.71, most - 0.4, float(most)):
        found = schedule(errors, costs, budget, columns=columns, step=step)
        wanted = schedule_by_definition(errors, costs, budget, columns, step)
        assert [layer.tolist() for layer in found] == wanted, budget


@pytest.mark.parametrize("seed", range(20))
def test_one_layers_schedule_is_the_best_of_all_of_its_batches(seed: int) -> None:
    rng = np.random.default_rng(seed)
    most, columns, step = 4, int(rng.integers(1, 4)), int(rng.integers(1, 3))
    falls = rng.exponential(1.0, (7, most)) * rng.exponential(1.0, (7, 1))
    errors = np.cumsum(falls[:, ::-1], axis=1)[:, ::-1]
    allowed = [1, 2, 3, 4] if step == 1 else [2, 4]
    batches = batches_by_definition(errors, np.ones(7), columns, allowed)
    for budget in (2.0, 2.5, 3.1, 4.0):
        totals = []
        for tried in itertools.product(allowed, repeat=len(batches)):
            if sum(n * len(batch) for n, batch in zip(tried, batches, strict=True)) <= 7 * budget + 1e-9:
                totals.append(sum(errors[batch, n - 1].sum() for n, batch in zip(tried, batches, strict=True)))
        found = schedule_layer(errors, budget, columns=columns, step=step)
        for batch in batches:
            assert len(set(found[batch].tolist())) == 1
        assert found.sum() <= 7 * budget + 1e-9
        assert errors[np.arange(7), found - 1].sum() == pytest.approx(min(totals))


def test_budgets_at_the_edge() -> None:
    errors = np.array([[4.0, 1.0, 0.0], [3.0, 2.0, 0.0]])
    assert schedule([errors], [np.ones(2)], 1.0)[0].tolist() == [1, 1]
    assert schedule_layer(errors, 1.0).tolist() == [1, 1]
    assert schedule_layer(errors, 1.5).tolist() == [2, 1]
    assert schedule([errors], [np.ones(2)], 9.0)[0].tolist() == [3, 3], "all there are, however much there is room"
    assert schedule_layer(errors, 9.0).tolist() == [3, 3]
    assert schedule_layer(errors, 2.0, step=2).tolist() == [2, 2], "even ones, or all"
    assert schedule_layer(errors, 2.5, step=2).tolist() == [2, 3]
    for call in (lambda: schedule([errors], [np.ones(2)], 0.99), lambda: schedule_layer(errors, 0.99)):
        with pytest.raises(SlipstickError, match=r"schedule.budget: too few shifts; got 0.99; allowed: from 1"):
            call()
    for call in (
        lambda: schedule([errors], [np.ones(2)], 1.9, step=2),
        lambda: schedule_layer(errors, 1.9, step=2),
    ):
        with pytest.raises(SlipstickError, match="from 2"):
            call()
    assert schedule([errors, np.zeros((0, 3))], [np.ones(2), np.ones(0)], 2.0)[1].tolist() == []


def test_what_gains_nothing_is_not_bought() -> None:
    flat = np.array([[1.0, 1.0, 1.0], [5.0, 1.0, 1.0]])
    assert schedule([flat], [np.ones(2)], 3.0)[0].tolist() == [1, 2]


def test_averages_weigh_by_costs() -> None:
    shifts = [np.array([1, 3]), np.array([2])]
    assert average(shifts, [np.array([1.0, 3.0]), 4.0]) == pytest.approx((1 + 9 + 8) / 8)
    assert average(shifts, [1.0, 1.0]) == 2.0
    assert lockstep_order(np.array([2, 1, 2, 1, 3])).tolist() == [1, 3, 0, 2, 4]
