"""Time of a network on a core: instructions x cycles of their classes x calibration, and stalls of slow memories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from slipstick.core.encoding import Encoding
from slipstick.edge.core_table import BoardCore
from slipstick.edge.latency.kernel_mixes import KernelMix, _cycles_per_instruction, _layer_instructions
from slipstick.edge.latency.layer_work import LayerWork


@dataclass(frozen=True)
class _LayerTime:
    """Time of one kernel call: its instructions, its seconds of computing, and those of waiting for its weights."""

    work: LayerWork
    format: str
    instructions: float
    compute: float
    weights: float
    stored: float  # bytes of its weights, biases and scales


@dataclass(frozen=True)
class _FlashPath:
    """Way of the weights to the core: bytes/s of the flash, and the cache before it [B]; None: on the chip."""

    bandwidth: float | None
    cache: float | None

    def stall(self, weights: float, passes: float) -> float:
        """Return the seconds that weights [B] take, read once if the cache holds them, else in every pass."""
        if self.cache is None or self.bandwidth is None:
            return 0.0
        return weights * (max(passes, 1.0) if weights > self.cache else 1.0) / self.bandwidth


def _layer_times(
    works: Sequence[LayerWork],
    encodings: Sequence[tuple[Encoding, float]],
    mix: KernelMix,
    core: BoardCore,
    clock: float,
    flash: _FlashPath,
) -> list[_LayerTime]:
    """Return the time of every call.

    Parameters
    ----------
    encodings : of each call's weights, and the bytes that they take.
    clock : of the core [Hz].
    """
    seconds = _cycles_per_instruction(mix.shares, core) * mix.calibration / clock
    times = []
    for work, (encoding, stored) in zip(works, encodings, strict=True):
        instructions = _layer_instructions(work, mix, encoding)
        stall = flash.stall(stored, work.pixels / mix.reuse)
        times.append(_LayerTime(work, encoding.name, instructions, instructions * seconds, stall, stored))
    return times
