"""Report of `mask`: whether a kernel has a mask in a Fourier plane, the nearest one, and what passes it after all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.optics.fourier_mask import (
    AmplitudeMask,
    LeeHologram,
    MaskPair,
    checked_kernel,
    lee_hologram,
    mask_pair,
    nearest_mask,
)
from slipstick.optics.kernel_text import read_kernel
from slipstick.report.report import Finding, Metric, Report, Table

_SOURCE = "transforms of the kernel; slipstick.optics.fourier_mask"
_COLUMNS = {"row": "", "column": ""} | dict.fromkeys(("kernel", "nearest mask", "pair", "hologram"), "")


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


def mask_report(kernel: str | Path | FloatArray, *, field: int = 64, period: int = 8) -> Report:
    """Return the Report of `slipstick.mask`.

    Errors
    ------
    SlipstickError for a kernel that is no table of finite numbers, a field or a period out of range.
    """
    from slipstick.optics.mask_pictures import mask_pictures

    taps = checked_kernel(read_kernel(kernel) if isinstance(kernel, str | Path) else kernel, field)
    study = MaskStudy(taps, field, nearest_mask(taps, field), mask_pair(taps, field), lee_hologram(taps, field, period))
    rows, columns = taps.shape
    inputs = {"kernel": taps.tolist(), "field": field, "period": period}
    return Report.of(
        inputs, _metrics(study), {"taps": Table.of(_COLUMNS, _rows(study))},
        title=f"kernel of {rows} x {columns} taps in a Fourier plane of {field} x {field} frequencies",
        findings=_findings(study),
    ).with_detail(study, lambda: mask_pictures(study))  # fmt: skip


def _metrics(study: MaskStudy) -> dict[str, Any]:
    def metric(value: float, unit: str = "fraction", note: str = "") -> Metric:
        return Metric(float(value), unit, "estimated", _SOURCE, note)

    nearest, pair, hologram = study.nearest, study.pair, study.hologram
    missed = 0.0 if nearest.exact else nearest.error
    return {
        "mask": {
            "error": metric(missed, note="of the spectrum, root mean square; 0: the mask is exact"),
            "light": metric(float((nearest.values**2).mean()), note="of light with a flat spectrum"),
            "sign": metric(np.sign(nearest.gain), "", "a camera does not see it"),
        },
        "pair": {"error": metric(pair.error, note="with fields subtracted, which a camera does not do")},
        "hologram": {
            "error": metric(hologram.error, note=f"of the first order, stripes of {hologram.period} mirrors"),
            "light": metric(hologram.efficiency, note="in the first order"),
        },
    }


def _rows(study: MaskStudy) -> list[tuple[object, ...]]:
    responses = list(study.responses().values())
    places = np.ndindex(study.kernel.shape)
    return [(row, column, *(float(part[row, column]) for part in responses)) for row, column in places]


def _findings(study: MaskStudy) -> tuple[Finding, ...]:
    if study.nearest.exact:
        return ()
    message = (
        f"no mask of mirrors has this kernel as its response: the nearest is off by {study.nearest.error:.0%}; "
        "a hologram on a carrier passes it, or train the masks themselves"
    )
    return (Finding("mask_realisable", message, "mask.error"),)


def _taps(response: FloatArray, centre: tuple[int, int], shape: tuple[int, int]) -> FloatArray:
    """Return a response, whose axis stands first, at the taps of a kernel with the tap `centre` on the axis."""
    return np.roll(response, centre, axis=(0, 1))[: shape[0], : shape[1]]
