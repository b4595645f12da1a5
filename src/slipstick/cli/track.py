"""Command `track`: a CSV of heart-rate estimates, tracked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from slipstick.cli.options import PLAIN, Shown
from slipstick.cli.output import _put, _require_writable, _say

_Series = Annotated[
    str,
    Parameter(
        help="A CSV with the columns time (s), estimate (bpm) and optionally reference; of several methods "
        "estimate_NAME each, or a column method."
    ),
]
_Method = Annotated[str | None, Parameter(help="One of the file's methods. Default: all of them, fused.")]
_Out = Annotated[Path | None, Parameter(help="Write the tracked rates with their intervals to this CSV file.")]


def track(series: _Series, *, method: _Method = None, out: _Out = None, display: Shown = PLAIN) -> None:
    """Track a heart rate through a series of estimates, with an interval for every second. Not a medical device."""
    from slipstick.core.files import write_text
    from slipstick.verbs.track import track as verb

    _require_writable(display, out)
    report = verb(series, method=method)
    if out is not None:
        write_text(out, report.detail.csv())
        _say(f"wrote {out}")
    _put(report, display)
