"""Engine of `emit` on dot-product arrays: golden vectors of a trained network's layers, with a reference in numpy."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.array.dot_product_array import DotProductArray
from slipstick.array.dot_product_layer import _checked
from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.core.question import Question
from slipstick.report.metric import Metric, Table
from slipstick.report.report import Report

if TYPE_CHECKING:
    from slipstick.array.golden.golden_layer import GoldenLayer
    from slipstick.datasets.images import DataSet, Images
    from slipstick.trained.network import TrainedNetwork

_IMAGES, _TRACE = 1, 4  # what a test bench can look at by eye
_MAX_IMAGES, _MAX_TRACE = 64, 256  # beyond them the values of a folder are too many anyway
_COLUMNS = {
    "folder": "", "layer": "", "format": "", "inputs": "", "weights": "", "sums": "", "largest sum": "",
    "width": "b",
}  # fmt: skip


def emit_vectors(question: Question) -> Report:
    """Return the Report on golden vectors of a network's layers; the folder is written last, if the option `out` is.

    Inputs are those that reach the layers while the network runs on the array, of the first test images of `data`.

    Errors
    ------
    SlipstickError for a question without images, formats of another arithmetic than the array's, layers that are not
    there, too many values, and a folder that cannot be written.
    """
    from slipstick.array.golden.vector_files import vector_files
    from slipstick.edge.firmware.folder import check_folder, write_folder
    from slipstick.trained.weighted_network import WeightedNetwork

    options = question.options
    out, overwrite = options.get("out"), bool(options.get("overwrite"))
    if out is not None:
        check_folder(out, overwrite=overwrite)
    images = _bounded(options, "images", _IMAGES, (1, _MAX_IMAGES))
    trace = _bounded(options, "trace", _TRACE, (0, _MAX_TRACE))
    if "data" not in options:
        message = "golden vectors are of images, which also give the ranges of the layers' inputs"
        raise SlipstickError(message, path="data", allowed="--data NAME: digits, cifar10-jpeg, a folder")
    data: DataSet = options["data"]
    network = WeightedNetwork.of(question.workload.network).trained
    running = _on_array(network, question, data)
    layers = _golden_layers(running, options.get("layers"), data.test.take(np.arange(images)), trace)
    for layer in layers:
        _checked(layer.form, question.system.device_as(DotProductArray))
    files = vector_files(layers, layers[0].form.arithmetic.family, f"{network.name} for {question.system.name}")
    if out is not None:
        write_folder(out, files, overwrite=overwrite)
    inputs = {**question.inputs(), "data": data.name, "images": images, "trace": trace}
    inputs |= {} if out is None else {"out": str(out)}
    source = f"first {images} test images of {data.name}"
    tables = {"layers": Table.of(_COLUMNS, [_row(number, layer) for number, layer in enumerate(layers)])}
    title = f"golden vectors of {network.name} for {question.system.name}"
    return Report.of(inputs, _metrics(layers, files, source), tables, title=title).with_detail(layers)


def _bounded(options: Mapping[str, Any], name: str, default: int, bounds: tuple[int, int]) -> int:
    value: int = options.get(name, default)
    if not bounds[0] <= value <= bounds[1]:
        raise SlipstickError("out of range", path=name, value=value, allowed=f"{bounds[0]} to {bounds[1]}")
    return value


def _on_array(network: TrainedNetwork, question: Question, data: DataSet) -> Any:
    """Return the network as it runs on the array, calibrated on training images of the data.

    A network that was adapted to hardware keeps its own formats and ranges where the plan names no others.

    Errors
    ------
    SlipstickError for a network without a torch module, and formats of another arithmetic than the array's.
    """
    from slipstick.compress.adapt_options import CalibrationImages
    from slipstick.compress.hardware_layers import hardware_layers, on_hardware
    from slipstick.compress.layer_formats import layer_formats
    from slipstick.engines.adapt_network import _split

    device, planned = question.system.device_as(DotProductArray), question.plan.formats.layers
    torch_network: Any = network
    if network.module is None:
        allowed = "a network in real numbers: .safetensors, .onnx, a torch module"
        raise SlipstickError("golden vectors are quantised from weights", path="network", value=network.name,
                             allowed=allowed)  # fmt: skip
    if torch_network.hardware is not None and not planned:
        return network
    forms = layer_formats(network, f"{device.format};{planned}" if planned else device.format)
    forms = {name: _checked(form, device) for name, form in forms.items()}
    hardware = hardware_layers(network, forms, _split(data, CalibrationImages())[0])
    if hardware is None:
        raise SlipstickError("no layer computes on the array", path="formats", value=planned, allowed=device.format)
    return on_hardware(network, hardware)


def _golden_layers(running: Any, patterns: str | None, images: Images, trace: int) -> list[GoldenLayer]:
    """Return the golden vectors of a running network's layers, in the order in which they run.

    Errors
    ------
    SlipstickError for a pattern that fits no layer, and operands that are too many.
    """
    from slipstick.array.golden.layer_vectors import golden_layer
    from slipstick.array.golden.vector_files import check_size

    layers: Any = require("slipstick.training.approximate_layers", "torch")
    module = running.hardware(deepcopy(running.module)).eval()
    known = [layer.name for layer in running.layers() if layers.is_on_hardware(module.get_submodule(layer.name))]
    names = _named(known, patterns)
    operands: dict[str, Any] = {}

    def keep(name: str, layer: Any, inputs: tuple[Any, ...]) -> None:
        operands.setdefault(name, layers.hardware_operands(layer, inputs[0]))

    for name in names:
        module.get_submodule(name).register_forward_pre_hook(partial(keep, name))
    replace(running, module=module, hardware=None).predict(images)
    check_size(sum(part.elements.size for _, (x, w, _), *_ in operands.values() for part in (x, w)))
    golden = []
    for name in names:
        form, whole, steps, scale = operands[name]
        layer = golden_layer(name, form, whole, trace)
        golden.append(replace(layer, input_scale=scale, weight_steps=tuple(map(float, steps))))
    return golden


def _named(names: list[str], patterns: str | None) -> list[str]:
    """Return the names that patterns by comma fit, in their order; all without patterns."""
    texts = ["*"] if patterns is None else [text.strip() for text in patterns.split(",")]
    for text in texts:
        if not any(fnmatchcase(name, text) for name in names):
            raise SlipstickError("no layer on the array fits the pattern", path="layers", value=text, allowed=names)
    return [name for name in names if any(fnmatchcase(name, text) for text in texts)]


def _metrics(layers: list[GoldenLayer], files: Mapping[str, bytes], source: str) -> dict[str, Any]:
    arrays = [array for layer in layers for array in layer.arrays.values()]
    sums = sum(layer.arrays["sums"].values.size for layer in layers)
    return {
        "vectors": {
            "layers": Metric(float(len(layers)), "", "counted", source),
            "sums": Metric(float(sums), "", "counted", source, "expected results"),
            "values": Metric(float(sum(array.values.size for array in arrays)), "", "counted", source),
        },
        "files": {
            "count": Metric(float(len(files)), "", "counted", "the folder"),
            "bytes": Metric(float(sum(map(len, files.values()))), "B", "counted", "the folder"),
        },
    }


def _row(number: int, layer: GoldenLayer) -> tuple[object, ...]:
    shapes = ("x".join(map(str, layer.arrays[name].values.shape)) for name in ("inputs", "weights", "sums"))
    sums = layer.arrays["sums"]
    largest = int(np.abs(sums.values).max(initial=0))
    return f"layer{number:02d}", layer.name, layer.form.name, *shapes, largest, sums.bits
