"""Study of a kernel's masks: the nearest one, a pair, a hologram, and what each makes of a point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.optics.fourier_mask import AmplitudeMask, LeeHologram, MaskPair


@dataclass(frozen=True, eq=False)
class MaskStudy:
    """Masks of a kernel: the nearest one, a pair, a hologram."""

    kernel: FloatArray
    side: int
    nearest: AmplitudeMask
    pair: MaskPair
    hologram: LeeHologram

    def responses(self) -> dict[str, FloatArray]:
        """Return the point response of each mask, at the taps of the kernel and in its scale."""
        plain = np.fft.ifft2(self.nearest.values).real / self.nearest.gain if self.nearest.gain else np.zeros(())
        both = np.fft.ifft2(self.pair.positive - self.pair.negative).real / self.pair.gain
        rows, columns = self.kernel.shape
        first = (self.side // 2 - rows // 2, self.side // 2 - columns // 2)
        wide = self.hologram.response
        part = wide[first[0] : first[0] + rows, first[1] : first[1] + columns]
        part = part * (np.vdot(part, self.kernel) / np.vdot(part, part).real)  # the best gain, over the taps
        return {
            "kernel": self.kernel,
            "nearest mask": _taps(plain, self.nearest.centre, self.kernel.shape),
            "pair": _taps(both, self.pair.centre, self.kernel.shape),
            "hologram": part.real,
        }


def _taps(response: FloatArray, centre: tuple[int, int], shape: tuple[int, int]) -> FloatArray:
    """Return a response, whose axis stands first, at the taps of a kernel with the tap `centre` on the axis."""
    return np.roll(response, centre, axis=(0, 1))[: shape[0], : shape[1]]
