"""Estimates of Fourier processors: passes, time and throughput of a network's convolutions, each by its definition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from slipstick.core.question import Question
from slipstick.optics.fourier_processor import FourierProcessor
from slipstick.optics.fourier_tiling import LayerPasses, layer_passes
from slipstick.optics.layer_shots import OpticalLayer, optical_layers
from slipstick.optics.mirror_orders import order_weights
from slipstick.report.report import Finding, Metric, Report, Table

_COLUMNS = {
    "op": "", "kind": "", "MACs": "MAC", "tiles": "", "convolutions": "", "passes": "", "time": "s",
    "filled": "fraction",
}  # fmt: skip
_ELECTRONIC = ("dense", "pointwise")  # a kernel of one tap is a factor and no convolution


@dataclass(frozen=True)
class FourierRun:
    """Run of a network on a Fourier processor: the passes of each optical layer, and the layers left to electronics."""

    question: Question
    device: FourierProcessor
    layers: tuple[tuple[OpticalLayer, LayerPasses], ...]
    electronic: tuple[OpticalLayer, ...]

    @property
    def passes(self) -> int:
        """Passes of the whole batch."""
        return sum(passes.passes for _, passes in self.layers)

    @property
    def time(self) -> float:
        """Time of all passes [s], one behind the other at the frame rate."""
        return self.passes / self.device.frame_rate


def estimate(question: Question) -> Report:
    """Return passes and time of one inference of an operator graph, its convolutions in light.

    Dense layers and those of 1x1 are left to electronics, whose time is not counted, nor that of loading frames. The
    report's detail is the FourierRun.

    Errors
    ------
    SlipstickError for operations that are no convolutions of images, and images that exceed the display.
    """
    device, batch = question.system.device_as(FourierProcessor), question.workload.batch
    layers = optical_layers(question.workload.ops)
    optical = [layer for layer in layers if layer.kind not in _ELECTRONIC]
    run = FourierRun(
        question, device,
        tuple((layer, layer_passes(device, layer, batch)) for layer in optical),
        tuple(layer for layer in layers if layer.kind in _ELECTRONIC),
    )  # fmt: skip
    return Report.of(
        question, _metrics(run), {"ops": Table.of(_COLUMNS, [_row(*pair, run) for pair in run.layers])},
        title=f"{question.workload.name} on {question.system.name}", papers=("miscuglio2020fourier",),
        findings=_findings(run),
    ).with_detail(run)  # fmt: skip


def _metrics(run: FourierRun) -> dict[str, Any]:
    device, samples = run.device, run.question.workload.batch
    source = f"{run.question.system.source}; slipstick.optics.fourier_tiling"

    def metric(value: float, unit: str = "", note: str = "", origin: Any = "estimated") -> Metric:
        return Metric(float(value), unit, origin, source, note)

    macs = sum(layer.macs for layer, _ in run.layers)
    left = sum(layer.macs for layer in run.electronic)
    slowest = {
        "display": device.display.frame_rate / (device.image_bits * device.mask_bits),
        "mask": device.mask.frame_rate / device.mask_bits,
        "camera": device.camera.frame_rate,
    }
    last = min(slowest, key=lambda part: slowest[part])
    weights = order_weights(device.display.fill, device.order_count)
    middle = device.order_count
    return {
        "time": {"step": metric(run.time, "s", "passes"), "sample": metric(run.time / samples, "s")},
        "throughput": {
            "samples": metric(samples / run.time, "sample/s"),
            "passes": metric(device.frame_rate, "1/s", f"the {last} is slowest"),
            "convolutions": metric(macs * 2 / run.time, "FLOP/s", "in light, as electronics count them"),
            "frequencies": metric(
                device.frame_rate * device.mask.rows * device.mask.columns, "1/s", "products in the Fourier plane"
            ),
        },
        "work": {
            "macs": metric(macs, "MAC", "in light", "counted"),
            "electronic": metric(left, "MAC", "dense layers and those of 1x1", "counted"),
            "passes": metric(run.passes, "", "", "counted"),
        },
        "light": {
            "focal_length": metric(device.focal_length_of(), "m"),
            "orders": metric(device.order_count, "", "whole diffraction orders along an axis of the mask"),
            "zero_order": metric(weights[middle, middle] ** 2, "fraction", "of the light of a mirror that is on"),
        },
    }  # fmt: skip


def _row(layer: OpticalLayer, passes: LayerPasses, run: FourierRun) -> tuple[object, ...]:
    offered = passes.passes * passes.tiles * passes.kernels
    return (
        layer.name, layer.kind, layer.macs, passes.tiles, passes.convolutions, passes.passes,
        passes.passes / run.device.frame_rate, passes.convolutions / offered,
    )  # fmt: skip


def _findings(run: FourierRun) -> tuple[Finding, ...]:
    message = (
        "masks of mirrors have few kernels as their response: whether a layer's own have one, `slipstick mask` says; "
        "train the masks instead (slipstick train fourier-cnn)"
    )
    return (Finding("mask_realisable", message, "device.mask"),)
