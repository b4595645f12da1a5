"""Report of `track`: a series of heart-rate estimates, tracked, with interval and errors against a reference."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.core.errors import SlipstickError
from slipstick.report.report import Finding, Metric, Report, Table
from slipstick.vitals.rate_band import RateBand
from slipstick.vitals.rate_errors import RateErrors, constant_guess
from slipstick.vitals.rate_picture import rate_picture
from slipstick.vitals.rate_series import RateSeries, read_rates
from slipstick.vitals.tracked_rates import TrackedRates, track_rates
from slipstick.vitals.tracker_settings import BPM, trackers

NOT_MEDICAL = Finding(
    "not_a_medical_device", "not a medical device: a figure for engineers, on which no decision about health may rest"
)
_SHOWN = "corrected"  # band of the first figures and of the picture
_SOURCES = {
    "live": "from the past alone",
    "corrected": "from the past and the next seconds",
    "smoothed": "from the whole series",
}


@dataclass(frozen=True, eq=False)
class TrackedSeries:
    """Series of estimates with its tracked rates; `csv()` has a row a second.

    Parameters
    ----------
    series : the estimates.
    tracked : bands of one series: live, corrected, smoothed.
    """

    series: RateSeries
    tracked: TrackedRates

    def csv(self) -> str:
        """Return a CSV with a row a second: time, estimates, each band's value and interval, and the reference."""
        columns: dict[str, FloatArray] = {"time": self.series.times}
        for name, values in zip(self.series.methods, self.series.estimates, strict=True):
            columns[name if name.startswith("estimate") else f"estimate_{name}"] = values
        for name, band in self.tracked.bands.items():
            columns |= {name: band.value[0], f"{name}_low": band.low[0], f"{name}_high": band.high[0]}
        if self.series.reference is not None:
            columns["reference"] = self.series.reference
        rows = np.column_stack(list(columns.values()))
        lines = [",".join("" if np.isnan(cell) else f"{cell:.10g}" for cell in row.round(3)) for row in rows]
        return "\n".join([",".join(columns), *lines, ""])


def track_file(series: str | Path | RateSeries, method: str | None) -> Report:
    """Return the Report of a CSV of estimates, or of a series that was read: tracked, all methods fused or one alone.

    Errors
    ------
    SlipstickError for a file that `read_rates` refuses, and for a method that it does not have.
    """
    read = series if isinstance(series, RateSeries) else read_rates(series)
    name = "" if isinstance(series, RateSeries) else str(series)
    used = read if method is None else _one_method(read, method)
    tracked = track_rates(used.estimates[None])
    detail = TrackedSeries(used, tracked)
    settings = trackers.entry("estimates" if len(used.methods) == 1 else "fusion")
    inputs: dict[str, Any] = {"series": name, "methods": list(used.methods), "tracker": settings}
    title = f"Heart rate of {Path(name).name or 'a series'}: {len(used.times)} s, {_methods_text(used)}"
    findings = [NOT_MEDICAL, *_gap_findings(used)]
    tables = {"rates": _rates_table(detail)}
    report = Report.of(inputs, _metrics(detail), tables, title=title, findings=findings)
    band = tracked.bands[_SHOWN]
    return report.with_detail(
        detail,
        lambda: {"Heart rate": rate_picture(used.times, band, used.estimates, used.reference, title)},
    )


def _one_method(series: RateSeries, method: str) -> RateSeries:
    if method not in series.methods:
        raise SlipstickError("no such method in the file", path="method", value=method, allowed=series.methods)
    place = series.methods.index(method)
    return RateSeries(series.times, series.estimates[[place]], (method,), series.reference)


def _methods_text(series: RateSeries) -> str:
    return "one method" if len(series.methods) == 1 else f"{len(series.methods)} methods fused"


def _gap_findings(series: RateSeries) -> list[Finding]:
    """Return the finding that seconds have no estimate, where there are any."""
    if not series.missing:
        return []
    message = f"{series.missing} of {len(series.times)} seconds have no estimate: the interval widens there"
    return [Finding("missing_seconds", message)]


def _metrics(detail: TrackedSeries) -> dict[str, Any]:
    """Return the figures of a tracked series, those against a reference where there is one."""
    band, series = detail.tracked.bands[_SHOWN], detail.series
    source = _SOURCES[_SHOWN]
    metrics: dict[str, Any] = {
        "rate": {
            "mean": Metric(band.value.mean(), BPM, "estimated", source),
            "lowest": Metric(band.value.min(), BPM, "estimated", source),
            "highest": Metric(band.value.max(), BPM, "estimated", source),
            "last": _last(detail.tracked.live),
        },
        "interval": {
            "half_width": Metric(np.median(band.high - band.low) / 2, BPM, "estimated", "90 % interval, median second")
        },
        "seconds": {
            "all": Metric(len(series.times), "", "counted"),
            "missing": Metric(series.missing, "", "counted", "without an estimate"),
        },
    }
    reference = series.reference
    if reference is not None:
        errors = RateErrors.of(band.value[0], reference, band)
        if errors is not None and errors.coverage is not None:
            against = f"against the reference, {errors.seconds} s"
            metrics["interval"]["coverage"] = Metric(errors.coverage, "fraction", "measured", against)
            metrics["error"] = {
                **{name: Metric(of_band.error, BPM, "measured", against) for name, of_band in _errors(detail).items()},
                "constant_guess": Metric(
                    constant_guess(reference), BPM, "measured", "the reference's median, without any measuring"
                ),
            }
    return metrics


def _last(live: RateBand) -> Metric:
    """Return the last live value with its interval."""
    value, low, high = (float(part[0, -1]) for part in (live.value, live.low, live.high))
    return Metric(value, BPM, "estimated", _SOURCES["live"], "band: 90 % interval", low, high)


def _errors(detail: TrackedSeries) -> dict[str, RateErrors]:
    """Return the errors of every method and band against the reference, by name."""
    reference = detail.series.reference
    if reference is None:
        return {}
    raw = {f"raw {name}" if len(detail.series.methods) > 1 else "raw": values for name, values in _raw(detail).items()}
    errors = {name.replace(".", "_"): RateErrors.of(values, reference) for name, values in raw.items()}
    errors |= {name: RateErrors.of(band.value[0], reference, band) for name, band in detail.tracked.bands.items()}
    return {name: known for name, known in errors.items() if known is not None}


def _raw(detail: TrackedSeries) -> dict[str, FloatArray]:
    return dict(zip(detail.series.methods, detail.series.estimates, strict=True))


def _rates_table(detail: TrackedSeries) -> Table:
    """Return a row for the estimates of each method and for each band: mean, spread, errors, coverage."""
    errors, rows = _errors(detail), []
    several = len(detail.series.methods) > 1
    values = {f"raw {name}" if several else "raw": rates for name, rates in _raw(detail).items()}
    values |= {name: band.value[0] for name, band in detail.tracked.bands.items()}
    for name, rates in values.items():
        found_errors = errors.get(name.replace(".", "_"))
        known = rates[~np.isnan(rates)]
        cells = (None, None, None) if found_errors is None else (
            found_errors.error, found_errors.correlation, found_errors.coverage
        )  # fmt: skip
        rows.append((name, float(known.mean()), float(known.min()), float(known.max()), *cells))
    columns = {"rates": "", "mean": BPM, "lowest": BPM, "highest": BPM, "mean absolute error": BPM, "correlation": ""}
    return Table.of({**columns, "interval covers": "fraction"}, rows)
