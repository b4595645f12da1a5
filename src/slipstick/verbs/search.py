"""`search`: which plan or system is best under these limits?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

from slipstick.exploration.frontier import Frontier
from slipstick.exploration.options import SearchOptions
from slipstick.exploration.run import search_systems

if TYPE_CHECKING:
    from slipstick.exploration.run import Progress
    from slipstick.exploration.space import Space


def search(
    workload: str,
    *system: str | Space,
    minimize: str | Sequence[str] = "time",
    subject_to: str = "",
    progress: Progress | None = None,
    **options: Unpack[SearchOptions],
) -> Frontier:
    """Return the points of a space of plans and systems that keep the conditions, as a Frontier.

    Parameters
    ----------
    workload
        A name of the catalogue or the path of a ``config.json``.
    system
        Systems, each a name with a count or a range of counts, ``h100-sxm:64..1024`` (64, 128, ... 1024); or one Space.
    minimize
        Objectives, by comma: time, step, memory, price, devices, throughput (which is maximised), or a figure's path.
    subject_to
        Conditions, such as ``memory.peak < 75 GiB and time.step < 10 s``; a plan that its system's memory does not hold
        is out.
    progress
        Called with the points done and all points.
    options
        Fields of `SearchOptions`: plan, set, phase, batch, sequence, output, workers, executor, budget, trials, seed,
        folder, resume.

    Errors
    ------
    SlipstickError for unknown objectives and figures, a folder of another search.

    Examples
    --------
    >>> frontier = search("llama-3.1-8b", "h100-sxm:8", plan="tp=1..8,microbatch=1..4", minimize="time,memory",
    ...     batch=32, sequence=4096)
    >>> frontier.how, frontier.best().value("memory.peak") < 80 * 2**30
    ('exhaustive: all 12 points', True)
    """
    return search_systems(workload, system, minimize, subject_to, progress=progress, **options)
