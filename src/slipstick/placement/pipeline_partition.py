"""Pipeline partition: layers cut into consecutive stages that fit in memory, minimising the slowest stage's time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from slipstick.core.arrays import FloatArray
from slipstick.core.errors import SlipstickError


@dataclass(frozen=True)
class _Partition:
    """Partition of layers: ``cuts[i]`` is the first layer of stage i + 1; `seconds` and `memory` [B] of every stage."""

    cuts: tuple[int, ...]
    seconds: tuple[float, ...]
    memory: tuple[float, ...]

    @property
    def slowest(self) -> float:
        """Time of the slowest stage [s], the time per microbatch once the pipeline is full."""
        return max(self.seconds)


def partition(
    seconds: Sequence[float] | FloatArray,
    memory: Sequence[float] | FloatArray,
    stages: int,
    capacity: ArrayLike = np.inf,
    sent: Sequence[float] | None = None,
) -> _Partition:
    """Return the partition of layers into stages with the least slowest-stage time, by dynamic programming.

    Parameters
    ----------
    seconds, memory : of every layer in order.
    capacity : bytes of a stage's device, one for all or one for each.
    sent : seconds that it takes to hand on the results of each layer: charged to the stage before a cut.

    Errors
    ------
    SlipstickError for more stages than layers, or if no cut fits the memory; it names the stage that is too small.

    Examples
    --------
    >>> partition([1, 1, 1, 3], [1] * 4, 2).cuts
    (3,)
    >>> partition([1, 1, 1, 3], [1] * 4, 2, capacity=2).cuts
    (2,)
    """
    time, need = np.asarray(seconds, np.float64), np.asarray(memory, np.float64)
    layers = len(time)
    if not 1 <= stages <= layers:
        raise SlipstickError("out of range", path="stages", value=stages, allowed=f"1 to {layers} layers")
    room = np.broadcast_to(np.asarray(capacity, np.float64), (stages,))
    handed = np.zeros(layers) if sent is None else np.asarray(sent, np.float64)
    before = np.concatenate([[0.0], np.cumsum(time)])
    needed = np.concatenate([[0.0], np.cumsum(need)])
    best = np.full((stages + 1, layers + 1), np.inf)
    back = np.zeros((stages + 1, layers + 1), np.int64)
    best[0, 0] = 0.0
    for stage in range(1, stages + 1):
        for end in range(stage, layers - (stages - stage) + 1):
            begins = np.arange(stage - 1, end)
            cost = before[end] - before[begins] + (handed[end - 1] if end < layers else 0.0)
            fits = needed[end] - needed[begins] <= room[stage - 1] * (1 + _ROUNDING)
            worst = np.where(fits, np.maximum(best[stage - 1, begins], cost), np.inf)
            back[stage, end] = begins[int(worst.argmin())]
            best[stage, end] = worst.min()
    if not np.isfinite(best[stages, layers]):
        raise SlipstickError(
            "no cut fits the memory", path="memory", value=f"{need.sum():.4g} bytes in {layers} layers",
            allowed=f"stages of {', '.join(f'{size:.4g}' for size in room[:4])} bytes",
        )  # fmt: skip
    ends = [layers]
    for stage in range(stages, 0, -1):
        ends.append(int(back[stage, ends[-1]]))
    edges = ends[::-1]
    spans = list(pairwise(edges))
    return _Partition(
        tuple(edges[1:-1]),
        tuple(float(before[e] - before[b] + (handed[e - 1] if e < layers else 0.0)) for b, e in spans),
        tuple(float(needed[e] - needed[b]) for b, e in spans),
    )


_ROUNDING = 1e-12  # of a sum of bytes
