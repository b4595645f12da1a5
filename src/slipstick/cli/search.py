"""`slipstick search`: which plan or system is best under these limits?"""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

from slipstick.cli.options import PLAIN, Shown, _options_of
from slipstick.cli.output import _progress_bar, _put, _require_writable, _say
from slipstick.exploration.search_options import SearchOptions


@_options_of(SearchOptions)
def search(
    workload: str,
    *system: str,
    minimize: str = "",
    subject_to: str = "",
    out: Path | None = None,
    display: Shown = PLAIN,
    **options: Unpack[SearchOptions],
) -> None:
    """Try every plan and system of a space; print those that no other beats.

    Parameters
    ----------
    workload
        A name of the catalogue or the path of a config.json.
    system
        Systems, each a name with a count or a range of counts: h100-sxm:64..1024 (64, 128, ... 1024).
    minimize
        Objectives, by comma: time (of a sample), step, memory, price, devices, throughput (which is maximised), or the
        path of a figure of slipstick estimate, such as energy.step, time.per_token or cost.million_tokens. Default:
        time; on boards price, time, energy, memory, flash, and accuracy where it is known.
    subject_to
        Comparisons that a point must meet, all of them: "memory.peak < 75 GiB and time.step < 10 s". A point that
        fails any, or does not fit into memory, is left out. Figures are those of slipstick estimate; accuracy
        is measured (--data) or comes from a table (--accuracies).
    out
        Write the points that meet the conditions as parquet.
    """
    from slipstick.verbs.search import search as verb

    _require_writable(display, out)
    with _progress_bar(display, "points") as progress:
        frontier = verb(workload, *system, minimize=minimize, subject_to=subject_to, progress=progress, **options)
    if out is not None:
        frontier.write(out)
        _say(f"wrote {out}")
    _put(frontier, display)
