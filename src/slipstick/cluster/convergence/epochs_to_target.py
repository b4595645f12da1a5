"""Epochs to a target accuracy by global batch size: measured curves and the critical-batch model; C = T S E.

T is the time of a step, S the steps of an epoch (data over global batch), E the epochs to the target. Source: Pal et
al., "Optimizing multi-GPU parallelization strategies for deep learning training", IEEE Micro 39(5), 2019 (arXiv
1907.13257); the equations as we recollect them, which can be derived from the definitions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from slipstick.core.arrays import FloatArray
from slipstick.core.errors import SlipstickError
from slipstick.report.published import number, read_csv

_ROUNDING = 1e-9  # a share that is nothing


class Epochs(ABC):
    """Epochs to a target accuracy as a function of global batch size (statistical efficiency of data parallelism)."""

    source: str
    absolute: bool  # False: only the ratio of two batches' epochs means something

    @abstractmethod
    def at(self, batch: ArrayLike) -> FloatArray:
        """Return the epochs to the target at each global batch size; NaN outside the known range."""


@dataclass(frozen=True)
class EpochCurve(Epochs):
    """Measured epochs by batch size, interpolated linearly over the logarithm of the batch; NaN outside the points.

    `batches` grow, and each has its `epochs`; `source` says who measured; `absolute` as in `Epochs`.

    Examples
    --------
    >>> curve = EpochCurve((32, 128, 512), (4.0, 4.0, 8.0))
    >>> curve.at([32, 256, 1024]).tolist()
    [4.0, 6.0, nan]
    """

    batches: tuple[float, ...]
    epochs: tuple[float, ...]
    source: str = "measured"
    absolute: bool = True

    def __post_init__(self) -> None:
        batches, needed = np.asarray(self.batches, np.float64), np.asarray(self.epochs, np.float64)
        if len(batches) != len(needed) or len(batches) < 2:
            raise SlipstickError("needs two points or more", path="epochs", value=len(batches))
        if not (np.diff(batches) > 0).all() or batches[0] <= 0:
            raise SlipstickError("batches must grow from point to point", path="epochs.batch", value=batches.tolist())
        if not (needed > 0).all() or not np.isfinite(needed).all():
            raise SlipstickError("epochs must be above 0", path="epochs.epochs", value=needed.tolist())

    def at(self, batch: ArrayLike) -> FloatArray:
        """Return the epochs at each batch size, interpolated over its logarithm."""
        log_batch = np.log(np.asarray(batch, np.float64))
        known = np.log(self.batches)
        inside = (log_batch >= known[0] - _ROUNDING) & (log_batch <= known[-1] + _ROUNDING)
        return np.where(inside, np.interp(log_batch, known, self.epochs), np.nan)

    @classmethod
    def read(cls, path: str | Path) -> EpochCurve:
        """Return the epoch curve of a CSV file with the columns ``batch`` and ``epochs``, in any order.

        Rows of one batch (several seeds) are averaged.

        Errors
        ------
        SlipstickError for missing columns, cells that are no numbers, fewer than two batches.
        """
        header, rows = read_csv(path)
        missing = {"batch", "epochs"} - set(header)
        if missing:
            raise SlipstickError(f"has no column {', '.join(sorted(missing))}", path=str(path), value=", ".join(header))
        by_batch: dict[float, list[float]] = {}
        for row in rows:
            by_batch.setdefault(number(row, "batch"), []).append(number(row, "epochs"))
        batches = sorted(by_batch)
        return cls(tuple(batches), tuple(float(np.mean(by_batch[b])) for b in batches), f"measured: {Path(path).name}")


@dataclass(frozen=True)
class CriticalBatch(Epochs):
    """Critical-batch model: epochs E(B) = least (1 + B / critical) (McCandlish et al., arXiv 1812.06162, section 2).

    Examples
    --------
    >>> CriticalBatch(least=4.0, critical=1000.0).at([0, 1000, 3000]).tolist()
    [4.0, 8.0, 16.0]
    """

    least: float
    critical: float
    source: str = "critical-batch model"
    absolute: bool = True

    def at(self, batch: ArrayLike) -> FloatArray:
        """Return the epochs to the target at each global batch size: E(B) = least (1 + B / critical)."""
        return np.asarray(self.least * (1 + np.asarray(batch, np.float64) / self.critical))

    @classmethod
    def fit(cls, batches: ArrayLike, epochs: ArrayLike) -> tuple[CriticalBatch, FloatArray]:
        """Return the least-squares critical-batch model of measured epochs, and its residuals (ours minus measured).

        Errors
        ------
        SlipstickError if epochs do not grow with the batch at all: then there is no critical batch.
        """
        x, y = np.asarray(batches, np.float64), np.asarray(epochs, np.float64)
        slope, least = np.polyfit(x, y, 1)
        if slope * x.max() <= _ROUNDING * abs(least) or least <= 0:
            raise SlipstickError("epochs do not grow with the batch", path="epochs", value=[float(slope), float(least)])
        model = cls(float(least), float(least / slope))
        return model, model.at(x) - y
