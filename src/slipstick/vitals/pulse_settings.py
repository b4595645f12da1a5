"""Settings of the way from colour traces to a heart rate; data/vitals/pulse.yaml."""

from __future__ import annotations

from pydantic import Field

from slipstick.core.catalogue import Catalogue, Entry

STATISTICS = (
    "log of the filter's statistic at the tracked rate", "log of its peak over the rest",
    "log of POS's peak over the rest", "log of 1 + difference of the two counts", "log of POS's quality",
    "log of 1 + change of the tracked rate", "filter's peak within 4 a minute", "POS's peak within 4 a minute",
)  # fmt: skip


class PulseSettings(Entry):
    """Parameters of the automatic heart rate from colour traces; all of them ours.

    `gate` and `interval` weigh the statistics of a window that `STATISTICS` names, in that order.
    """

    window: float = Field(gt=0, description="Length of a window, s")
    step: float = Field(gt=0, description="Time between windows, s")
    filter_weight: float = Field(ge=0, description="Weight of the matched filter beside the two families of signals")
    power: float = Field(gt=0, description="Power of a spectrum over its peak that is its likelihood")
    floor: float = Field(ge=0, description="Likelihood of a rate without any power")
    gate_memory: int = Field(ge=1, description="Windows over which the statistics of the gate are averaged")
    gate: tuple[float, ...] = Field(
        min_length=8, max_length=8, description="Weights of the statistics in the logarithm of the odds of a pulse"
    )
    gate_offset: float = Field(description="Offset of the logarithm of the odds; above 0 in sum there is a reading")
    interval: tuple[float, ...] = Field(
        min_length=8,
        max_length=8,
        description="Weights of the statistics in the logarithm of the interval's half-width",
    )
    interval_offset: float = Field(description="Offset of the logarithm of the interval's half-width, bpm")


pulse_settings = Catalogue(PulseSettings, "vitals/pulse.yaml", noun="way to a heart rate")
