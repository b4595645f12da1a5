"""Engine of `measure`: accuracy of a trained network on test images, with its weights in any number format."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipstick.core.errors import SlipstickError
from slipstick.report.report import Metric, Report

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from slipstick.datasets.images import DataSet, Images
    from slipstick.engines.board_networks import _BoardNetwork
    from slipstick.engines.question import SystemSpec
    from slipstick.trained.network import TrainedNetwork

_INTEGER_FORMAT = "int8"  # of an integer network's weights, where no other is asked for


def measure_both(
    network: str | Path | nn.Module | TrainedNetwork,
    data: str | Path | DataSet | None,
    formats: str,
    images: int | None,
    board: SystemSpec | None,
) -> Report:
    """Return the Report of `measure`: accuracy on a data set, instructions on a board, or both in one."""
    from slipstick.datasets import data_set

    if data is None and board is None:
        message = "nothing to measure with: give a data set (accuracy), a board (instructions), or both"
        raise SlipstickError(message, path="data, board")
    data_of = None if data is None else data_set(data)
    if board is None:
        assert data_of is not None  # noqa: S101  said above
        return measure_network(network, data_of, formats, images)
    from slipstick.engines.board_networks import _board_network
    from slipstick.engines.emit_firmware import measure_board

    made = _board_network(network, data_of, formats)
    counted = measure_board(made, board, formats)
    if data_of is None:
        return counted
    scored = _on_board(made, data_of, images) if made.real else measure_network(network, data_of, formats, images)
    metrics = {**scored.metrics, **counted.metrics}
    tables = {**scored.breakdowns, **counted.breakdowns}
    report = Report.of({**scored.inputs, **counted.inputs}, metrics, tables, title=f"{scored.title}, {counted.title}")
    return report.with_detail(scored.detail)


def _on_board(made: _BoardNetwork, data: DataSet, images: int | None) -> Report:
    """Return the accuracy of a quantised network beside that in real numbers, paired over the same test images."""
    from slipstick.trained.network import right_answers
    from slipstick.training.paired_comparison import paired

    test = _test_images(data, images)
    assert made.real is not None  # noqa: S101  the caller's condition
    real, right = right_answers(made.real, test), right_answers(made.network, test)
    compared, source = paired(real, right), f"{len(right)} test images of {data.name}"
    low, high = compared.interval
    accuracy = _accuracy(right, source) | {
        "real": Metric(float(real.mean()), "fraction", "measured", source, "before quantisation, weights in formats"),
        "change": Metric(compared.change, "fraction", "measured", "paired"),
        "change_low": Metric(low, "fraction", "measured", "95 % interval, paired"),
        "change_high": Metric(high, "fraction", "measured", "95 % interval, paired"),
    }
    inputs = {"data": data.name, "images": len(right)}
    title = f"{made.network.name} on {data.name} in 8-bit integers"
    return Report.of(inputs, {"accuracy": accuracy, **made.metrics}, title=title).with_detail(right)


def _test_images(data: DataSet, images: int | None) -> Images:
    """Return so many test images, evenly from all; SlipstickError for none."""
    test = data.test.some(images)
    if not len(test):
        raise SlipstickError("no test images", path="images", value=images, allowed="from 1")
    return test


def measure_network(
    network: str | Path | nn.Module | TrainedNetwork, data: DataSet, formats: str, images: int | None
) -> Report:
    """Return the Report of `measure` on a data set; the arguments are those of `slipstick.measure`."""
    from slipstick.trained.open import open_network

    test = _test_images(data, images)
    started = time.perf_counter()
    opened = open_network(network, data)
    right, stored, int8 = _measured(opened, formats, test)
    seconds = time.perf_counter() - started
    metrics: dict[str, Any] = {
        "accuracy": _accuracy(right, f"{len(right)} test images of {data.name}"),
        "throughput": {
            "images": Metric(len(right) / seconds, "sample/s", "measured", "this machine, encoding included")
        },
    }
    if stored:
        metrics["weights"] = {
            "stored": Metric(float(stored), "B", "measured", "scales included"),
            "int8": Metric(float(int8), "B", "measured", "of the same layers, scales included"),
            "compression": Metric(int8 / stored, "", "measured", "int8 over stored"),
        }
    inputs = {"network": opened.name, "data": data.name, "formats": formats, "images": len(right)}
    title = f"{opened.name} on {data.name} in {formats or 'its own formats'}"
    return Report.of(inputs, metrics, title=title).with_detail(right)


def _measured(network: TrainedNetwork, formats: str, test: Images) -> tuple[NDArray[np.bool_], int, int]:
    """Return which images are right, and the weights' bytes: as stored, and in int8."""
    from slipstick.compress.compression import compress
    from slipstick.compress.layer_formats import layer_formats
    from slipstick.trained.network import right_answers

    text = formats or (_INTEGER_FORMAT if network.integers else "")
    if not text:
        parameters = network.module.parameters()
        stored = sum(parameter.numel() * parameter.element_size() for parameter in parameters)
        return right_answers(network, test), stored, sum(layer.int8_bytes for layer in network.layers())
    compression = compress(network, layer_formats(network, text), correct=False)
    return right_answers(compression.network, test), compression.packed_bytes, compression.int8_bytes


def _accuracy(right: NDArray[np.bool_], source: str) -> dict[str, Metric]:
    from slipstick.training.evaluation import interval

    low, high = interval(right)
    return {
        "top1": Metric(float(right.mean()), "fraction", "measured", source),
        "low": Metric(low, "fraction", "measured", "95 % interval, Wilson"),
        "high": Metric(high, "fraction", "measured", "95 % interval, Wilson"),
    }
