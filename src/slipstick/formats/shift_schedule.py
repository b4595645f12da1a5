"""Schedules of shifts per filter under a budget: more shifts where errors count most or shrink fastest.

Filters that share the columns of an array advance in lockstep and have the same number of shifts. Sources: the purpose
from Li et al., arXiv 2103.01308 (scheduling, as we recollect it); a Lagrangian over the lower convex hull of errors as
in Shoham and Gersho, IEEE TASSP 36(9), 1988; the dynamic program for one layer is our own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slipstick.core.arrays import FloatArray, IntArray
from slipstick.core.errors import SlipstickError

_BISECTIONS = 100  # of the price of a shift, over all magnitudes of float64


def errors_by_shifts(
    recode: Callable[[int], NDArray[Any]], error: Callable[[Any], FloatArray], most: int
) -> FloatArray:
    """Return the error of every filter with 1 to `most` shifts, [filters, most].

    Parameters
    ----------
    recode : gives a layer's codes (or weights) with so many shifts, [filters, ...].
    error : weighs codes against the layer's own, a value for each filter: squared differences, or what they make
        of the layer's output.
    """
    return np.stack([error(recode(shifts)) for shifts in range(1, most + 1)], axis=1)


def schedule(
    errors: Sequence[FloatArray], costs: Sequence[ArrayLike], budget: float, *, columns: int = 1, step: int = 1
) -> list[IntArray]:
    """Return the shifts per filter of all layers: least total error with at most `budget` shifts on average.

    A shift has one price for the whole network; each batch of filters takes the shifts that are cheapest at it, errors
    and price together, which are on the lower convex hull of its errors. What the budget leaves then goes to the
    batches that gain most by it.

    Parameters
    ----------
    errors : of each layer [filters, B] with 1 to B shifts, in one unit for all layers.
    costs : of each layer [filters]: what one shift of a filter costs, and weighs in the average: its groups (bytes),
        or groups times positions (cycles).
    columns : filters in lockstep: those of a layer are sorted by what they want and cut into batches of so many.
    step : 2 for elements that take two shifts a cycle: numbers of shifts are even then, or B.

    Errors
    ------
    SlipstickError for a budget that no schedule keeps.

    Examples
    --------
    >>> errors = np.array([[9.0, 1.0, 0.0], [4.0, 3.9, 3.8]])
    >>> schedule([errors], [np.ones(2)], 1.5)[0].tolist()
    [2, 1]
    """
    rows = [np.asarray(np.broadcast_to(cost, len(e)), np.float64) for e, cost in zip(errors, costs, strict=True)]
    allowed = _allowed(errors[0].shape[1], step)
    if not allowed[0] <= budget:
        raise SlipstickError("too few shifts", path="schedule.budget", value=budget, allowed=f"from {allowed[0]}")
    batches = [_batches(e, c, columns, allowed) for e, c in zip(errors, rows, strict=True)]
    table = np.concatenate([_sums(e, batch) for e, batch in zip(errors, batches, strict=True)])
    cost = np.concatenate([_sums(c[:, None], batch)[:, 0] for c, batch in zip(rows, batches, strict=True)])
    batch_shifts = _within(table, cost, budget * cost.sum(), allowed)
    shifts, at = [], 0
    for batch in batches:
        count = int(batch.max(initial=-1)) + 1
        shifts.append(batch_shifts[at : at + count][batch])
        at += count
    return shifts


def schedule_layer(errors: FloatArray, budget: float, *, columns: int = 1, step: int = 1) -> IntArray:
    """Return the best schedule of one layer whose filters cost the same, with batches as `schedule` cuts them.

    Exact for these batches, by dynamic programming over them and the shifts spent. [filters]

    Examples
    --------
    >>> schedule_layer(np.array([[9.0, 1.0, 0.0], [4.0, 3.9, 3.8]]), 2.0).tolist()
    [3, 1]
    """
    allowed = _allowed(errors.shape[1], step)
    batch = _batches(errors, np.ones(len(errors)), columns, allowed)
    table, size = _sums(errors, batch), np.bincount(batch)
    room = int(np.floor(budget * len(errors) + 1e-9))
    if room < allowed[0] * len(errors):
        raise SlipstickError("too few shifts", path="schedule.budget", value=budget, allowed=f"from {allowed[0]}")
    best, back = np.zeros(room + 1), []
    for row, count in zip(table, size, strict=True):
        tried = np.full((len(allowed), room + 1), np.inf)
        for place, shifts in enumerate(allowed):
            spent = shifts * count
            tried[place, spent:] = best[: room + 1 - spent] + row[shifts - 1]
        back.append(tried.argmin(axis=0))
        best = tried.min(axis=0)
    left, batch_shifts = room, np.zeros(len(table), np.int64)
    for place in range(len(table) - 1, -1, -1):
        batch_shifts[place] = allowed[int(back[place][left])]
        left -= int(batch_shifts[place]) * int(size[place])
    return batch_shifts[batch]


def average(shifts: Sequence[IntArray], costs: Sequence[ArrayLike]) -> float:
    """Return the effective shifts: the mean over filters, weighted by the cost of a shift in each filter."""
    rows = [np.broadcast_to(np.asarray(cost, np.float64), len(n)) for n, cost in zip(shifts, costs, strict=True)]
    spent = sum(float((n * cost).sum()) for n, cost in zip(shifts, rows, strict=True))
    return spent / sum(float(cost.sum()) for cost in rows)


def lockstep_order(shifts: IntArray) -> IntArray:
    """Return an order of filters in which filters of equal shifts (of one batch) are neighbours.

    Permute a layer's filters (weights, scales, bias) by it, and the next layer's input channels too: the network
    computes the same.

    Examples
    --------
    >>> lockstep_order(np.array([3, 2, 3, 2])).tolist()
    [1, 3, 0, 2]
    """
    return np.argsort(shifts, kind="stable").astype(np.int64)


def _allowed(most: int, step: int) -> list[int]:
    return sorted({min(shifts, most) for shifts in range(step, most + step, step)})


def _batches(errors: FloatArray, costs: FloatArray, columns: int, allowed: list[int]) -> IntArray:
    """Return the batch of each filter: filters sorted by their optimal shifts at one price per shift."""
    if columns == 1:
        return np.arange(len(errors))
    price = _middle_price(errors, costs, allowed)
    cheapest_shifts = _cheapest(errors, costs, price, allowed)
    gain = errors[:, 0] - errors[:, -1]  # among equals, those that lose more by few shifts later
    batch = np.empty(len(errors), np.int64)
    batch[np.lexsort((gain, cheapest_shifts))] = np.arange(len(errors)) // columns
    return batch


def _middle_price(errors: FloatArray, costs: FloatArray, allowed: list[int]) -> float:
    """Return the price per shift at which half of all shifts are bought."""
    half = (allowed[0] + allowed[-1]) / 2 * costs.sum()
    low, high = 1e-300, 1e300
    for _ in range(_BISECTIONS):
        price = float(np.sqrt(low) * np.sqrt(high))
        spent = (_cheapest(errors, costs, price, allowed) * costs).sum()
        low, high = (price, high) if spent > half else (low, price)
    return high


def _sums(values: FloatArray, batch: IntArray) -> FloatArray:
    """Return the sums of values [filters, n] over the filters of each batch, [batches, n]."""
    sums = np.zeros((int(batch.max(initial=-1)) + 1, values.shape[1]))
    np.add.at(sums, batch, values)
    return sums


def _cheapest(errors: FloatArray, costs: FloatArray, price: float, allowed: list[int]) -> IntArray:
    """Return the shifts of least error plus price; of equal ones the fewest shifts."""
    shifts = np.array(allowed)
    return np.asarray(shifts[(errors[:, shifts - 1] + price * costs[:, None] * shifts).argmin(axis=1)])


def _within(errors: FloatArray, costs: FloatArray, room: float, allowed: list[int]) -> IntArray:
    """Return shifts whose total cost is at most `room`: by one price, then the best use of the rest."""
    low, high = 1e-300, 1e300
    affordable = np.full(len(errors), allowed[0])
    for _ in range(_BISECTIONS * 2):
        price = float(np.sqrt(low) * np.sqrt(high))
        tried = _cheapest(errors, costs, price, allowed)
        if (tried * costs).sum() <= room * (1 + 1e-12):
            affordable, high = tried, price
        else:
            low = price
    return _filled(errors, costs, affordable, room - float((affordable * costs).sum()), allowed)


def _filled(errors: FloatArray, costs: FloatArray, start_shifts: IntArray, left: float, allowed: list[int]) -> IntArray:
    """Spend the rest of a budget on single steps, the largest gain for its cost first, one for each batch."""
    place = np.searchsorted(allowed, start_shifts)
    able = np.flatnonzero(place + 1 < len(allowed))
    following = np.array(allowed)[place[able] + 1]
    rows = np.arange(len(errors))[able]
    gain = errors[rows, start_shifts[able] - 1] - errors[rows, following - 1]
    price = (following - start_shifts[able]) * costs[able]
    shifts = start_shifts.copy()
    for n in np.argsort(-gain / price, kind="stable"):
        if gain[n] > 0 and price[n] <= left:
            shifts[able[n]] = following[n]
            left -= float(price[n])
    return shifts
