"""Named consistency checks: properties of every valid report, whatever model computed it.

A check reads facts, figures by dotted path: those of a Report (``report.flat()``) and what the estimator adds, such as
``roofline.compute``. A fact that is missing is not checked. Facts with names of their own:

* ``roofline.<bound>``: seconds that no schedule can beat; ``network.sent`` and ``network.received``: bytes;
* ``parameters.placed`` and ``parameters.total``: over all pipeline stages, and of the network;
* ``<group>.parts.<name>``: what the first figure of the group is made of; ``memory.capacity``: bytes of a device.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

from slipstick.core.units import format_quantity
from slipstick.report.metric import Finding

Facts = Mapping[str, float]
Check = Callable[[Facts], Iterator[Finding]]

CHECKS: dict[str, Check] = {}
TOLERANCE = 1e-6  # relative; sums of some thousand floats agree far better

_SHARES = ("utilisation", "mfu", "hfu", "bubble", "hit_rate")
_NEVER_NEGATIVE = ("time", "memory", "energy", "cost", "throughput", "network", "roofline")


def check(function: Check) -> Check:
    """Register a consistency check of Reports' figures by its function's name; its docstring says why it must hold."""
    CHECKS[function.__name__] = function
    return function


def _run_checks(facts: Facts) -> tuple[Finding, ...]:
    """Run every check and return all findings, in the order of registration.

    Examples
    --------
    >>> [finding.check for finding in _run_checks({"time.step": 1.0, "roofline.compute": 2.0})]
    ['time_above_roofline']
    """
    return tuple(finding for function in CHECKS.values() for finding in function(facts))


@check
def finite_and_not_negative(facts: Facts) -> Iterator[Finding]:
    """A time, a size, an energy or a price below zero, or no number at all, is an error of the model."""
    for path, value in facts.items():
        if not math.isfinite(value) or (value < 0 and path.partition(".")[0] in _NEVER_NEGATIVE):
            yield Finding("finite_and_not_negative", f"{path} is {value}", path, "error")


@check
def time_above_roofline(facts: Facts) -> Iterator[Finding]:
    """No machine beats its peak rates: time >= work / peak for compute, every memory and every link."""
    total = _total(facts, "time")
    for path, bound in facts.items():
        if path.startswith("roofline.") and total is not None and facts[total] < bound * (1 - TOLERANCE):
            message = f"{format_quantity(facts[total], 's')} is below the {path.partition('.')[2]} roofline of "
            yield Finding("time_above_roofline", message + format_quantity(bound, "s"), total, "error")


@check
def parts_sum_to_total(facts: Facts) -> Iterator[Finding]:
    """A breakdown that does not add up to its total hides something or counts it twice."""
    for group in dict.fromkeys(path.partition(".parts.")[0] for path in facts if ".parts." in path):
        parts, total = math.fsum(_parts(facts, group).values()), _total(facts, group)
        if total is not None and not math.isclose(parts, facts[total], rel_tol=TOLERANCE, abs_tol=1e-30):
            message = f"the parts sum to {parts:.6g}, the total is {facts[total]:.6g}"
            yield Finding("parts_sum_to_total", message, total, "error")


@check
def bytes_are_conserved(facts: Facts) -> Iterator[Finding]:
    """Over all devices, every byte that is sent is received once."""
    yield from _equal(facts, "bytes_are_conserved", "network.sent", "network.received")


@check
def stages_hold_the_network(facts: Facts) -> Iterator[Finding]:
    """The pipeline stages together hold every parameter of the network, each as often as the plan says."""
    yield from _equal(facts, "stages_hold_the_network", "parameters.placed", "parameters.total")


@check
def shares_are_shares(facts: Facts) -> Iterator[Finding]:
    """A utilisation is a share of a peak: above 1 the peak or the count of operations is wrong."""
    for path, value in facts.items():
        share = path.rpartition(".")[2] in _SHARES and ".parts." not in path  # a part has the unit of its total
        if share and not -TOLERANCE <= value <= 1 + TOLERANCE:
            yield Finding("shares_are_shares", f"{path} is {format_quantity(value, 'fraction')}", path, "error")


@check
def memory_fits(facts: Facts) -> Iterator[Finding]:
    """A plan that needs more memory than a device offers will not run: the largest part says where to save."""
    peak, capacity, reserve = facts.get("memory.peak"), facts.get("memory.capacity"), facts.get("memory.reserve", 0.0)
    if peak is None or capacity is None or peak + reserve <= capacity:
        return
    message = f"{format_quantity(peak, 'B')} do not fit into {format_quantity(capacity, 'B')}"
    message += f", {format_quantity(reserve, 'B')} of which are reserved" if reserve else ""
    parts = _parts(facts, "memory")
    if parts:
        largest = max(parts, key=lambda name: parts[name])
        message += f"; the largest part is {largest} with {format_quantity(parts[largest], 'B')}"
    yield Finding("memory_fits", message, "memory.peak")


def _parts(facts: Facts, group: str) -> dict[str, float]:
    prefix = f"{group}.parts."
    return {path.removeprefix(prefix): value for path, value in facts.items() if path.startswith(prefix)}


def _total(facts: Facts, group: str) -> str | None:
    """Return the path of a group's first metric, which is the total of its parts."""
    prefix = f"{group}."
    return next((path for path in facts if path.startswith(prefix) and "." not in path.removeprefix(prefix)), None)


def _equal(facts: Facts, name: str, first: str, other: str) -> Iterator[Finding]:
    if first in facts and other in facts and not math.isclose(facts[first], facts[other], rel_tol=TOLERANCE):
        yield Finding(name, f"{first} is {facts[first]:.9g}, {other} is {facts[other]:.9g}", first, "error")
