"""Command `hybrid`: from options to curves and a Report."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

from slipstick.cli.options import PLAIN, Shown, _options_of
from slipstick.cli.output import _put, _require_writable, _say
from slipstick.engines.verb_options import HybridOptions


@_options_of(HybridOptions)
def hybrid(
    workload: str, system: str, *, plot: Path | None = None, display: Shown = PLAIN, **options: Unpack[HybridOptions]
) -> None:
    """Data parallelism alone against workers of several devices, in time to converge, over the number of devices.

    Parameters
    ----------
    workload
        A network whose operators are known: inception-v3, gnmt, big-lstm, resnet-50, ...
    system
        A system with a topology and a range of counts: dgx1-v100:2..256 (2, 4, ... 256) or dgx1-v100:8|64|256.
    plot
        Write the picture to this SVG file.
    """
    from slipstick.core.files import write_text
    from slipstick.verbs.hybrid import hybrid as verb

    _require_writable(display, plot)
    report = verb(workload, system, remark=_say, **options)
    if plot is not None:
        (picture,) = report.pictures().values()
        write_text(plot, picture)
        _say(f"wrote {plot}")
    _put(report, display)
