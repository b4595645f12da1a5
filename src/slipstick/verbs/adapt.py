"""`adapt`: an integer network in other formats, its accuracy before and after, image by image, and its bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.core.answer import Answer
from slipstick.core.errors import SlipstickError
from slipstick.core.report import Metric, Report, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slipstick.adapt.paired import Paired
    from slipstick.adapt.post_training import Compressed, LayerIn, Weighed
    from slipstick.models.datasets.images import DataSet, Images
    from slipstick.models.integer.network import IntegerNetwork
    from slipstick.models.integer.statistics import LayerInputs
    from slipstick.verbs.question import Question, SystemSpec

CALIBRATE = 500  # images
POSITIONS = 12  # windows of each image for the second moments


@dataclass(frozen=True, eq=False)
class Adapted(Answer):
    """The network in its formats, which images were right before and after, and the Report."""

    compressed: Compressed
    before: NDArray[np.bool_]
    after: NDArray[np.bool_]
    report: Report
    source: Path
    sensitivity: NDArray[np.float64] | None = None

    def pictures(self) -> dict[str, str]:
        """Return how sensitive the network is to each layer, where that was measured."""
        from slipstick.adapt.draw import sensitivity_svg
        from slipstick.adapt.post_training import kind_of

        if self.sensitivity is None:
            return {}
        layers = [one.layer for one in self.compressed.layers]
        names, kinds = [layer.readable for layer in layers], [kind_of(layer) for layer in layers]
        return {"Sensitivity of every layer": sensitivity_svg(names, kinds, self.sensitivity)}

    def file(self) -> bytes:
        """Return the network's file with its weights and biases replaced: it runs wherever the first one did."""
        from slipstick.models.tflite import patch

        return patch(self.source, self.compressed.weights, self.compressed.biases)

    def write_packed(self, path: str | Path) -> int:
        """Write the packed weights by layer (`slipstick.formats.packed`); return the file's bytes."""
        from slipstick.formats.packed import write_packed

        return write_packed(path, {one.layer.name: one.encoded for one in self.compressed.layers})


def adapt(
    net: str | Path,
    formats: str,
    data: str | Path | DataSet,
    *,
    shifts: float | None = None,
    weighed: Weighed = "bytes",
    columns: int | None = None,
    correct: bool = True,
    system: SystemSpec | None = None,
    calibrate: int = CALIBRATE,
    images: int | None = None,
    root: str | Path | None = None,
    background: int | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Adapted:
    """Put the weights of an integer network into other formats without training, and score it.

    Parameters
    ----------
    net
        The path of an 8-bit ``.tflite`` file.
    formats
        ``swis:3``, or by patterns: ``swis:3;depthwise=int8;last=int8``.
    data
        A data set, its name or path: `calibrate` training images calibrate, the test images are scored. Without
        training images every second test image calibrates, and the others are scored.
    shifts
        The average that a schedule divides over the filters of all layers whose format has shifts.
    weighed
        What the average counts: ``bytes`` (groups) or ``cycles`` (of the system's array; without one, groups times
        positions).
    columns
        Filters that share their shifts. Default: the columns of the array whose cycles count, else 1.
    correct
        Correct the biases.
    system
        An array: the Report says what the weights take on it, against int8.
    images
        Use so many images only.
    root
        The folder of the data sets. Default: the variable SLIPSTICK_DATA.
    background
        Outputs before that of class 0. Default: 1 where the network has one output more than the data has classes.
    progress
        Called with what is done, of how much, and what it is.

    Errors
    ------
    SlipstickError for files and formats that are none, and data that does not fit the network.
    """
    from slipstick.adapt.paired import paired
    from slipstick.adapt.post_training import compress
    from slipstick.adapt.sensitivity import sensitivities, spread
    from slipstick.array.adapted import on_array, shift_cycles
    from slipstick.models.datasets import data_set
    from slipstick.models.integer.score import accuracy
    from slipstick.models.integer.statistics import layer_inputs
    from slipstick.models.tflite import read_tflite

    say = progress or (lambda done, total, text: None)
    network = read_tflite(net)
    found = data_set(data, root=root)
    tuning, scored = _split(found.train, found.test, calibrate, images)
    offset = background if background is not None else network.tensors[network.output].size - len(found.classes)
    seen = weights = None
    if calibrate < 1:
        raise SlipstickError("out of range", path="calibrate", value=calibrate, allowed="from 1")
    question = None if system is None else array_question(network, system)
    if correct or shifts is not None:
        say(0, 3, f"what layers see of {len(tuning)} images")
        seen = layer_inputs(network, codes_of(network, tuning), positions=POSITIONS)
    if seen is not None and shifts is not None:
        weights = sensitivities(network, formats, seen, spread(codes_of(network, tuning)), progress=say)
    costs = shift_cycles(question.workload, question.system) if question and weighed == "cycles" else None
    if columns is None:
        columns = question.system.array.columns if question and question.system.array and costs else 1
    compressed = compress(
        network, formats, inputs=seen, shifts=shifts, weighed=weighed, costs=costs, sensitivity=weights,
        columns=columns, correct=correct,
    )  # fmt: skip
    say(1, 3, f"{len(scored)} images before")
    pictures = codes_of(network, scored)
    before = accuracy(network, pictures, scored.labels, background=offset)
    say(2, 3, f"{len(scored)} images after")
    after = accuracy(
        network, pictures, scored.labels, background=offset, weights=compressed.weights, biases=compressed.biases
    )
    say(3, 3, "done")
    asked = {
        "shifts": shifts, "weighed": weighed, "columns": columns, "correct": correct, "calibrated on": len(tuning),
    }  # fmt: skip
    right = paired(before, after), (before, after)
    report = _report(Path(net), formats, found.name, compressed, _layers(compressed, seen, weights), *right, asked)
    if question is not None:
        encoded = {one.layer.name: one.encoded for one in compressed.layers}
        there = on_array(question.workload, question.system, encoded)
        metrics = {**report.metrics, "array": there}
        report = replace(report, metrics=metrics, inputs={**report.inputs, "system": question.system})
    return Adapted(compressed, before, after, report, Path(net), weights)


def _split(train: Images, test: Images, calibrate: int, most: int | None) -> tuple[Images, Images]:
    """Return images to calibrate on, of the training images, and those to score: the test images.

    Without training images every second test image calibrates, and the others are scored.
    """
    count = len(test) if most is None else min(most, len(test))
    if len(train) and count:
        drawn = np.random.default_rng(0).permutation(len(train))[:calibrate]  # sets are ordered by class, or otherwise
        return train.take(drawn), test.take(np.arange(count))
    if count < 2:
        raise SlipstickError("too few test images", path="images", value=count, allowed="from 2")
    return test.take(np.arange(0, count, 2)[:calibrate]), test.take(np.arange(1, count, 2))


def codes_of(network: Any, images: Images) -> NDArray[Any]:
    """Return images as the network's input codes: bytes as they are, or moved by 128 for int8."""
    source = network.tensors[network.input]
    if images.images.shape[1:] != source.shape[1:]:
        raise SlipstickError(
            "images of another shape", path="data", value=list(images.images.shape[1:]), allowed=str(source.shape[1:])
        )
    return images.images if source.dtype == np.uint8 else (images.images.astype(np.int16) - 128).astype(np.int8)


def _report(
    net: Path,
    formats: str,
    data: str,
    compressed: Compressed,
    layers: Table,
    compared: Paired,
    right: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    asked: dict[str, Any],
) -> Report:
    from slipstick.adapt.post_training import shift_costs

    source = f"{compared.images} images of {data}"
    low, high = compared.interval
    kept = sum(one.storage_bytes for one in compressed.layers)
    plain = sum(one.layer.codes.size + 4 * len(one.layer.codes) for one in compressed.layers)
    effective = {
        how: compressed.effective_shifts(shift_costs(compressed.network, _group(compressed), how))
        for how in ("bytes", "cycles")
    }
    shifts = {
        f"by_{how}": Metric(value, "", "measured", "mean over all layers") for how, value in effective.items() if value
    }
    return Report(
        title=f"{net.stem} in {formats}",
        metrics={
            "accuracy": {
                "before": Metric(float(right[0].mean()), "fraction", "measured", source, "bit-true, int8"),
                "after": Metric(float(right[1].mean()), "fraction", "measured", source, "bit-true"),
                "change": Metric(compared.change, "fraction", "measured", "paired"),
                "change_low": Metric(low, "fraction", "measured", "95 % interval, paired"),
                "change_high": Metric(high, "fraction", "measured", "95 % interval, paired"),
                "p_value": Metric(compared.p_value, "", "measured", "McNemar's exact test"),
            },
            "weights": {
                "packed": Metric(kept, "B", "measured", "scales included"),
                "int8": Metric(plain, "B", "measured", "scales included"),
                "compression": Metric(plain / kept, "", "measured", "int8 over packed"),
            },
            **({"shifts": shifts} if shifts else {}),
        },
        breakdowns={"layers": layers},
        inputs={"net": net.name, "formats": formats, "data": data, **asked},
        papers=("li2021swis",) if "swis" in formats else (),
    )


def _group(compressed: Compressed) -> int:
    return next((group for one in compressed.layers if (group := getattr(one.format, "group", None))), 4)


def _layers(
    compressed: Compressed, seen: tuple[LayerInputs, ...] | None, sensitivity: NDArray[np.float64] | None
) -> Table:
    """Return the noise that each layer's weights make in its output, and how much of it the network's output shows."""
    from slipstick.adapt.post_training import kind_of, noise, signal

    rows = []
    for place, one in enumerate(compressed.layers):
        share = weight = None
        if seen is not None:
            share = float(noise(one.layer, one.codes, seen[place]).sum()) / signal(one.layer, seen[place])
        if sensitivity is not None:
            weight = float(sensitivity[place])
        name = one.layer.readable
        rows.append((name, kind_of(one.layer), one.format.name, _mean(one), one.storage_bytes, share, weight))
    heads = {
        "layer": "", "kind": "", "format": "", "shifts": "", "weights": "B", "noise over signal": "", "sensitivity": "",
    }  # fmt: skip
    return Table.of(heads, rows)


def _mean(one: LayerIn) -> float | None:
    return None if one.shifts is None else float(one.shifts.mean())


def array_question(network: IntegerNetwork, system: SystemSpec) -> Question:
    """Return an integer network and the array that is asked about.

    Errors
    ------
    SlipstickError for a system that is none, or no array.
    """
    from slipstick.models.integer.graph import integer_graph
    from slipstick.verbs.question import ask

    question = ask(integer_graph(network), system)
    if question.system.array is None:
        raise SlipstickError("not an array", path="system", value=question.system.name)
    return question
