"""`adapt` for integer networks: other formats without training, accuracy before and after, image by image, bytes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.core.errors import SlipstickError
from slipstick.engines import adapt_report
from slipstick.engines.adapt_rules import Rules, split
from slipstick.engines.adapted_array import array_question, with_array
from slipstick.report.answer import Answer
from slipstick.report.report import Metric, Report, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slipstick.compress.integer_post_training import Compressed, LayerIn
    from slipstick.core.progress import Progress
    from slipstick.core.question import Question
    from slipstick.datasets.images import DataSet, Images
    from slipstick.engines.question import SystemSpec
    from slipstick.trained.integer.integer_network import IntegerNetwork
    from slipstick.trained.integer.layer_statistics import LayerInputs
    from slipstick.training.paired_comparison import Paired

POSITIONS = 12  # windows of each image for the second moments


@dataclass(frozen=True, eq=False)
class AdaptedInteger(Answer):
    """The network in its formats, which images were right before and after, and the Report."""

    compressed: Compressed
    before: NDArray[np.bool_]
    after: NDArray[np.bool_]
    report: Report
    source: Path
    sensitivity: NDArray[np.float64] | None = None

    def pictures(self) -> dict[str, str]:
        """Return how sensitive the network is to each layer, where that was measured."""
        from slipstick.compress.accuracy_pictures import sensitivity_svg
        from slipstick.compress.integer_post_training import kind_of

        if self.sensitivity is None:
            return {}
        layers = [one.layer for one in self.compressed.layers]
        names, kinds = [layer.readable for layer in layers], [kind_of(layer) for layer in layers]
        return {"Sensitivity of every layer": sensitivity_svg(names, kinds, self.sensitivity)}

    def write(self, path: str | Path) -> None:
        """Write the network's file with its weights and biases replaced: it runs wherever the first one did."""
        from slipstick.core.files import write_bytes
        from slipstick.trained.tflite import patch

        write_bytes(path, patch(self.source, self.compressed.weights, self.compressed.biases))

    def write_packed(self, path: str | Path) -> int:
        """Write the packed weights by layer (`slipstick.formats.packed_file`); return the file's bytes."""
        from slipstick.formats.packed_file import write_packed

        return write_packed(path, {one.layer.name: one.encoded for one in self.compressed.layers})


def adapt_integer(
    net: str | Path,
    formats: str,
    data: DataSet,
    rules: Rules,
    *,
    system: SystemSpec | None = None,
    background: int | None = None,
    progress: Progress | None = None,
) -> AdaptedInteger:
    """Put the weights of an 8-bit ``.tflite`` network into other formats without training, and score it.

    The arguments are those of `slipstick.verbs.adapt.adapt`.
    """
    from slipstick.trained.integer.accuracy import accuracy
    from slipstick.trained.integer.integer_graph import integer_graph
    from slipstick.trained.tflite import read_tflite
    from slipstick.training.paired_comparison import paired

    say = progress or (lambda done, total, text: None)
    network = read_tflite(net)
    tuning, scored = split(data, rules)
    offset = background if background is not None else network.tensors[network.output].size - len(data.classes)
    question = None if system is None else array_question(integer_graph(network), system)
    compressed, seen, weights = _compressed(network, formats, codes_of(network, tuning), rules, question, say)
    pictures = codes_of(network, scored)
    say(1, 3, f"{len(scored)} images before")
    before = accuracy(network, pictures, scored.labels, background=offset)
    say(2, 3, f"{len(scored)} images after")
    after = accuracy(
        network, pictures, scored.labels, background=offset, weights=compressed.weights, biases=compressed.biases
    )
    say(3, 3, "done")
    layers = _layers(compressed, seen, weights)
    right = paired(before, after), (before, after)
    report = _report(Path(net), formats, data.name, compressed, layers, *right, rules.said(tuning))
    if question is not None:
        report = with_array(report, question, {one.layer.name: one.encoded for one in compressed.layers})
    return AdaptedInteger(compressed, before, after, report, Path(net), weights)


def _compressed(
    network: IntegerNetwork,
    formats: str,
    tuning: NDArray[Any],
    rules: Rules,
    question: Question | None,
    say: Progress,
) -> tuple[Compressed, tuple[LayerInputs, ...] | None, NDArray[np.float64] | None]:
    """Return the network in its formats, what its layers saw, and its sensitivities, where those were looked at."""
    from slipstick.array.encoded_weights import shift_cycles
    from slipstick.compress.integer_post_training import compress
    from slipstick.compress.integer_sensitivity import sensitivities, spread
    from slipstick.trained.integer.layer_statistics import layer_inputs

    seen = weights = None
    if rules.looks:
        say(0, 3, f"what layers see of {len(tuning)} images")
        seen = layer_inputs(network, tuning, positions=POSITIONS)
        if rules.shifts is not None:
            weights = sensitivities(network, formats, seen, spread(tuning), progress=say)
    costs = shift_cycles(question.workload, question.system) if question and rules.weighed == "cycles" else None
    compressed = compress(
        network, formats, inputs=seen, shifts=rules.shifts, weighed=rules.weighed, costs=costs, sensitivity=weights,
        columns=rules.columns_of(question), correct=rules.correct,
    )  # fmt: skip
    return compressed, seen, weights


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
    from slipstick.compress.integer_post_training import shift_costs

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
            "accuracy": adapt_report.accuracies(data, compared, "bit-true", before=right[0], after=right[1]),
            **adapt_report.weights(kept, plain),
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
    from slipstick.compress.integer_post_training import kind_of, noise, signal

    rows = []
    for place, one in enumerate(compressed.layers):
        share = weight = None
        if seen is not None:
            share = float(noise(one.layer, one.codes, seen[place]).sum()) / signal(one.layer, seen[place])
        if sensitivity is not None:
            weight = float(sensitivity[place])
        name = one.layer.readable
        rows.append((name, kind_of(one.layer), one.format.name, _mean(one), one.storage_bytes, share, weight))
    return adapt_report.layer_table(rows)


def _mean(one: LayerIn) -> float | None:
    return None if one.shifts is None else float(one.shifts.mean())
