"""Report of `adapt`: accuracy before and after, bytes, shifts, a table row per layer, and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.engines.adapted_array import _array_metrics
from slipstick.report.report import Finding, Metric, Report, Table

if TYPE_CHECKING:
    from slipstick.core.arrays import IntArray
    from slipstick.core.encoding import Encoded
    from slipstick.engines.adaptation import _Adaptation, _AdaptedNetwork
    from slipstick.training.error_injection import HardwareTraining

_LAYER_COLUMNS = {
    "layer": "", "kind": "", "format": "", "shifts": "", "weights": "B", "noise over signal": "", "sensitivity": "",
}  # fmt: skip
_MODEL_COLUMNS = {
    "layer": "", "type": "", "fits": "", "R2 of mean": "", "at most": "", "R2 of deviation": "", "at most ": "",
    "variance explained": "", "fixed": "",
}  # fmt: skip
_BITS = "bits of activations"  # the breakdown


def _adapted_report(adaptation: _Adaptation, inputs: Mapping[str, Any], epochs: int) -> Report:
    """Return the Report on one format of `adapt`; its detail is the AdaptedNetwork, with pictures on request."""
    network, question = adaptation.network, adaptation.question
    trained = f", {epochs} epoch{'s' * (epochs > 1)} of retraining" if epochs else ""
    metrics = {"accuracy": _accuracies(adaptation), **_sizes(adaptation), **_shifts(adaptation)}
    trained_how = adaptation.compression.trained
    if trained_how is not None:
        metrics["training"] = _training(trained_how)
    if (schedule := adaptation.compression.schedule) is not None:
        metrics["schedule"] = schedule.metrics()
    if question is not None:
        metrics["array"] = _array_metrics(question, adaptation.compression.encoded)
    tables = {"layers": Table.of(_LAYER_COLUMNS, _layer_rows(adaptation))}
    if trained_how is not None and trained_how.models:
        rows = [(name, m.kind, m.fits, *vars(m.quality).values()) for name, m in trained_how.models.items()]
        tables["error models"] = Table.of(_MODEL_COLUMNS, rows)
    if adaptation.bits:
        tables[_BITS] = Table.of({"bits": "", "accuracy": "fraction"}, adaptation.bits.items())
    report = Report.of(
        inputs if question is None else {**inputs, "system": question.system},
        metrics,
        tables,
        title=f"{network.name} on {adaptation.data.name} in {adaptation.formats}{trained}",
        papers=("li2021swis",) if "swis" in adaptation.formats else (),
        findings=_retraining_findings(adaptation.detail),
    )
    return report.with_detail(
        adaptation.detail, lambda: _pictures(report, adaptation.compression.encoded, adaptation.bits)
    )


def _training(training: HardwareTraining) -> dict[str, Metric]:
    """Return how layers on approximate hardware were trained, and the quality of the worst error model."""
    metrics = {
        "exact_epochs": Metric(training.exact_share, "fraction", "given", f"method {training.method}"),
        "epoch": Metric(training.seconds, "s", "measured", "wall clock, validation included"),
    }
    qualities = {name: model.quality for name, model in training.models.items()}
    if not qualities:
        return metrics
    mean, deviation = (min(qualities, key=lambda name: vars(qualities[name])[part]) for part in ("mean", "spread"))
    note = "R2 over bins of the sum, at most {:.3f} by the bins' own error"
    worst = {
        "error_mean": (mean, qualities[mean].mean, qualities[mean].mean_ceiling),
        "error_deviation": (deviation, qualities[deviation].spread, qualities[deviation].spread_ceiling),
    }
    return metrics | {
        part: Metric(value, "", "measured", f"worst layer: {name}", note.format(ceiling))
        for part, (name, value, ceiling) in worst.items()
    }


def _accuracies(adaptation: _Adaptation) -> dict[str, Metric]:
    """Return the accuracy at each stage, and the paired change from the first stage to the last."""
    from slipstick.training.paired_comparison import paired

    detail = adaptation.detail
    compared = paired(detail.before, detail.after)
    source, (low, high) = f"{compared.images} images of {adaptation.data.name}", compared.interval
    stages = {"before": detail.before, "rounded": detail.rounded, "after": detail.after}
    if adaptation.network.module is None:
        del stages["rounded"]
    note = "bit-true" if adaptation.network.integers else ""
    shares = {
        stage: Metric(float(right.mean()), "fraction", "measured", source, note) for stage, right in stages.items()
    }
    return shares | {
        "change": Metric(compared.change, "fraction", "measured", "paired"),
        "change_low": Metric(low, "fraction", "measured", "95 % interval, paired"),
        "change_high": Metric(high, "fraction", "measured", "95 % interval, paired"),
        "p_value": Metric(compared.p_value, "", "measured", "McNemar's exact test"),
    }


def _sizes(adaptation: _Adaptation) -> dict[str, Any]:
    """Return the bytes of the quantised layers, and of the same layers in int8; empty where no layer is quantised."""
    from slipstick.compress.layer_formats import bias_bytes

    compression = adaptation.compression
    packed, int8 = compression.packed_bytes, compression.int8_bytes
    if not packed:
        return {}
    sizes = {
        "packed": Metric(packed, "B", "measured", "of all layers in formats, scales and pools included"),
        "int8": Metric(int8, "B", "measured", "of the same layers, scales included"),
        "compression": Metric(int8 / packed, "", "measured", "int8 over packed"),
    }
    if not adaptation.network.integers:
        biases = bias_bytes(adaptation.network)
        with_biases = (int8 + biases) / (packed + biases)
        sizes["biases"] = Metric(biases, "B", "measured", "fp32, one of each filter, batch norms folded in")
        sizes["compression_with_biases"] = Metric(with_biases, "", "measured", "int8 over packed")
    return {"weights": sizes}


def _shifts(adaptation: _Adaptation) -> dict[str, Any]:
    """Return average shifts: of an integer network weighted by bytes and by cycles, else those of the schedule."""
    from slipstick.compress.shift_budget import average_shifts, shift_costs

    network, forms, shifts = adaptation.network, adaptation.compression.formats, adaptation.study.shifts
    layers, source = network.layers(), "mean over all layers"
    if not network.integers:
        layers = tuple(layer for layer in layers if layer.name in shifts)
        source = "mean over all scheduled filters"
    means = {
        f"by_{weighed}": average_shifts(layers, forms, shifts, shift_costs(network, forms, weighed))
        for weighed in (("bytes", "cycles") if network.integers else ("bytes",))
    }
    metrics = {name: Metric(mean, "", "measured", source) for name, mean in means.items() if mean}
    return {"shifts": metrics} if metrics else {}


def _layer_rows(adaptation: _Adaptation) -> list[tuple[Any, ...]]:
    """Return a table row per layer: format, bytes, quantisation noise before training, and sensitivity.

    The bytes are a layer's own: a pool that layers share has a row behind them.
    """
    compression, study, rows = adaptation.compression, adaptation.study, []
    for layer in adaptation.network.layers():
        if layer.name not in compression.formats:
            continue
        name, encoded = layer.name, compression.encoded[layer.name]
        own = encoded.nbytes - encoded.encoding.shared_bytes
        noise_and_sensitivity = (compression.noise.get(name), study.sensitivity.get(name))
        shifts = _mean(study.shifts.get(name))
        rows.append(
            (layer.label or name, layer.kind, compression.formats[name].name, shifts, own, *noise_and_sensitivity)
        )
    pools = _pools(compression.encoded).items()
    return rows + [("pool", "shared", name, None, pool.nbytes, None, None) for name, pool in pools]


def _mean(shifts: IntArray | None) -> float | None:
    return None if shifts is None else float(shifts.mean())


def _pools(encoded: Mapping[str, Encoded]) -> dict[str, np.ndarray]:
    """Return the shared pools by the names of their formats; layers of one format share a pool."""
    return {tensor.encoding.name: tensor.side["pool"] for tensor in encoded.values() if "pool" in tensor.side}


def _retraining_findings(detail: _AdaptedNetwork) -> tuple[Finding, ...]:
    """Return a finding where retraining lowered the accuracy."""
    lost = float(detail.rounded.mean() - detail.after.mean())
    if lost <= 0:
        return ()
    message = f"{100 * lost:.1f} points fewer right after retraining than before it: a lower rate, or more epochs"
    return (Finding("retraining", message, "accuracy.after"),)


def _pictures(report: Report, encoded: Mapping[str, Encoded], curve: Mapping[int, float]) -> dict[str, str]:
    """Return the SVG pictures: sensitivities, accuracy against activation bits (if measured), pool vectors."""
    from slipstick.compress.accuracy_pictures import accuracy_svg, sensitivity_svg
    from slipstick.formats.format_pictures import MAX_VECTORS, pool_svg

    pictures = {}
    if rows := [row for row in report.breakdowns["layers"].rows if row[-1] is not None]:
        names, kinds, values = zip(*((row[0], row[1], row[-1]) for row in rows), strict=True)
        pictures["Sensitivity of every layer"] = sensitivity_svg(names, kinds, values)
    if curve:
        points = [(float(bits), share, f"{bits} bits") for bits, share in curve.items()]
        title, series = report.title, {report.inputs["formats"]: points}
        pictures["Accuracy against bits of activations"] = accuracy_svg(series, title, _BITS)
    for name, pool in _pools(encoded).items():
        if len(pool) <= MAX_VECTORS:
            pictures[f"Vectors of {name}"] = pool_svg(pool)
    return pictures
