"""Report of `measure` on colour traces of a face: heart rate a second with interval, or no reading."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.report.report import Finding, Metric, Report, Table
from slipstick.vitals.face_traces import FaceTraces, read_traces
from slipstick.vitals.pulse_windows import AUTOMATIC, MOMBAT, PulseWindows, window_rates
from slipstick.vitals.rate_band import RateBand
from slipstick.vitals.rate_errors import RateErrors, constant_guess
from slipstick.vitals.rate_picture import rate_picture
from slipstick.vitals.spectrum_picture import spectrum_picture
from slipstick.vitals.track_report import NOT_MEDICAL
from slipstick.vitals.tracker_settings import BPM

_PATENTED = Finding(
    "patented_method",
    "mombat is covered by a granted patent (US 10,755,125): whether you may use it is for you to find out",
)


@dataclass(frozen=True, eq=False)
class MeasuredPulse:
    """Heart rate measured from traces; `csv()` has a row a window.

    Parameters
    ----------
    windows : rates, intervals, readings.
    reference : mean heart rate of each window [bpm], NaN where it is missing; None without a reference.
    """

    windows: PulseWindows
    reference: FloatArray | None

    def csv(self) -> str:
        """Return a CSV with a row a window: end, rate, interval, whether there is a reading, and the reference."""
        windows = self.windows
        head = "time,estimate,low,high,reading" + ("" if self.reference is None else ",reference")
        lines = []
        for at, end in enumerate(windows.ends):
            sure = windows.reading[at]
            rates = (windows.rates[at], windows.low[at], windows.high[at])
            cells = [f"{end:.3f}", *(f"{rate:.2f}" if sure else "" for rate in rates), str(int(sure))]
            if self.reference is not None:
                cells.append("" if np.isnan(self.reference[at]) else f"{self.reference[at]:.2f}")
            lines.append(",".join(cells))
        return "\n".join([head, *lines, ""])


def measure_traces(traces: str | Path | FaceTraces, method: str = AUTOMATIC, clip: int | None = None) -> Report:
    """Return the Report of a file of colour traces, or of traces that were read.

    Errors
    ------
    SlipstickError for a file that `read_traces` refuses, an unknown method, and traces shorter than a window.
    """
    read = traces if isinstance(traces, FaceTraces) else read_traces(traces, clip)
    windows = window_rates(read, method)
    detail = MeasuredPulse(windows, _reference(read, windows))
    name = (
        "traces" if isinstance(traces, FaceTraces) else Path(traces).name + ("" if clip is None else f", clip {clip}")
    )
    inputs: dict[str, Any] = {"traces": name, "method": method, "seconds": read.seconds}
    sure = int(windows.reading.sum())
    reached = f"{sure} of {len(windows.ends)} windows with a reading" if sure else "no reading"
    findings = [NOT_MEDICAL, *([_PATENTED] if method == MOMBAT else [])]
    title = f"Pulse in {name}: {reached}"
    report = Report.of(inputs, _metrics(detail), {"windows": _table(detail)}, title=title, findings=findings)
    return report.with_detail(detail, lambda: _pictures(detail, title))


def _reference(traces: FaceTraces, windows: PulseWindows) -> FloatArray | None:
    """Return the reference of each window, from that whose end is nearest, half a second at most; NaN without one."""
    if traces.reference is None:
        return None
    ends, rates = traces.reference[:, 0], traces.reference[:, 1]
    nearest = np.abs(windows.ends[:, None] - ends).argmin(1)
    near = np.abs(ends[nearest] - windows.ends) <= 0.5
    return np.where(near, rates[nearest], np.nan)


def _metrics(detail: MeasuredPulse) -> dict[str, Any]:
    windows, reading = detail.windows, detail.windows.reading
    metrics: dict[str, Any] = {
        "windows": {
            "all": Metric(len(windows.ends), "", "counted", "of 10 s, one a second"),
            "reading": Metric(reading.mean(), "fraction", "estimated", "share in which a pulse is believed"),
        }
    }
    if not reading.any():
        return metrics
    rates = windows.rates[reading]
    metrics["rate"] = {
        "mean": Metric(rates.mean(), BPM, "estimated", "windows with a reading"),
        "lowest": Metric(rates.min(), BPM, "estimated"),
        "highest": Metric(rates.max(), BPM, "estimated"),
    }
    half = float(np.median((windows.high - windows.low)[reading]) / 2)
    metrics["interval"] = {"half_width": Metric(half, BPM, "estimated", "90 % interval, median window")}
    if detail.reference is not None:
        band = RateBand(rates[None], windows.low[reading][None], windows.high[reading][None])
        errors = RateErrors.of(rates, detail.reference[reading], band)
        if errors is not None and errors.coverage is not None:
            against = f"against the reference, {errors.seconds} windows with a reading"
            metrics["interval"]["coverage"] = Metric(errors.coverage, "fraction", "measured", against)
            guess = constant_guess(detail.reference[reading])
            metrics["error"] = {
                "mean_absolute": Metric(errors.error, BPM, "measured", against),
                "constant_guess": Metric(guess, BPM, "measured", "the reference's median, without any measuring"),
            }
            if errors.correlation is not None:
                metrics["error"]["correlation"] = Metric(errors.correlation, "", "measured", against)
    return metrics


def _table(detail: MeasuredPulse) -> Table:
    windows = detail.windows
    rows = []
    for at, end in enumerate(windows.ends):
        sure = bool(windows.reading[at])
        rates = (windows.rates[at], windows.low[at], windows.high[at]) if sure else (None, None, None)
        reference = None if detail.reference is None or np.isnan(detail.reference[at]) else float(detail.reference[at])
        rows.append((round(float(end), 2), *rates, sure, reference))
    columns = {"end of the window": "s", "rate": BPM, "low": BPM, "high": BPM, "reading": "", "reference": BPM}
    return Table.of(columns, rows)


def _pictures(detail: MeasuredPulse, title: str) -> dict[str, str]:
    """Return the pictures: rates with intervals (peaks of the spectra as points), and the spectrum over time."""
    windows = detail.windows
    believed = np.where(windows.reading, 1.0, np.nan)
    spectrum = {"Spectrum": spectrum_picture(windows, title)}
    if not windows.reading.any():
        return spectrum
    band = RateBand(*((part * believed)[None] for part in (windows.rates, windows.low, windows.high)))
    peaks = windows.beats[windows.spectra.argmax(1)]
    return {"Heart rate": rate_picture(windows.ends, band, peaks[None], detail.reference, title), **spectrum}
