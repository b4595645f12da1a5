"""Engine of `correlate`: which lags of a correlator are clean, the smallest field, and one simulated shot beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.core.extras import require
from slipstick.optics.correlation_pictures import lag_runs, plane_svg, strip_svg
from slipstick.optics.lag_separation import JointPlane, lag_flags, largest_signal, smallest_field
from slipstick.report.report import Metric, Report, Table

if TYPE_CHECKING:
    from slipstick.optics.detectors import Readout

_SHOTS = 64  # simulated, of uniform amplitudes: their errors are known to a tenth
_LAW = "lobes of a joint transform correlator (derived)"
_SIMULATED = f"{_SHOTS} shots of uniform amplitudes, fp64"


def correlator_plane(signal: int, kernel: int, field: int | None, offset: int | None) -> JointPlane:
    """Return the plane that is asked for: without a field the smallest, without an offset the least clean one."""
    least = smallest_field(signal, kernel)
    field = least.field if field is None else field
    if offset is None:
        offset = max(kernel, min(signal, field - signal))
    return JointPlane(signal, kernel, field, offset)


def correlator_report(plane: JointPlane, readout: Readout, bits: int, depth: int) -> Report:
    """Return the Report of `correlate`: the lobes of a plane in numbers and pictures, and what a shot loses."""
    flags = lag_flags(plane)
    valid, clean = int(flags.valid.sum()), int((flags.valid & flags.clean).sum())
    counts = {
        "valid": Metric(float(valid), "", "counted", _LAW, "lags at which the kernel lies inside the signal"),
        "clean": Metric(float(clean), "", "counted", _LAW, "of them"),
        "autocorrelation": Metric(float((flags.valid & flags.autocorrelation).sum()), "", "counted", _LAW),
        "mirror": Metric(float((flags.valid & flags.mirror).sum()), "", "counted", _LAW),
    }
    sizes = {
        "smallest": Metric(float(smallest_field(plane.signal, plane.kernel).field), "", "counted", _LAW, "valid lags"),
        "smallest_all": Metric(
            float(smallest_field(plane.signal, plane.kernel, "all").field), "", "counted", _LAW, "all lags"
        ),
        "longest_signal": Metric(float(_longest(plane)), "", "counted", _LAW, "that this field keeps clean"),
    }
    figures, amplitudes = _simulated(plane, readout, bits, depth)
    inputs: dict[str, Any] = {
        "signal": plane.signal, "kernel": plane.kernel, "field": plane.field, "offset": plane.offset,
        "readout": readout, "bits": bits, "depth": depth,
    }  # fmt: skip
    table = Table.of({"from": "", "to": "", "holds": "", "part": ""}, lag_runs(flags))
    state = "all valid lags clean" if clean == valid else f"{valid - clean} of {valid} valid lags contaminated"
    title = f"correlation of {plane.signal} by {plane.kernel} samples in a field of {plane.field}: {state}"
    report = Report.of(inputs, {"lags": counts, "field": sizes, "shot": figures}, {"lags": table}, title=title)
    return report.with_detail(
        flags, lambda: {"Contamination strip": strip_svg(plane), "Correlation plane": plane_svg(plane, amplitudes)}
    )


def _longest(plane: JointPlane) -> int:
    """Return the longest signal that is clean in the field of a plane; 0 where none is."""
    if plane.field < smallest_field(plane.kernel, plane.kernel).field:
        return 0
    return largest_signal(plane.field, plane.kernel).signal


def _simulated(plane: JointPlane, readout: Readout, bits: int, depth: int) -> tuple[dict[str, Metric], np.ndarray]:
    """Return figures of simulated shots, and the correlation plane of the first."""
    torch: Any = require("torch", "torch")
    light: Any = require("slipstick.optics.joint_transform", "torch")
    detector: Any = require("slipstick.optics.photodetector", "torch")
    random = np.random.default_rng(0)
    shots = depth * -(-_SHOTS // depth)
    rows = random.random((shots, plane.signal)), random.random((shots, plane.kernel))
    signals, kernels = (torch.from_numpy(part) for part in rows)
    closed = light.valid_correlation(signals, kernels).numpy()
    planes = light.sampled_plane(light.joint_plane(signals, kernels, plane)).numpy()
    error = np.abs(planes[:, plane.valid.start : plane.valid.stop] - closed).max() / closed.max()
    sums = closed.reshape(-1, depth, closed.shape[1]).sum(1)
    figures = {
        "error": Metric(float(error), "", "simulated", _SIMULATED, "largest of sampled valid lags, over the largest"),
        "zero_lag": Metric(float((planes[:, 0] / closed.mean(1)).mean()), "", "simulated", _SIMULATED, "over the mean"),
    }
    for name, photodiode in (("converters", None), ("detectors", detector.Photodetector())):
        transfer = detector.CorrelatorTransfer(readout, bits, bits, depth, detector=photodiode)
        read = detector.full_transfer(*rows, plane, transfer)
        ratio = 10 * np.log10(np.square(sums).mean() / np.square(read - sums).mean())
        note = "generic photodiodes besides (assumed)" if photodiode else f"readout {readout}"
        figures[f"snr_{name}"] = Metric(float(ratio), "dB", "simulated", _SIMULATED, note)
    return figures, planes[0]
