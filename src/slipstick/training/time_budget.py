"""Schedule of a training on approximate hardware within a budget of time: exact epochs, and the rate of calibration.

Steps of each kind are timed first; the rest is arithmetic, so that equal times give equal schedules. The time of a
training is that of Li et al., arXiv 2304.04125 (as derived from their code): epochs by the error model with some
calibrated steps, then exact epochs. A training whose share of exact epochs is f is at most 1/f times as
fast as an exact one. Kernels are not part of the choice: all give the same sums, and the fastest that the machine can
build is always taken (`formats.arithmetic.kernels`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from slipstick.core.errors import SlipstickError
from slipstick.core.units import format_quantity
from slipstick.report.metric import Metric

_LEAST_EXACT = 5  # the last of so many epochs are exact at least: 20 of 100 in REX-SC
_MOST_CHECKS = 5  # calibrations of an epoch, at most: as in REX-SC
_MARGIN = 0.9  # of the budget that is planned for: what is left is for a machine that slows down (assumed)


@dataclass(frozen=True)
class StepTimes:
    """Measured times [s]: of an exact step, one by the error model, one that calibrates, and of an epoch's ends.

    `validation` is that of an epoch's test images, `norms` of estimating batch norms again behind an injected epoch.
    Without layers on approximate hardware there is no error model: `injected` is infinite.
    """

    exact: float
    injected: float
    calibrated: float
    validation: float
    norms: float

    def training(self, steps: int, epochs: int, exact_epochs: int, checks: int) -> float:
        """Return the time of a training [s].

        Parameters
        ----------
        steps : of an epoch. checks : calibrated steps of an injected epoch.

        Examples
        --------
        >>> StepTimes(2.0, 1.0, 3.0, 0.0, 0.0).training(10, 2, 1, 5)  # ten exact steps, five injected, five calibrated
        40.0
        """
        exact = exact_epochs * steps * self.exact
        calibrated = min(checks, steps)
        if epochs == exact_epochs:
            return exact + epochs * self.validation
        injected = (steps - calibrated) * self.injected + calibrated * self.calibrated + self.norms
        return exact + (epochs - exact_epochs) * injected + epochs * self.validation


@dataclass(frozen=True)
class TrainingSchedule:
    """Schedule of a training: epochs, how many at the end are exact, calibrations of each other one; its times [s].

    `predicted` is the time of the schedule, `all_exact` that of as many exact epochs, `achieved` what it took at last.
    """

    epochs: int
    exact_epochs: int
    checks: int
    predicted: float
    all_exact: float
    achieved: float = math.nan

    @property
    def exact_share(self) -> float:
        """Share of the epochs that are exact."""
        return self.exact_epochs / self.epochs

    @property
    def largest_speedup(self) -> float:
        """Cap of the speed-up over exact training: 1 over the share of exact epochs."""
        return 1 / self.exact_share

    def metrics(self) -> dict[str, Metric]:
        """Return the schedule as figures of a Report: times, and speed-ups over as many exact epochs with their cap."""
        timed, wall = "from timed steps", "wall clock"
        return {
            "epochs": Metric(self.epochs, "", "estimated", timed),
            "exact_epochs": Metric(self.exact_epochs, "", "estimated", timed),
            "calibrations": Metric(self.checks, "", "estimated", timed, "of an injected epoch, at most"),
            "predicted": Metric(self.predicted, "s", "estimated", timed),
            "achieved": Metric(self.achieved, "s", "measured", wall, "validation included"),
            "exact_training": Metric(self.all_exact, "s", "estimated", timed, "as many epochs, all exact"),
            "speedup_predicted": Metric(self.all_exact / self.predicted, "", "estimated", timed),
            "speedup_achieved": Metric(self.all_exact / self.achieved, "", "measured", wall),
            "largest_speedup": Metric(self.largest_speedup, "", "estimated", "1 over the share of exact epochs"),
        }


def chosen_schedule(times: StepTimes, steps: int, budget: float, epochs: int = 0) -> TrainingSchedule:
    """Return the schedule with most exact epochs, then most calibrations, whose time keeps the budget.

    Parameters
    ----------
    steps : of an epoch. budget : time of the training [s], nine tenths of which are planned for.
    epochs : wanted; fewer where there is no time for them. 0: as many as there is time for, a fifth of them exact.

    Errors
    ------
    SlipstickError for a budget that one exact epoch does not keep.

    Examples
    --------
    >>> times = StepTimes(exact=1.0, injected=0.2, calibrated=1.2, validation=0.0, norms=0.0)
    >>> schedule = chosen_schedule(times, 100, 500.0, epochs=10)
    >>> schedule.epochs, schedule.exact_epochs, schedule.checks
    (10, 3, 1)
    """
    room = budget * _MARGIN
    shortest = times.training(steps, 1, 1, 0)
    if shortest > room:
        allowed = f"from {format_quantity(math.ceil(shortest / _MARGIN), 's')}"
        value = format_quantity(budget, "s")
        raise SlipstickError("too little for one exact epoch", path="time", value=value, allowed=allowed)
    for count in range(epochs or _most_epochs(times, steps, room), 1, -1):
        fewest = -(-count // _LEAST_EXACT)
        most = count if epochs or times.injected >= times.exact else fewest
        for exact_epochs in range(most, fewest - 1, -1):
            for checks in range(_MOST_CHECKS, 0, -1):
                spent = times.training(steps, count, exact_epochs, checks)
                if spent <= room:
                    all_exact = times.training(steps, count, count, 0)
                    return TrainingSchedule(count, exact_epochs, checks, spent, all_exact)
    return TrainingSchedule(1, 1, _MOST_CHECKS, shortest, shortest)


def _most_epochs(times: StepTimes, steps: int, room: float) -> int:
    """Return a number of epochs that there is no more time for than this."""
    cheapest = min(times.training(steps, 1, 1, 0), times.training(steps, 1, 0, 1))
    return max(1, int(room / cheapest))
