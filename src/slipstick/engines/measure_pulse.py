"""`measure` of colour traces: what tells them from networks, and what the options of networks are not for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipstick.core.errors import SlipstickError

if TYPE_CHECKING:
    from slipstick.report.report import Report
    from slipstick.vitals.face_traces import FaceTraces

_SUFFIXES = (".npz", ".csv")  # of files of traces: no network has one of them


def is_trace_file(path: str | Path) -> bool:
    """Return whether a file holds colour traces of a face, by its suffix.

    Examples
    --------
    >>> is_trace_file("traces.npz"), is_trace_file("network.onnx")
    (True, False)
    """
    return str(path).lower().endswith(_SUFFIXES)


def traces_report(traces: str | Path | FaceTraces, method: str, clip: int | None, **of_networks: Any) -> Report:
    """Return the Report of a pulse in colour traces.

    Errors
    ------
    SlipstickError for options that only networks have, and for what `measure_traces` refuses.
    """
    from slipstick.vitals.pulse_report import measure_traces

    stated = [name for name, value in of_networks.items() if value not in (None, "")]
    if stated:
        raise SlipstickError("is for networks, not for traces of a face", path=stated[0], value=of_networks[stated[0]])
    return measure_traces(traces, method, clip)
