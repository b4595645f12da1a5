"""Figures to optimise and constrain: every metric path of the engine's Report, and the system's price."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from slipstick.core.errors import SlipstickError
from slipstick.core.question import Question
from slipstick.report.report import Report

SYSTEM_FIGURES = {"price": "USD", "devices": ""}  # of the system itself, not of a Report: unit
PEAK = "memory.peak"
ACCURACY = "accuracy.top1"
RESERVE = "memory.reserve"
COPIES = "load.copies"  # of the system, where requests arrive at a rate
INTERACTIVITY, PER_DEVICE = "throughput.tokens_per_request", "throughput.tokens_per_device"  # of serving
# short name -> paths, the first that a Report has
_SHORT_NAMES = {
    "time": ("time.sample", "time.request", "time.first_token", "time.step", "time.inference"),
    "step": ("time.step", "time.first_token", "time.inference"),
    "memory": (PEAK,),
    "accuracy": (ACCURACY,),
    "price": ("price",),
    "devices": ("devices",),
    "throughput": ("throughput.samples", "throughput.tokens"),
}
STANDARD = (
    "time.step", "time.sample", "time.first_token", "time.per_token", "time.request", "time.queue.mean",
    "time.queue.p99", PEAK, RESERVE, "throughput.samples", "throughput.tokens", PER_DEVICE, INTERACTIVITY,
    "load.tokens_per_device", "efficiency.mfu", "cost.million_tokens", COPIES, "time.inference", "energy.inference",
    ACCURACY, "memory.flash", "price", "devices",
)  # in every table where known  # fmt: skip
_MAXIMISED = ("throughput.", "efficiency.", "accuracy.")
_NEAREST = 8  # paths that an error offers


@dataclass(frozen=True)
class Objective:
    """Figure to minimise, or with `largest` to maximise (as for rates and efficiencies)."""

    path: str
    largest: bool

    @classmethod
    def of(cls, path: str) -> Objective:
        """Return the objective of a figure: throughput, efficiency and accuracy are maximised, others minimised."""
        return cls(path, path.startswith(_MAXIMISED))

    @property
    def sign(self) -> int:
        """Factor that turns the figure into a cost to minimise: -1 if it is maximised, else 1."""
        return -1 if self.largest else 1


def _figure_path(name: str, units: Mapping[str, str], where: str) -> str:
    """Return the metric path that a figure's short name or path stands for.

    Parameters
    ----------
    units : the figures that there are, by path.
    where : the argument that the error names, such as ``minimize``.

    Errors
    ------
    SlipstickError for a figure that there is not, with the nearest.

    Examples
    --------
    >>> _figure_path("time", {"time.step": "s", "energy.step": "J"}, "minimize")
    'time.step'
    """
    for path in (name, *_SHORT_NAMES.get(name, ())):
        if path in units:
            return path
    if name in {"accuracy", *_SHORT_NAMES["accuracy"]}:
        message, cure = "is not known without measuring", "a data set (data), or a table (accuracies)"
        raise SlipstickError(message, path=where, value=name, allowed=cure)
    raise SlipstickError("no such figure", path=where, value=name, allowed=_nearest(name, units))


def _nearest(name: str, units: Iterable[str]) -> list[str]:
    """Return the figure paths most like an unknown name, to suggest them."""
    paths = list(units)
    parts = set(name.split("."))
    related = [path for path in paths if parts & set(path.split("."))]
    close = difflib.get_close_matches(name, paths, n=_NEAREST, cutoff=0.5)
    return list(dict.fromkeys((*close, *related)))[:_NEAREST] or [*_SHORT_NAMES, *paths[:_NEAREST]]


def report_figures(report: Report, question: Question) -> dict[str, tuple[float, str]]:
    """Return every figure of a point by path, with its unit: the Report's metrics, and the system's own.

    Where a Report has the rate of samples but not the time of one, ``time.sample`` is the step's over the batch.
    """
    flat = {path: (metric.value, metric.unit) for path, metric in report.flat().items()}
    if "time.step" in flat and "throughput.samples" in flat:
        flat.setdefault("time.sample", (flat["time.step"][0] / question.workload.batch, "s"))
    copies = flat.get(COPIES, (1.0, ""))[0]
    own = _system_figures(question)
    return flat | {path: (value * copies, SYSTEM_FIGURES[path]) for path, value in own.items()}


def _system_figures(question: Question) -> dict[str, float]:
    """Return the price of all devices [USD] (NaN where unknown), and the number of devices, of one copy of a system."""
    system = question.system
    price = math.nan if system.price is None else system.price * system.devices
    return {"price": price, "devices": float(system.devices)}
