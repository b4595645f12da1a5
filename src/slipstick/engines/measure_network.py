"""Engine of `measure`: accuracy of a trained network on test images, with its weights in any number format."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Plan
from slipstick.core.question import Question
from slipstick.core.system import THIS_MACHINE
from slipstick.report.report import Metric, Report
from slipstick.trained.weighted_network import WeightedNetwork

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from slipstick.datasets.images import DataSet, Images
    from slipstick.engines.question import SystemSpec
    from slipstick.trained.network import TrainedNetwork

_INTEGER_FORMAT = "int8"  # of an integer network's weights, where no other is asked for


def measure_everywhere(
    network: str | Path | nn.Module | TrainedNetwork,
    data: str | Path | DataSet | None,
    formats: str,
    images: int | None,
    board: SystemSpec | None,
) -> Report:
    """Return the Report of `measure`: accuracy on a data set (here), instructions on a board, or both in one."""
    from slipstick.datasets import data_set
    from slipstick.engines.answer import answer
    from slipstick.trained.open import open_network

    scored_on = None if data is None else data_set(data)
    opened = open_network(network, scored_on)
    plan = Plan.of({"formats.layers": formats}) if formats else None
    scoring = {} if scored_on is None else {"data": scored_on, "images": images}
    quantised = board is not None and not opened.integers  # then the board's integers are scored
    asked: list[tuple[SystemSpec, dict[str, Any]]] = []
    asked += [(THIS_MACHINE, scoring)] if scoring and not quantised else []
    asked += [] if board is None else [(board, scoring if quantised else {})]
    if not asked:
        message = "nothing to measure with: give a data set (accuracy), a board (instructions), or both"
        raise SlipstickError(message, path="data, board")
    return _joined([answer("measure", opened, system, plan, **options) for system, options in asked])


def _joined(reports: Sequence[Report]) -> Report:
    """Return one Report with the figures of all: inputs of later ones stand over equal names of earlier ones."""
    if len(reports) == 1:
        return reports[0]
    parts: dict[str, Any] = {"inputs": {}, "metrics": {}, "breakdowns": {}}
    for name, union in parts.items():
        for report in reports:
            union |= getattr(report, name)
    title = ", ".join(report.title for report in reports)
    joined = Report.of(parts["inputs"], parts["metrics"], parts["breakdowns"], title=title)
    return joined.with_detail(reports[0].detail)


def measure_accuracy(question: Question) -> Report:
    """Return the Report of `measure` on this machine: accuracy on the data set of the option `data`."""
    from slipstick.datasets import data_set

    if "data" not in question.options:
        raise SlipstickError("no data set to score on", path="data", allowed="a data set, its name or path")
    data: DataSet = data_set(question.options["data"])
    test = _test_images(data, question.options.get("images"))
    network, formats = WeightedNetwork.of(question.workload.network).trained, question.plan.formats.layers
    started = time.perf_counter()
    right, stored, int8 = _measured(network, formats, test, data.train)
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
    inputs = {**question.inputs(), "data": data.name, "images": len(right)}
    title = f"{network.name} on {data.name} in {formats or 'its own formats'}"
    return Report.of(inputs, metrics, title=title).with_detail(right)


def quantised_accuracy(
    real: TrainedNetwork, integers: TrainedNetwork, question: Question
) -> tuple[dict[str, Metric], NDArray[np.bool_]]:
    """Return the accuracy of a quantised network beside that in real numbers, and which test images it gets right.

    Both see the test images of the question's data set; their difference is paired.
    """
    from slipstick.trained.network import right_answers
    from slipstick.training.paired_comparison import paired

    data: DataSet = question.options["data"]
    test = _test_images(data, question.options.get("images"))
    before, right = right_answers(real, test), right_answers(integers, test)
    compared, source = paired(before, right), f"{len(right)} test images of {data.name}"
    low, high = compared.interval
    accuracy = _accuracy(right, source) | {
        "real": Metric(
            float(before.mean()), "fraction", "measured", source, "before quantisation, in the same formats"
        ),
        "change": Metric(compared.change, "fraction", "measured", "paired"),
        "change_low": Metric(low, "fraction", "measured", "95 % interval, paired"),
        "change_high": Metric(high, "fraction", "measured", "95 % interval, paired"),
    }
    return accuracy, right


def _test_images(data: DataSet, images: int | None) -> Images:
    """Return so many test images, evenly from all; SlipstickError for none."""
    test = data.test.some(images)
    if not len(test):
        raise SlipstickError("no test images", path="images", value=images, allowed="from 1")
    return test


def _measured(network: TrainedNetwork, formats: str, test: Images, train: Images) -> tuple[NDArray[np.bool_], int, int]:
    """Return which images are right, and the weights' bytes: as stored, and in int8.

    Layers on approximate hardware compute by their arithmetic, with ranges found on training images.
    """
    from slipstick.compress.adapt_options import CalibrationImages
    from slipstick.compress.compression import compress
    from slipstick.compress.hardware_layers import hardware_layers, on_hardware
    from slipstick.compress.layer_formats import layer_formats
    from slipstick.trained.network import right_answers

    text = formats or (_INTEGER_FORMAT if network.integers else "")
    if not text:
        parameters = network.module.parameters()
        stored = sum(parameter.numel() * parameter.element_size() for parameter in parameters)
        return right_answers(network, test), stored, sum(layer.int8_bytes for layer in network.layers())
    forms = layer_formats(network, text)
    compression = compress(network, forms, correct=False)
    if not len(train) and not all(form.arithmetic.exact_products for form in forms.values()):
        allowed = "a data set with training images, or slipstick adapt, which calibrates on every second test image"
        raise SlipstickError("ranges of approximate layers need training images", path="data", allowed=allowed)
    hardware = hardware_layers(network, forms, train.drawn(CalibrationImages().calibrate))
    computing = on_hardware(compression.network, hardware)
    return right_answers(computing, test), compression.packed_bytes, compression.int8_bytes


def _accuracy(right: NDArray[np.bool_], source: str) -> dict[str, Metric]:
    from slipstick.training.evaluation import interval

    low, high = interval(right)
    return {
        "top1": Metric(float(right.mean()), "fraction", "measured", source),
        "low": Metric(low, "fraction", "measured", "95 % interval, Wilson"),
        "high": Metric(high, "fraction", "measured", "95 % interval, Wilson"),
    }
