"""Waiting of requests for a free server: Poisson arrivals in closed form, and any arrivals by simulation.

Requests are served in the order of their arrival by the first of several equal servers that is free. Where requests
arrive at random (a Poisson process), waiting follows from Erlang's C formula for exponentially distributed times of
service (M/M/c), and from Spitzer's identity for equal ones (M/D/c). Times are in the unit of the time of service.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from slipstick.core.arrays import FloatArray
from slipstick.core.extras import require

_RARE = 0.01  # share of the requests that wait longer than the 99th percentile
_EXACT = 24  # terms of Spitzer's sums that are added one by one; the smooth rest is integrated
_NODES = 24  # of that integral
_LAST = 45.0  # exponent below which terms no longer matter: e^-45


@dataclass(frozen=True)
class _Waiting:
    """Waiting of requests: chance of waiting at all, mean and 99th percentile over all requests, arrays."""

    chance: FloatArray
    mean: FloatArray
    p99: FloatArray


def _erlang_c(servers: ArrayLike, load: ArrayLike) -> FloatArray:
    """Return the chance that a request waits in M/M/c: Erlang's C formula.

    Parameters
    ----------
    servers : number c, at least 1.
    load : requests in service on average, rate * time of service [erlang]; below `servers`.

    Examples
    --------
    >>> round(float(_erlang_c(1, 0.5)), 6), round(float(_erlang_c(2, 1.0)), 6)
    (0.5, 0.333333)
    """
    special = _special()
    count, offered = np.asarray(servers, np.float64), np.asarray(load, np.float64)
    log_chance = count * np.log(offered) - offered - special.gammaln(count + 1)  # that exactly c are there
    blocked = np.exp(log_chance) / special.gammaincc(count + 1, offered)  # Erlang's B formula
    return np.asarray(blocked / (1 - offered / count * (1 - blocked)))


def _waiting(servers: ArrayLike, load: ArrayLike, variation: float = 0.0) -> _Waiting:
    """Return the waiting under Poisson arrivals, in times of service; infinite where the load is not below the servers.

    Exact in mean for equal and for exponentially distributed times of service; in between, and beyond, the line through
    both in the squared variation, which is exact for one server (Pollaczek-Khinchine).

    Parameters
    ----------
    servers, load : as of `_erlang_c`.
    variation : coefficient of variation of the time of service; 0: equal times, 1: exponentially distributed ones.

    Examples
    --------
    >>> round(float(_waiting(1, 0.5, 1.0).mean), 4), round(float(_waiting(1, 0.5).mean), 4)
    (1.0, 0.5)
    """
    count, offered = np.broadcast_arrays(np.asarray(servers, np.float64), np.asarray(load, np.float64))
    shape = count.shape
    count, offered = count.ravel(), offered.ravel()
    columns = np.full((3, len(count)), np.inf)
    columns[0] = 1.0
    stable = np.flatnonzero(offered < count)
    if len(stable):
        equal = _equal_times(count[stable], offered[stable])
        random = _random_times(count[stable], offered[stable])
        share = variation**2
        columns[:, stable] = np.maximum(0.0, (1 - share) * equal + share * random)
        columns[0, stable] = random[0] if share else equal[0]
    return _Waiting(*(column.reshape(shape) for column in columns))


def _random_times(servers: FloatArray, load: FloatArray) -> FloatArray:
    """Return chance, mean and 99th percentile of waiting in M/M/c: those who wait do so exponentially distributed."""
    chance = _erlang_c(servers, load)
    scale = 1 / (servers - load)
    return np.stack([chance, chance * scale, scale * np.log(np.maximum(1.0, chance / _RARE))])


def _equal_times(servers: FloatArray, load: FloatArray) -> FloatArray:
    """Return chance, mean and 99th percentile of waiting in M/D/c.

    Every c-th request meets the same server, so the waiting time is the largest excess of k times of service over the
    time in which k c requests arrive. Spitzer's identity (Spitzer, Trans. AMS 82, 1956) gives the chance that it is
    zero, its mean and its variance as sums over k. The percentile is that of a gamma distribution of those who wait,
    with their mean and variance.
    """
    special = _special()
    decay = load - servers + servers * np.log(servers / load)  # Chernoff's bound: a term is below e^(-k decay)
    steps, weights = _terms(_LAST / np.maximum(decay, 1e-300))
    arrived, span = steps * servers, steps * load
    at_least = [special.gammainc(arrived + more, span) for more in range(3)]  # chance of k c (+1, +2) arrivals
    period = servers / load  # in which c requests arrive
    sizes = (
        at_least[0] / steps,
        at_least[0] - period * at_least[1],
        steps * at_least[0] - 2 * steps * period * at_least[1] + period * (steps * period + 1 / load) * at_least[2],
    )
    log_none, mean, variance = ((weights * np.maximum(size, 0.0)).sum(axis=0) for size in sizes)
    chance = -np.expm1(-log_none)
    waits = np.maximum(chance, 1e-300)
    own_mean = mean / waits
    own_variance = np.maximum((variance + mean**2) / waits - own_mean**2, 1e-300)
    shape = np.maximum(own_mean**2 / own_variance, 1e-6)
    rare = np.minimum(1.0, _RARE / waits)
    tail = special.gammainccinv(shape, rare) * own_mean / shape
    return np.stack([chance, mean, np.where(chance > _RARE, tail, 0.0)])


def _terms(last: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return indices k and weights by which a sum over k = 1, 2, ... to `last` is that of some of its terms.

    The first are added one by one; the rest, smooth in k, is an integral over log k by Gauss and Legendre.
    """
    first = np.repeat(np.arange(1.0, _EXACT + 1)[:, None], len(last), axis=1)
    nodes, shares = np.polynomial.legendre.leggauss(_NODES)
    low = np.log(_EXACT + 0.5)
    width = np.maximum(np.log(np.maximum(last, 1.0)) - low, 0.0)
    beyond = np.exp(low + (nodes[:, None] + 1) / 2 * width)
    weights = shares[:, None] / 2 * width * beyond
    return np.concatenate([first, beyond]), np.concatenate([np.ones_like(first), weights])


def _simulated_waits(arrivals: FloatArray, service: FloatArray, servers: int) -> FloatArray:
    """Return the waiting time of each request, in order of arrival, for the first of the servers that is free.

    Parameters
    ----------
    arrivals : sorted times [s].
    service : time of service of each request [s].

    Examples
    --------
    >>> _simulated_waits(np.array([0.0, 1.0, 2.0]), np.array([3.0, 3.0, 3.0]), 1).tolist()
    [0.0, 2.0, 4.0]
    """
    if np.ptp(service) == 0.0:
        return _equal_service(arrivals, float(service[0]), servers)
    free = [-np.inf] * min(servers, len(arrivals))
    waits = np.empty(len(arrivals))
    for place, (arrival, seconds) in enumerate(zip(arrivals.tolist(), service.tolist(), strict=True)):
        start = max(arrival, free[0])
        heapq.heapreplace(free, start + seconds)
        waits[place] = start - arrival
    return waits


def _equal_service(arrivals: FloatArray, seconds: float, servers: int) -> FloatArray:
    """Return the waits where all times of service are equal: every c-th request meets the same server."""
    count = len(arrivals)
    rows = -(-count // servers)
    padded = np.full(rows * servers, np.inf)
    padded[:count] = arrivals
    ahead = np.arange(rows)[:, None] * seconds
    starts = np.maximum.accumulate(padded.reshape(rows, servers) - ahead, axis=0) + ahead
    return np.asarray(np.maximum(starts.ravel()[:count] - arrivals, 0.0))


def _special() -> Any:
    return require("scipy.special", "search")
