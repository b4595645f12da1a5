"""`hybrid`: when do more devices for one worker beat more workers?"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from slipstick.engines.hybrid_tasks import HybridTask, hybrid_task, worker_batch
from slipstick.engines.question import WorkloadSpec
from slipstick.engines.step_speedup import Method, StepSpeedup, step_speedup
from slipstick.report.answer import Answer
from slipstick.report.report import Metric, Report, Table
from slipstick.verbs.answers import estimate
from slipstick.verbs.place import PLAN

if TYPE_CHECKING:
    from slipstick.cluster.convergence.epochs_to_target import Epochs
    from slipstick.cluster.convergence.speedup_curves import Curves

WIDTHS = (2, 4, 8)
TIME_LIMIT = 20.0  # seconds for each placement
Scaling = Literal["model", "ideal"]


@dataclass(frozen=True)
class Hybrid(Answer):
    """The answer: its Report, and the curves that the picture is drawn from."""

    report: Report
    curves: Curves

    def plot(self) -> str:
        """Return the curves over the number of devices as an SVG."""
        from slipstick.cluster.convergence.speedup_picture import hybrid_svg

        return hybrid_svg(self.curves, self.report.title)

    def pictures(self) -> dict[str, str]:
        """Return the picture by its heading."""
        return {"Speed-up over devices": self.plot()}


def hybrid(
    workload: WorkloadSpec,
    system: str,
    counts: Sequence[int],
    epochs: Epochs,
    *,
    batch: int | None = None,
    widths: Sequence[int] = WIDTHS,
    step_speedups: Mapping[int, float] | None = None,
    method: Method = "auto",
    scaling: Scaling = "model",
    time_limit: float = TIME_LIMIT,
    samples: float | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Hybrid:
    """Return data parallelism alone beside hybrid parallelism over the number of devices, with the crossovers.

    Parameters
    ----------
    workload
        An operator graph, such as ``inception-v3``.
    system
        A system with a topology, such as ``dgx1-v100``, without a count.
    counts
        Devices, growing.
    epochs
        Epochs to the target by global batch: see `slipstick.cluster.convergence.epochs_to_target`.
    batch
        Samples of one worker, whatever its devices; the global batch is that times the workers.
    widths
        M, devices of one worker.
    step_speedups
        SU^M by M where you have measured it; the others are found by `method`.
    method
        ``placement`` (CP-SAT), ``pipeline`` (balanced stages), or ``auto``: the better of both.
    scaling
        ``model``: SE_N from the cluster model; ``ideal``: 1, the paper's conservative choice.
    time_limit
        Seconds for each placement.
    samples
        Of the data set: adds the time to converge. Known for inception-v3, gnmt and big-lstm.
    progress
        Told what is being worked out.

    Errors
    ------
    SlipstickError for counts that do not grow, widths that do not fit, epochs that are known at none of the counts.

    Examples
    --------
    >>> from slipstick.cluster.convergence.epochs_to_target import CriticalBatch
    >>> found = hybrid("inception-v3", "dgx1-v100", [2, 8, 32, 128], CriticalBatch(4.0, 2048.0), step_speedups={2: 1.3},
    ...     widths=[2])
    >>> found.curves.crossover(2)
    128
    """
    from slipstick.cluster.convergence.speedup_curves import curves

    task = hybrid_task(workload)
    each = batch if batch is not None else worker_batch(workload)
    given = {m: StepSpeedup(m, value, "given", "given by the user") for m, value in (step_speedups or {}).items()}
    gains: dict[int, StepSpeedup] = {}
    for width in sorted(widths):
        if width not in given:
            progress(f"one step on {width} devices ({method}, {time_limit:g} s at most a placement)")
        found = given.get(width) or step_speedup(workload, system, width, each, method=method, time_limit=time_limit)
        fewer = max((gain for m, gain in gains.items() if width % m == 0), key=lambda gain: gain.value, default=found)
        gains[width] = found if found.value >= fewer.value else replace(fewer, how=f"{fewer.how}, others idle")
    workers = sorted({1, *counts} | {count // width for width in widths for count in counts if count >= width})
    progress(f"steps of {workers[0]} to {workers[-1]} workers")
    steps = {n: _step(workload, system, n, each) for n in workers} if scaling == "model" else {}
    share = {n: steps[1] / time for n, time in steps.items()}
    drawn = curves(counts, each, epochs, {m: gain.value for m, gain in gains.items()}, share)
    size = samples if samples is not None or task is None else task.samples
    report = Report(
        title=f"{workload} on {system}, {counts[0]} to {counts[-1]} devices: data parallelism alone and hybrid",
        metrics=_metrics(drawn, gains, steps.get(1) or _step(workload, system, 1, each)),
        breakdowns=_tables(drawn, gains, share, task, _hours(drawn, epochs, steps, size)),
        bottleneck=_bottleneck(drawn),
        inputs={
            "workload": str(workload), "system": system, "counts": list(counts), "batch": each, "scaling": scaling,
            "method": method, "epochs": epochs.source, "step_speedups": {str(m): g.value for m, g in gains.items()},
        },
        papers=("pal2019",),
    )  # fmt: skip
    return Hybrid(report, drawn)


def _step(workload: WorkloadSpec, system: str, workers: int, batch: int) -> float:
    """Return the seconds of a data-parallel step."""
    return estimate(workload, f"{system}:{workers}", PLAN, batch=workers * batch).value("time.step")


def _metrics(found: Curves, gains: Mapping[int, StepSpeedup], step: float) -> dict[str, Any]:
    def metric(value: float, note: str = "") -> Metric:
        return Metric(value, "", "estimated", "C = T S E", note)

    alone, both = found.best_alone(), found.best_hybrid()
    crossings = {f"m{m}": at for m in found.hybrid if (at := found.crossover(m)) is not None}
    return {
        "step_speedup": {
            f"m{m}": Metric(gain.value, "", "estimated", gain.source, gain.how) for m, gain in gains.items()
        },
        "crossover": {m: metric(at, "devices from which on hybrid wins, where known") for m, at in crossings.items()},
        "best": {
            "alone": {"speedup": metric(alone.speedup), "devices": metric(alone.devices)},
            "hybrid": {
                "speedup": metric(both.speedup), "devices": metric(both.devices), "width": metric(both.width),
            },
            "gain": Metric(found.gain(), "fraction", "estimated", "", "best over all counts, hybrid over alone"),
        },
        "time": {"one_device": Metric(step, "s", "estimated", "", "one step of one worker on one device")},
    }  # fmt: skip


def _tables(
    found: Curves,
    gains: Mapping[int, StepSpeedup],
    share: Mapping[int, float],
    task: HybridTask | None,
    hours: Sequence[float | None],
) -> dict[str, Table]:
    heads = {"devices": "", "global batch": "", "alone": "x"} | {f"M={m}": "x" for m in found.hybrid} | {"SE_N": ""}
    rows = [
        (count, count * found.batch, _known(found.alone[i]), *(_known(c[i]) for c in found.hybrid.values()),
         share.get(count, 1.0), hours[i])
        for i, count in enumerate(found.counts)
    ]  # fmt: skip
    tables = {"speed-up over one device": Table.of(heads | {"time alone": "s"}, rows)}
    if task is not None and 2 in gains:
        tables["published beside our band"] = _band(task, gains[2])
    return tables


def _band(task: HybridTask, gain: StepSpeedup) -> Table:
    """Return the paper's gain beside what SU^2 allows: where data parallelism has stopped to gain, all of SU^2 - 1."""
    most = max(0.0, gain.value - 1)
    inside = "inside" if task.gain <= most else "above: no hybrid of this SU^2 gains so much"
    heads = {
        "published, at least": "fraction",
        "our band from": "fraction",
        "to": "fraction",
        "it lies": "",
        "source": "",
    }
    return Table.of(heads, [(task.gain, 0.0, most, inside, task.sources["gain"])])


def _hours(found: Curves, epochs: Epochs, steps: Mapping[int, float], samples: float | None) -> list[float | None]:
    """Return C = T S E of data parallelism alone, where it can be said."""
    if samples is None or not epochs.absolute:
        return [None] * len(found.counts)
    needed = epochs.at([count * found.batch for count in found.counts])
    return [
        _known(steps[count] * samples / (count * found.batch) * float(e)) if count in steps else None
        for count, e in zip(found.counts, needed, strict=True)
    ]


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _bottleneck(found: Curves) -> str:
    if found.gain() <= 0:
        return "nothing yet: data parallelism alone is the fastest of all counts"
    best = found.best_hybrid()
    return f"epochs of large batches: beyond {best.devices // best.width} workers more devices for each pay more"
