"""Report of `mask`: whether a kernel has a mask in a Fourier plane, the nearest one, and what passes it after all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.optics.fourier_mask import checked_kernel, lee_hologram, mask_pair, nearest_mask
from slipstick.optics.kernel_text import read_kernel
from slipstick.optics.mask_pictures import mask_pictures
from slipstick.optics.mask_study import MaskStudy
from slipstick.report.report import Finding, Metric, Report, Table

_SOURCE = "transforms of the kernel; slipstick.optics.fourier_mask"
_COLUMNS = {"row": "", "column": ""} | dict.fromkeys(("kernel", "nearest mask", "pair", "hologram"), "")


def mask_report(kernel: str | Path | FloatArray, *, field: int = 64, period: int = 8) -> Report:
    """Return the Report of `slipstick.mask`.

    Errors
    ------
    SlipstickError for a kernel that is no table of finite numbers, a field or a period out of range.
    """
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
