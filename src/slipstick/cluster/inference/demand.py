"""Demand: requests that arrive at a rate or given times, and the copies of a system that keep their waiting short."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slipstick.cluster.inference.arrival_trace import _read_trace, _Trace
from slipstick.cluster.inference.queueing import _simulated_waits, _waiting
from slipstick.cluster.inference.serving import _Load
from slipstick.cluster.sweep.distinct import _distinct
from slipstick.cluster.sweep.rows import _Rows
from slipstick.core import units
from slipstick.core.arrays import BoolArray, FloatArray, IntArray
from slipstick.core.errors import SlipstickError

_LIMITS = ("queue_mean", "queue_p99", "queue_first_token")  # options beside a rate or a trace
_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0, "day": 86_400.0}
_RATE = re.compile(r"\s*([\d.,]+(?:e\d+)?)\s*(?:/\s*(s|min|h|day))?\s*")
_MAX_COPIES = 10**7
_LATE = 99  # percentile of the waiting that limits and figures name


@dataclass(frozen=True)
class _Demand:
    """Demand on a service: mean rate [request/s], as a Poisson process or as a trace, and limits of the waiting [s].

    `variation` is the coefficient of variation of the time that a request takes, under Poisson arrivals; `first_token`
    is the limit from arrival to first token, for 99 of 100 requests.
    """

    rate: float
    trace: _Trace | None
    variation: float
    mean: float
    p99: float
    first_token: float

    @property
    def source(self) -> str:
        """Origin of the rate: the user's option, or their trace."""
        return "given" if self.trace is None else f"trace of {len(self.trace.times):,} arrivals"

    @property
    def method(self) -> str:
        """Method by which waiting is found, in words."""
        if self.trace is not None:
            return f"{self.source}, simulated in the order of arrival"
        times = "equal times (M/D/c)" if self.variation == 0 else f"variation {self.variation:g} (M/G/c)"
        return f"Poisson arrivals, {times}: Erlang's C formula and Spitzer's identity"

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> _Demand | None:
        """Return the demand that options state; None where they state none.

        Without a limit of the waiting, as many copies are needed as let 99 of 100 requests start at once.

        Errors
        ------
        SlipstickError for what is no rate or time, for a trace that cannot be read, and for limits without a demand.
        """
        rate, arrivals = options.get("rate"), options.get("arrivals")
        if rate is not None and arrivals is not None:
            raise SlipstickError("stands beside a rate", path="arrivals", value=str(arrivals), allowed="one of the two")
        if rate is None and arrivals is None:
            for name in ("variation", *_LIMITS):
                if options.get(name) is not None:
                    raise SlipstickError("needs a rate, or arrivals", path=name, value=options[name])
            return None
        trace = None if arrivals is None else _read_trace(arrivals)
        limits = [_limit(options, name) for name in _LIMITS]
        mean, p99, first_token = limits if any(limit is not None for limit in limits) else (None, 0.0, None)
        per_second = _rate(rate) if trace is None else trace.rate
        bounds = (np.inf if limit is None else limit for limit in (mean, p99, first_token))
        return cls(per_second, trace, _variation(options.get("variation"), trace), *bounds)


@dataclass(frozen=True)
class _Station(_Rows):
    """Stage of a service at n points: servers of one copy, time in which each serves a request [s], and its share.

    `prompt_share` is the part of that time that grows with a request's prompt; the rest grows with its output.
    """

    servers: IntArray
    service: FloatArray
    prompt_share: FloatArray


@dataclass(frozen=True)
class _Copies:
    """Copies of a system that a demand needs, (n,), and the waiting of a request [s]; NaN where none suffice."""

    count: FloatArray
    mean: FloatArray
    p99: FloatArray


def _needed_copies(demand: _Demand, stations: Sequence[_Station], sizes: _Load, first_token: FloatArray) -> _Copies:
    """Return the smallest numbers of copies that serve a demand within its limits.

    All copies share one queue at each station (an ideal balance of load). Of several stations, as with disaggregated
    prefill, waits are added: the mean is exact if arrivals stay random behind the first, the percentile is a bound.

    Parameters
    ----------
    sizes : tokens of prompt and output of each point, to which the stations' times belong.
    first_token : time to first token without waiting [s].
    """
    columns = [column for station in stations for column in (station.servers, station.service, station.prompt_share)]
    first, kind = _distinct([_code(column) for column in (*columns, sizes.prompt, sizes.output, first_token)])
    queue = _Queue(demand, tuple(station.take(first) for station in stations), sizes.take(first), first_token[first])
    count = queue.least_copies()
    mean, p99 = queue.waits(count)
    short = queue.is_short(count)
    return _Copies(*(np.where(short, column, np.nan)[kind] for column in (count, mean, p99)))


@dataclass(frozen=True)
class _Queue:
    """Queues of a demand at n points, whose waiting depends on the number of copies."""

    demand: _Demand
    stations: tuple[_Station, ...]
    sizes: _Load
    first_token: FloatArray

    def take(self, index: IntArray) -> _Queue:
        """Return the queues at `index`."""
        stations = tuple(station.take(index) for station in self.stations)
        return _Queue(self.demand, stations, self.sizes.take(index), self.first_token[index])

    def waits(self, count: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return mean and 99th percentile of the waiting [s] with some numbers of copies."""
        demand = self.demand
        if demand.trace is None:
            parts = [(_waiting(count * s.servers, demand.rate * s.service, demand.variation), s) for s in self.stations]
            mean, p99 = (sum(getattr(part, name) * s.service for part, s in parts) for name in ("mean", "p99"))
            return np.asarray(mean), np.asarray(p99)
        rows = [_simulated(demand.trace, self.take(np.array([n])), int(copies)) for n, copies in enumerate(count)]
        return np.array([mean for mean, _ in rows]), np.array([p99 for _, p99 in rows])

    def is_short(self, count: IntArray) -> BoolArray:
        """Return whether the waiting is within the demand's limits with some numbers of copies."""
        mean, p99 = self.waits(count)
        limit = np.minimum(self.demand.p99, self.demand.first_token - self.first_token)
        return np.asarray((mean <= self.demand.mean) & (p99 <= limit))

    def least_copies(self) -> IntArray:
        """Return the least numbers of copies whose waiting is within the limits: steps that double, then halve."""
        busy = np.max([self.demand.rate * s.service / s.servers for s in self.stations], axis=0)
        high = np.floor(busy).astype(np.int64) + 1
        low, more = high - 1, np.ones_like(high)
        rows = np.flatnonzero(self.first_token <= self.demand.first_token)
        while len(rows := rows[~self.take(rows).is_short(high[rows])]):
            low[rows] = high[rows]
            high[rows] += more[rows]
            more[rows] *= 2
            rows = rows[high[rows] < _MAX_COPIES]
        while len(rows := np.flatnonzero(high - low > 1)):
            middle = (low[rows] + high[rows]) // 2
            enough = self.take(rows).is_short(middle)
            high[rows[enough]], low[rows[~enough]] = middle[enough], middle[~enough]
        return np.asarray(high)


def _simulated(trace: _Trace, queue: _Queue, copies: int) -> tuple[float, float]:
    """Return mean and 99th percentile of the waiting [s] of a trace's requests at one point, station by station."""
    times, waits, sizes = trace.times, np.zeros(len(trace.times)), queue.sizes
    prompt = np.ones(len(times)) if trace.prompt is None else trace.prompt / sizes.prompt
    output = np.ones(len(times)) if trace.output is None else trace.output / sizes.output
    for station in queue.stations:
        service = station.service * (station.prompt_share * prompt + (1 - station.prompt_share) * output)
        own = _simulated_waits(times, service, copies * int(station.servers[0]))
        left, waits = times + own + service, waits + own
        order = np.argsort(left, kind="stable")
        times, waits, prompt, output = left[order], waits[order], prompt[order], output[order]
    return float(waits.mean()), float(np.percentile(waits, _LATE))


def _code(column: NDArray[Any]) -> IntArray:
    """Return a column as integers that differ where its values do."""
    whole = column.dtype != np.float64
    return np.asarray(column if whole else np.ascontiguousarray(column).view(np.int64), np.int64)


def _rate(value: Any) -> float:
    """Return a rate [1/s] of a number, or of a text such as ``50/s`` or ``3000/min``.

    Examples
    --------
    >>> _rate("50/s"), _rate("3,000/min"), _rate(2)
    (50.0, 50.0, 2.0)
    """
    match = _RATE.fullmatch(str(value))
    try:
        number = float(match[1].replace(",", "")) / _SECONDS[match[2] or "s"] if match else 0.0
    except ValueError:
        number = 0.0
    if not 0.0 < number < np.inf:
        raise SlipstickError("not a rate of requests", path="rate", value=value, allowed="such as 50/s or 3000/min")
    return number


def _limit(options: Mapping[str, Any], name: str) -> float | None:
    value = options.get(name)
    if value is None:
        return None
    try:
        limit = units.parse(value, "s")
    except SlipstickError as error:
        raise SlipstickError(error.message, path=name, value=value, allowed=error.allowed) from None
    if limit < 0:
        raise SlipstickError("below zero", path=name, value=value, allowed="a time, such as 200 ms")
    return limit


def _variation(value: Any, trace: _Trace | None) -> float:
    if value is None:
        return 0.0
    if trace is not None:
        message, allowed = "stands beside arrivals", "the trace's own prompt and output columns"
        raise SlipstickError(message, path="variation", value=value, allowed=allowed)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise SlipstickError("not a coefficient of variation", path="variation", value=value, allowed="0 to 1")
    return float(value)
