"""Settings of the heart-rate tracker: grid, drift, states of the sensor, clutter; data/vitals/tracker.yaml."""

from __future__ import annotations

from pydantic import Field

from slipstick.core.catalogue import Catalogue, Entry
from slipstick.core.spec import Spec

BPM = "bpm"  # beats per minute: the unit of rates in all of this folder


class _SensorState(Spec):
    """State of the sensor: how far right estimates scatter, and how many are misses."""

    width: float = Field(gt=0, description="Scale of the Laplace distribution of right estimates, bpm")
    misses: float = Field(gt=0, lt=1, description="Share of estimates that have nothing to do with the pulse")
    persistence: float = Field(
        ge=0, lt=1, description="Share of misses that repeat the miss of a second before, as windows overlap"
    )
    start: float = Field(gt=0, le=1, description="Probability of this state before the first estimate")


class _Drift(Spec):
    """Change of the heart rate from one second to the next."""

    pace: float = Field(gt=0, description="Scale of the Laplace distribution of the change in a second, bpm")
    fast_pace: float = Field(gt=0, description="The same of fast changes, bpm")
    fast_share: float = Field(ge=0, lt=1, description="Share of seconds with fast changes")
    jumps: float = Field(gt=0, lt=1, description="Probability a second that the rate is drawn anew from the start")


class _Clutter(Spec):
    """Distribution of misses over the rate: motion makes them cluster at low rates."""

    rates: tuple[float, ...] = Field(description="Points of the curve, bpm")
    density: tuple[float, ...] = Field(description="Density at the points over that of a uniform distribution")
    repeat_width: float = Field(gt=0, description="Scale of the Laplace distribution of repeated misses, bpm")


class _Trust(Spec):
    """Trust in methods whose estimates are steady: their live value is the estimate itself, as a tracker lags in jumps.

    The share of steady steps is a running mean; a step is steady if the estimate moves by less than `steady`.
    """

    memory: float = Field(ge=0, lt=1, description="Weight of the past in the running share of steady steps, a second")
    start: float = Field(ge=0, le=1, description="Share of steady steps before the first estimate")
    steady: float = Field(gt=0, description="Change in a second below which a step is steady, bpm")
    threshold: float = Field(ge=0, description="Share of steady steps from which a series is trusted; above 1: never")
    agreement: float = Field(ge=0, description="Distance from each other up to which steady methods agree, bpm")
    weight: float = Field(ge=0, description="Power of the share of steady steps by which a method counts in a fusion")
    distance: float = Field(
        ge=0, description="Distance from the filter's value up to which an estimate is trusted, bpm"
    )


class TrackerSettings(Entry):
    """Parameters of a grid Bayes filter of the heart rate; every one is ours, tuned on the data that its source names.

    Rates are in beats per minute (bpm). The sensor's states are in order from good to bad; in a second it goes at most
    to the next one.
    """

    lowest: float = Field(gt=0, description="Lowest rate of the grid, bpm")
    highest: float = Field(gt=0, description="Highest rate of the grid, bpm")
    step: float = Field(gt=0, description="Step of the grid, bpm")
    start_mean: float = Field(gt=0, description="Mean of the rate before the first estimate, bpm")
    start_deviation: float = Field(gt=0, description="Standard deviation of the rate before the first estimate, bpm")
    drift: _Drift = Field(description="Change of the heart rate from second to second")
    sensor: tuple[_SensorState, ...] = Field(min_length=1, description="States of the sensor, from good to bad")
    worsening: float = Field(
        ge=0, lt=0.5, description="Probability a second that the sensor goes to the next worse state"
    )
    mending: float = Field(
        ge=0, lt=0.5, description="Probability a second that the sensor goes to the next better state"
    )
    harmonics: float = Field(ge=0, lt=0.5, description="Share of estimates at twice the rate, and at half of it")
    clutter: _Clutter = Field(description="Distribution of misses over the rate")
    refinement: float = Field(
        gt=0, description="Distance from the posterior's median over which the mean is taken, bpm"
    )
    look_ahead: int = Field(ge=0, description="Seconds after which a value is corrected")
    fusion: float = Field(gt=0, le=1, description="Power of the product of several methods' likelihoods")
    trust: _Trust = Field(description="Trust in methods whose estimates are steady")
    interval_tail: float = Field(gt=0, lt=0.5, description="Probability of the posterior on each side of the interval")
    interval_floor: float = Field(ge=0, description="Widening of the interval on each side, bpm")


trackers = Catalogue(TrackerSettings, "vitals/tracker.yaml", noun="tracker")
