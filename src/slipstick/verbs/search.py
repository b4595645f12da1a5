"""`search`: the best plans or systems within given limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

from slipstick.exploration.frontier import Frontier
from slipstick.exploration.run import search_systems
from slipstick.exploration.search_options import SearchOptions

if TYPE_CHECKING:
    from slipstick.core.progress import Progress
    from slipstick.engines.question import WorkloadSpec
    from slipstick.exploration.space import Space


def search(
    workload: WorkloadSpec,
    *system: str | Space,
    minimize: str | Sequence[str] = "",
    subject_to: str = "",
    progress: Progress | None = None,
    **options: Unpack[SearchOptions],
) -> Frontier:
    """Return the points of a space of plans and systems that meet the conditions, as a Frontier.

    Parameters
    ----------
    workload
        A name of the catalogue, the path of a ``config.json``, ``.onnx`` or ``.tflite`` file, a dict or a Network.
    system
        Systems, each a name with a count or a range of counts, ``h100-sxm:64..1024`` (64, 128, ... 1024); or one Space.
    minimize
        Objectives, by comma: time, step, memory, price, devices, throughput, or the path of any figure of the Report,
        such as ``energy.step`` or ``time.first_token``. Throughput, efficiency and accuracy are maximised. Default:
        time; on boards price, time, energy, memory, flash, and accuracy where it is known.
    subject_to
        Comparisons of any figures with values, joined by ``and``: ``memory.peak < 75 GiB and energy.token < 1 J``. A
        point meets the conditions if all hold and the plan fits into memory; any other is left out. Accuracy, of
        boards and arrays, is measured (`data`) or from a table (`accuracies`).
    progress
        Called with (points tried, all points, label).
    options
        Fields of `SearchOptions`: plan, space, set, phase, batch, sequence, output, rate, arrivals, variation, data,
        images, tolerance, accuracies, top, workers, executor, budget, trials, seed, folder, resume.

    Errors
    ------
    SlipstickError for unknown figures (with the nearest), a space of which no point is possible or keeps the
    conditions, a folder of another search.

    Examples
    --------
    >>> frontier = search("llama-3.1-8b", "h100-sxm:8", plan="tp=1..8,microbatch=1..4", minimize="time,memory",
    ...     batch=32, sequence=4096)
    >>> frontier.method, frontier.best().value("memory.peak") < 80 * 2**30
    ('exhaustive: all 12 points', True)
    >>> frontier = search("llama-3.1-70b", "h100-sxm:8", phase="decode", batch="8..64", rate="20/s",
    ...     minimize="cost.million_tokens", subject_to="time.per_token < 30 ms and time.queue.p99 < 1 s")
    >>> frontier.top(3).columns[-1].name, frontier.best().value("time.per_token") < 0.03
    ('plan', True)
    >>> search("mobilenet-v2", "swis-8x8", "stripes-8x8", minimize="energy.step").pareto["system"].to_list()
    ['stripes-8x8']
    """
    return search_systems(workload, system, minimize, subject_to, progress, options)
