"""Hybrid parallelism: time to converge with more workers, or more devices per worker (Pal et al. 2019)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from slipstick.core.errors import SlipstickError
from slipstick.core.value_ranges import whole_numbers
from slipstick.engines.answer import answer
from slipstick.engines.hybrid_tasks import _hybrid_task, _HybridTask, _worker_batch
from slipstick.engines.question import WorkloadSpec
from slipstick.engines.step_speedup import Method, _step_speedup, _StepSpeedup
from slipstick.engines.table import MIXED_PRECISION
from slipstick.report.report import Metric, Report, Table

if TYPE_CHECKING:
    from slipstick.cluster.convergence.epochs_to_target import Epochs
    from slipstick.cluster.convergence.speedup_curves import Curves

_TIME_LIMIT = 20.0  # seconds for each placement
_Remark = Callable[[str], None]


@dataclass(frozen=True)
class _HybridCase:
    """Resolved inputs of one call of `hybrid`: texts parsed, defaults filled in.

    `counts` are numbers of devices, `batch` the samples of one worker, `widths` the devices of one worker, `speedups`
    SU^M by M where the user gave it, `samples` those of the data set.
    """

    workload: WorkloadSpec
    system: str
    counts: list[int]
    epochs: Epochs
    batch: int
    widths: list[int]
    speedups: Mapping[int, float]
    method: Method
    scaling: Literal["model", "ideal"]
    time_limit: float
    samples: float | None


def hybrid_report(workload: WorkloadSpec, system: str, remark: _Remark = lambda _: None, **options: Any) -> Report:
    """Return the Report of `slipstick.hybrid`; `remark` is called with progress messages.

    Errors
    ------
    SlipstickError for counts that do not grow, widths that do not fit, epochs that are known at none of the counts.
    """
    from slipstick.cluster.convergence.speedup_curves import Curves
    from slipstick.cluster.convergence.speedup_picture import hybrid_svg

    case = _case(workload, system, options, remark)
    task = _hybrid_task(workload)
    gains = _step_speedups(case, remark)
    counts = case.counts
    workers = sorted({1, *counts} | {count // width for width in case.widths for count in counts if count >= width})
    remark(f"steps of {workers[0]} to {workers[-1]} workers")
    steps = {n: _step(case, n) for n in workers} if case.scaling == "model" else {}
    share = {n: steps[1] / time for n, time in steps.items()}
    drawn = Curves.of(counts, case.batch, case.epochs, {m: gain.value for m, gain in gains.items()}, share)
    size = case.samples if case.samples is not None or task is None else task.samples
    title = f"{workload} on {case.system}, {counts[0]} to {counts[-1]} devices: data parallelism alone and hybrid"
    return Report.of(
        {
            "workload": str(workload), "system": case.system, "counts": counts, "batch": case.batch,
            "scaling": case.scaling, "method": case.method, "epochs": case.epochs.source,
            "step_speedups": {str(m): gain.value for m, gain in gains.items()},
        },
        _metrics(drawn, gains, steps.get(1) or _step(case, 1)),
        _tables(drawn, gains, share, task, _hours(drawn, case.epochs, steps, size)),
        title=title,
        bottleneck=_bottleneck(drawn),
        papers=("pal2019",),
    ).with_detail(drawn, lambda: {"Speed-up over devices": hybrid_svg(drawn, title)})  # fmt: skip


def _case(workload: WorkloadSpec, system: str, options: Mapping[str, Any], remark: _Remark) -> _HybridCase:
    """Return the resolved inputs of `slipstick.hybrid` from its options."""
    name, colon, counts = system.partition(":")
    if not colon:
        raise SlipstickError("has no counts", path="system", value=system, allowed=f"such as {name}:2..256")
    arguments = {key: value for key, value in options.items() if value is not None}
    return _HybridCase(
        workload,
        name,
        whole_numbers(counts, "system"),
        _epochs(arguments, remark),
        arguments["batch"] if "batch" in arguments else _worker_batch(workload),
        whole_numbers(arguments.get("widths", "2,4,8"), "widths"),
        _speedups(arguments.get("step_speedups", "")),
        arguments.get("method", "auto"),
        arguments.get("scaling", "model"),
        arguments.get("time_limit", _TIME_LIMIT),
        _above_zero(arguments.get("samples"), "samples"),
    )


def _epochs(options: Mapping[str, Any], remark: _Remark) -> Epochs:
    """Return epochs to converge against batch size: measured, a model fitted to them, or the critical-batch model."""
    from slipstick.cluster.convergence.epochs_to_target import CriticalBatch, EpochCurve

    points, critical, least = options.get("epochs"), options.get("critical_batch"), options.get("least_epochs")
    if (points is None) == (critical is None):
        allowed = "epochs (a file with the columns batch,epochs) or critical_batch (a number), one of them"
        raise SlipstickError("epochs of large batches are not known", path="epochs", allowed=allowed)
    if critical is not None:
        _above_zero(critical, "critical_batch")
        _above_zero(least, "least_epochs")
        return CriticalBatch(least or 1.0, critical, absolute=least is not None)
    if not isinstance(points, str | Path):
        return cast("Epochs", points)
    curve = EpochCurve.read(points)
    if not options.get("extrapolate"):
        return curve
    fitted, left = CriticalBatch.fit(curve.batches, curve.epochs)
    remark(f"E(B) = {fitted.least:.3g} (1 + B / {fitted.critical:.4g}), off by up to {abs(left).max():.2g} epochs")
    return fitted


def _above_zero(value: float | None, path: str) -> float | None:
    if value is not None and not 0 < value < float("inf"):
        raise SlipstickError("out of range", path=path, value=value, allowed="above 0")
    return value


def _speedups(step_speedups: str | Mapping[int, float]) -> Mapping[int, float]:
    """Return the step speed-ups SU^M by devices M per worker, from a text such as ``2=1.32,4=1.9`` or a mapping."""
    if not isinstance(step_speedups, str):
        return step_speedups
    speedups = {}
    for part in filter(None, (piece.strip() for piece in step_speedups.split(","))):
        text, _, value = part.partition("=")
        (width,) = whole_numbers(text, "step_speedups")[:1]
        if width in speedups:
            raise SlipstickError("the number of devices is given twice", path="step_speedups", value=part)
        try:
            speedups[width] = float(value)
        except ValueError:
            raise SlipstickError("not M=speedup", path="step_speedups", value=part, allowed="such as 2=1.32") from None
    return speedups


def _step_speedups(case: _HybridCase, remark: _Remark) -> dict[int, _StepSpeedup]:
    """Return SU^M of every M: given or computed by the method, and never below that of a divisor of M."""
    gains: dict[int, _StepSpeedup] = {}
    for width in sorted(case.widths):
        if width in case.speedups:
            gain = _StepSpeedup(width, case.speedups[width], "given", "given by the user")
        else:
            remark(f"one step on {width} devices ({case.method}, {case.time_limit:g} s at most a placement)")
            gain = _step_speedup(
                case.workload, case.system, width, case.batch, method=case.method, time_limit=case.time_limit
            )
        fewer = max((g for m, g in gains.items() if width % m == 0), key=lambda g: g.value, default=gain)
        gains[width] = gain if gain.value >= fewer.value else replace(fewer, method=f"{fewer.method}, others idle")
    return gains


def _step(case: _HybridCase, workers: int) -> float:
    """Return the duration of a data-parallel training step [s]."""
    plan = f"{MIXED_PRECISION},others=off"  # the paper reduces whole gradients
    report = answer("estimate", case.workload, f"{case.system}:{workers}", plan, batch=workers * case.batch)
    return report.value("time.step")


def _metrics(curves: Curves, gains: Mapping[int, _StepSpeedup], step: float) -> dict[str, Any]:
    def metric(value: float, note: str = "") -> Metric:
        return Metric(value, "", "estimated", "C = T S E", note)

    alone, both = curves.best_alone(), curves.best_hybrid()
    crossings = {f"m{m}": at for m in curves.hybrid if (at := curves.crossover(m)) is not None}
    return {
        "step_speedup": {
            f"m{m}": Metric(gain.value, "", "estimated", gain.source, gain.method) for m, gain in gains.items()
        },
        "crossover": {m: metric(at, "devices from which on hybrid wins, where known") for m, at in crossings.items()},
        "best": {
            "alone": {"speedup": metric(alone.speedup), "devices": metric(alone.devices)},
            "hybrid": {
                "speedup": metric(both.speedup), "devices": metric(both.devices), "width": metric(both.width),
            },
            "gain": Metric(curves.gain(), "fraction", "estimated", "", "best over all counts, hybrid over alone"),
        },
        "time": {"one_device": Metric(step, "s", "estimated", "", "one step of one worker on one device")},
    }  # fmt: skip


def _tables(
    curves: Curves,
    gains: Mapping[int, _StepSpeedup],
    share: Mapping[int, float],
    task: _HybridTask | None,
    hours: Sequence[float | None],
) -> dict[str, Table]:
    heads = {"devices": "", "global batch": "", "alone": "x"} | {f"M={m}": "x" for m in curves.hybrid} | {"SE_N": ""}
    rows = [
        (count, count * curves.batch, _known(curves.alone[i]), *(_known(c[i]) for c in curves.hybrid.values()),
         share.get(count, 1.0), hours[i])
        for i, count in enumerate(curves.counts)
    ]  # fmt: skip
    tables = {"speed-up over one device": Table.of(heads | {"time alone": "s"}, rows)}
    if task is not None and 2 in gains:
        tables["published beside our band"] = _band(task, gains[2])
    return tables


def _band(task: _HybridTask, gain: _StepSpeedup) -> Table:
    """Return the table of the paper's gain against the band that SU^2 allows: from 0 to SU^2 - 1."""
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


def _hours(curves: Curves, epochs: Epochs, steps: Mapping[int, float], samples: float | None) -> list[float | None]:
    """Return the time to converge C = T S E of data parallelism alone [h], where it is known."""
    if samples is None or not epochs.absolute:
        return [None] * len(curves.counts)
    needed = epochs.at([count * curves.batch for count in curves.counts])
    return [
        _known(steps[count] * samples / (count * curves.batch) * float(e)) if count in steps else None
        for count, e in zip(curves.counts, needed, strict=True)
    ]


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _bottleneck(curves: Curves) -> str:
    if curves.gain() <= 0:
        return "nothing yet: data parallelism alone is the fastest of all counts"
    best = curves.best_hybrid()
    return f"epochs of large batches: beyond {best.devices // best.width} workers more devices for each pay more"
