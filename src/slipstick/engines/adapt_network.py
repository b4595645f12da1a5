"""Engine of `adapt`: a trained network in other number formats, scored before and after, optionally retrained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.core.device_kinds import Array
from slipstick.core.errors import SlipstickError
from slipstick.engines.adaptation import AdaptOptions, _Adaptation, _AdaptedNetwork
from slipstick.engines.adapted_array import _array_question, _cycle_costs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

    from slipstick.compress.adapt_options import CalibrationImages
    from slipstick.compress.compression import LayerStudy
    from slipstick.core.arrays import FloatArray
    from slipstick.core.format import Format
    from slipstick.core.progress import Progress
    from slipstick.core.question import Question
    from slipstick.datasets.images import DataSet, Images
    from slipstick.report.report import Report
    from slipstick.trained.network import TrainedNetwork

    _Right = np.ndarray[Any, np.dtype[np.bool_]]

_RANGE_IMAGES = 1024  # training images that find the ranges of activations


def _adapt_network(
    network: str | Path | nn.Module | TrainedNetwork,
    formats: str,
    data: DataSet,
    options: AdaptOptions,
    progress: Progress | None = None,
) -> Report:
    """Return the Report on a network quantised to formats, optionally retrained, and scored on test images.

    The arguments are those of `slipstick.adapt`; `formats` is one format.
    """
    from slipstick.compress.compression import compress
    from slipstick.compress.hardware_layers import hardware_layers, on_hardware
    from slipstick.compress.layer_formats import layer_formats
    from slipstick.compress.retraining import retrain
    from slipstick.engines.adapt_report import _adapted_report
    from slipstick.trained.network import right_answers
    from slipstick.trained.open import open_network

    opened = open_network(network, data)
    bits = _allowed(opened, options)
    tuning, scored = _split(data, options.calibration)
    before = right_answers(opened, scored)
    budget = options.schedule.budget_bytes()
    forms = layer_formats(opened, formats, budget=budget, progress=progress)
    question = None if options.system is None else _array_question(opened.graph(), options.system)
    study = _study(opened, forms, options, question, tuning, progress)
    outputs = tuning if options.calibration.fit == "outputs" else None
    compression = compress(opened, forms, study, correct=options.calibration.correct, outputs=outputs)
    hardware = hardware_layers(opened, forms, tuning)
    if hardware is not None:
        compression = replace(compression, formats={**compression.formats, **hardware.formats})
    after = rounded = right_answers(on_hardware(compression.network, hardware), scored)
    if options.retraining.trains:
        compression = retrain(opened, compression, data, options.retraining, hardware=hardware, progress=progress)
        after = right_answers(on_hardware(compression.network, hardware), scored)
    compression = replace(compression, network=on_hardware(compression.network, hardware))
    inputs = _inputs(opened, formats, data, options, tuning)
    notes = {"formats": formats, "adapted": inputs}
    detail = _AdaptedNetwork(compression.network, compression.encoded, before, rounded, after, notes)
    curve = _by_bits(compression.network, data, scored, bits, options.retraining.seed)
    adaptation = _Adaptation(opened, data, formats, compression, study, detail, question, curve)
    epochs = compression.schedule.epochs if compression.schedule is not None else options.retraining.epochs
    return _adapted_report(adaptation, inputs, epochs)


def _allowed(network: TrainedNetwork, options: AdaptOptions) -> tuple[int, ...]:
    """Return the requested bits of activations; an error where a network without a torch module cannot comply."""
    bits = options.calibration.activation_bits()
    if network.module is None:
        asked = {
            "retrain": options.retraining.epochs, "time": options.retraining.time, "folder": options.retraining.folder,
            "budget": options.schedule.budget, "activations": bits,
        }  # fmt: skip
        for name, value in asked.items():
            if value:
                reason = "a network of 8-bit integers keeps its arithmetic and its scales"
                raise SlipstickError(f"not for this network: {reason}", path=name, value=str(value))
    return bits


def _split(data: DataSet, calibration: CalibrationImages) -> tuple[Images, Images]:
    """Return the calibration images, drawn from the training images, and the test images to score.

    Without training images every second test image calibrates, and the others are scored.
    """
    train, test = data.train, data.test.some(calibration.images)
    count = len(test)
    if len(train) and count > 0:
        return train.drawn(calibration.calibrate), test
    if count < 2:
        raise SlipstickError("too few test images", path="images", value=count, allowed="from 2")
    return test.take(np.arange(0, count, 2)[: calibration.calibrate]), test.take(np.arange(1, count, 2))


def _study(
    network: TrainedNetwork,
    forms: Mapping[str, Format],
    options: AdaptOptions,
    question: Question | None,
    tuning: Images,
    progress: Progress | None,
) -> LayerStudy:
    """Return the layer measurements that a shift schedule and bias correction need."""
    from slipstick.compress.compression import LayerStudy, study_layers

    if not options.studies_layers:
        return LayerStudy()
    return study_layers(
        network, forms, tuning, shifts=options.schedule.shifts, costs=_costs(network, forms, options, question),
        columns=_columns(options, question), progress=progress,
    )  # fmt: skip


def _costs(
    network: TrainedNetwork, forms: Mapping[str, Format], options: AdaptOptions, question: Question | None
) -> dict[str, FloatArray] | None:
    """Return the cost of one shift per filter where the budget is cycles: of the array, else groups x positions."""
    from slipstick.compress.shift_budget import shift_costs

    if options.schedule.weighed == "bytes":
        return None
    return shift_costs(network, forms, "cycles") if question is None else _cycle_costs(question, forms)


def _columns(options: AdaptOptions, question: Question | None) -> int:
    """Return the number of filters that share their shifts: the array's columns if its cycles count, else 1."""
    if options.schedule.columns is not None:
        return options.schedule.columns
    if question is None or options.schedule.weighed == "bytes":
        return 1
    return question.system.device_as(Array).columns


def _inputs(
    network: TrainedNetwork, formats: str, data: DataSet, options: AdaptOptions, tuning: Images
) -> dict[str, Any]:
    from slipstick.compress.retraining import largest_rate

    inputs = {"network": network.name, "formats": formats, "data": data.name, **options.inputs(tuning)}
    if network.module is None:
        return inputs
    retraining = options.retraining
    if retraining.method != "exact":
        inputs["method"] = retraining.method
    if retraining.errors != "auto":
        inputs["errors"] = retraining.errors
    if retraining.time is not None:
        inputs["time"] = retraining.time
    return {
        **inputs, "epochs": retraining.epochs, "rate": largest_rate(network, retraining), "seed": retraining.seed,
    }  # fmt: skip


def _by_bits(network: Any, data: DataSet, scored: Images, bits: tuple[int, ...], seed: int) -> dict[int, float]:
    """Return the accuracy at each requested width of activations; empty where none is requested."""
    from slipstick.compress.activation_bits import right_by_bits

    if not bits:
        return {}
    drawn = np.random.default_rng(seed).permutation(len(data.train))[:_RANGE_IMAGES]
    curve = right_by_bits(network.module, scored, data.train.take(drawn), network.normal, bits)
    return {width: float(right.mean()) for width, right in sorted(curve.items(), reverse=True)}
