"""Error bands of uncalibrated devices: what measured generations miss by when they are treated as unmeasured."""

from __future__ import annotations

from pydantic import Field

from slipstick.core.catalogue import Catalogue, Entry


class _ErrorBand(Entry):
    """Band of measured over estimated time on a device without constants of its own, for one kind of figure."""

    low: float = Field(gt=0, description="Tenth percentile of the measured time over ours")
    high: float = Field(gt=0, description="Ninetieth percentile of the measured time over ours")
    error: float = Field(ge=0, description="Mean absolute error, every generation with the same weight")
    rows: int = Field(gt=0, description="Measured rows behind the band")
    generations: tuple[str, ...] = Field(description="Generations, each answered by constants fitted on the others")

    def around(self, value: float, *, rate: bool) -> tuple[float, float]:
        """Return the ends of the band around a time, or around a rate, which is long where the time is short.

        Examples
        --------
        >>> band = _ErrorBand(low=0.8, high=1.25, error=0.1, rows=10, generations=("hopper",))
        >>> band.around(10.0, rate=False), band.around(10.0, rate=True)
        ((8.0, 12.5), (8.0, 12.5))
        """
        low, high = min(self.low, 1.0), max(self.high, 1.0)  # the estimate itself is always inside
        return (value / high, value / low) if rate else (value * low, value * high)


error_bands = Catalogue(_ErrorBand, "uncalibrated/bands.yaml", noun="error band")
