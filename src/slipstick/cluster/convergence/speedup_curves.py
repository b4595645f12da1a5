"""Speed-up curves of data parallelism alone and of hybrid parallelism over the device count, and their crossover.

Source: Pal et al., IEEE Micro 39(5), 2019 (arXiv 1907.13257); equations as in `epochs_to_target`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from slipstick.cluster.convergence.epochs_to_target import Epochs
from slipstick.core.arrays import FloatArray
from slipstick.core.errors import SlipstickError


@dataclass(frozen=True)
class _BestCount:
    """Device count of the largest speed-up over one device, with `width` devices per data-parallel worker."""

    devices: int
    width: int
    speedup: float


@dataclass(frozen=True, eq=False)
class Curves:
    """Speed-ups over one device in time to convergence, by device count; NaN where the epochs are not known.

    ``alone[i]`` is of `counts[i]` workers of one device; ``hybrid[M][i]`` of ``counts[i] / M`` workers of M devices,
    not a number where M does not divide the count. `batch` is that of one worker.
    """

    counts: tuple[int, ...]
    batch: float
    alone: FloatArray
    hybrid: Mapping[int, FloatArray]

    @classmethod
    def of(
        cls,
        counts: Sequence[int],
        batch: float,
        epochs: Epochs,
        step_speedups: Mapping[int, float],
        efficiency: Mapping[int, float] | None = None,
    ) -> Curves:
        """Return the speed-up curves over device counts, for data parallelism alone and for workers of several devices.

        Parameters
        ----------
        counts : of devices, growing.
        batch : samples of one worker, whatever its number of devices.
        step_speedups : SU^M by M: how much faster M devices make one step of one worker.
        efficiency : SE_N = T_1 / T_N by the number of workers N; 1 unless given, the paper's conservative choice.

        Examples
        --------
        >>> from slipstick.cluster.convergence.epochs_to_target import CriticalBatch
        >>> curves = Curves.of([1, 2, 4, 8, 16, 32], 64, CriticalBatch(4.0, 256.0), {2: 1.3})
        >>> curves.crossover(2), curves.best_alone().devices
        (16, 32)
        """
        if not counts or counts[0] < 1 or any(b <= a for a, b in pairwise(counts)):
            raise SlipstickError("device counts must grow from 1 on", path="devices", value=list(counts))
        for width, gain in step_speedups.items():
            if width < 2 or not 0 < gain < np.inf:
                raise SlipstickError(
                    "out of range", path=f"step_speedups.{width}", value=gain, allowed="M from 2, above 0"
                )
        share = efficiency or {}
        hybrid = {}
        for width, gain in step_speedups.items():
            values = [
                _speedup_at(count // width, gain, batch, epochs, share) if count % width == 0 else np.nan
                for count in counts
            ]
            hybrid[width] = np.array(values)
        alone = np.array([_speedup_at(count, 1.0, batch, epochs, share) for count in counts])
        return cls(tuple(counts), batch, alone, hybrid)

    def best_alone(self) -> _BestCount:
        """Return the device count at which data parallelism alone is fastest, with its speed-up."""
        return self._best({1: self.alone})

    def best_hybrid(self) -> _BestCount:
        """Return the device count and worker width at which hybrid parallelism is fastest, with its speed-up."""
        return self._best(self.hybrid)

    def gain(self) -> float:
        """Return the relative gain of the best hybrid over the best data-parallel speed-up: 0.1 is 10 %."""
        return self.best_hybrid().speedup / self.best_alone().speedup - 1

    def crossover(self, width: int) -> int | None:
        """Return the smallest device count from which on hybrid beats data parallelism alone, or None.

        Counts that `width` does not divide, or of which the epochs are not known, are passed over.
        """
        known = np.isfinite(self.alone) & np.isfinite(self.hybrid[width])
        wins = self.hybrid[width][known] > self.alone[known]
        for place in np.flatnonzero(wins):
            if wins[place:].all():
                return int(np.asarray(self.counts)[known][place])
        return None

    def _best(self, curves: Mapping[int, FloatArray]) -> _BestCount:
        best = [
            _BestCount(self.counts[int(np.nanargmax(curve))], width, float(np.nanmax(curve)))
            for width, curve in curves.items()
            if np.isfinite(curve).any()
        ]
        if not best:
            raise SlipstickError(
                "no epochs are known at any of these counts", path="epochs",
                value=f"global batches of {self.batch * self.counts[0]:g} to {self.batch * self.counts[-1]:g}",
                allowed="points that reach them, or a critical batch",
            )  # fmt: skip
        return max(best, key=lambda count: count.speedup)


def _speedup(
    workers: ArrayLike, batch: float, epochs: Epochs, *, efficiency: ArrayLike = 1.0, model_parallel: float = 1.0
) -> FloatArray:
    """Return the speed-up of N workers over one device in time to convergence: SU = SU^M SE_N N E_1 / E_N.

    Parameters
    ----------
    batch : samples of one worker; the global batch is N times that.
    efficiency : SE_N = T_1 / T_N of each count, at most 1 where steps slow down with workers.
    model_parallel : SU^M, the speed-up of one step on the devices of one worker.
    """
    count = np.asarray(workers, np.float64)
    return np.asarray(model_parallel * np.asarray(efficiency) * count * epochs.at(batch) / epochs.at(count * batch))


def _speedup_at(workers: int, gain: float, batch: float, epochs: Epochs, share: Mapping[int, float]) -> float:
    return float(_speedup(workers, batch, epochs, efficiency=share.get(workers, 1.0), model_parallel=gain))
