"""`adapt`: a trained network in other number formats, optionally retrained, with its accuracy and cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from slipstick.compress.adapt_options import CalibrationImages, Retraining, ShiftSchedule

if TYPE_CHECKING:
    from torch import nn

    from slipstick.core.progress import Progress
    from slipstick.datasets.images import DataSet
    from slipstick.engines.question import SystemSpec
    from slipstick.report.report import Report
    from slipstick.trained.network import TrainedNetwork

_CALIBRATION, _SCHEDULE, _RETRAINING = CalibrationImages(), ShiftSchedule(), Retraining()


def adapt(
    network: str | Path | nn.Module | TrainedNetwork,
    formats: str,
    data: str | Path | DataSet,
    *,
    calibration: CalibrationImages = _CALIBRATION,
    schedule: ShiftSchedule = _SCHEDULE,
    retraining: Retraining = _RETRAINING,
    system: SystemSpec | None = None,
    progress: Progress | None = None,
) -> Report:
    """Put the weights of a trained network into formats, and score it before and after, image by image.

    Parameters
    ----------
    network
        An 8-bit ``.tflite`` file, which stays integers; a ``.safetensors`` or ``.onnx`` file or a torch module, which
        can be retrained; and all else that `slipstick.open_network` takes.
    formats
        ``swis:3``, or by patterns: ``swis:3;depthwise=int8;last=int8``. Several, ``int4|swis:2|swis:3``, are set side
        by side, from the same weights; where the schedule assigns them, each layer gets one.
    data
        A data set, its name or path: training images calibrate and retrain, the test images are scored. Without
        training images every second test image calibrates, and the others are scored.
    calibration
        How many images calibrate and are scored, whether biases are corrected, bits of activations.
    schedule
        An average of shifts divided over all filters; a budget of bytes for pools; formats assigned within an energy.
    retraining
        Epochs, rate and seed of a training for the formats, or a time for it; for networks with a torch module.
    system
        An array: the Report says what the weights take on it, against int8. Of assigned formats: what computes them.
    progress
        Called with (steps_done, steps_total, label).

    Returns
    -------
    A Report whose `detail` has the adapted `network` and its `module`: ``report.detail.write(path)``,
    ``.write_packed(path)``. Of several formats: the Report of each, by its text.

    Errors
    ------
    SlipstickError for files and formats that are none, data that does not fit, and what such a network cannot do.

    Examples
    --------
    >>> from slipstick.datasets import data_set
    >>> from slipstick.trained.torch import module
    >>> digits = data_set("digits")
    >>> report = adapt(module("mlp", digits), "swis:2", digits, schedule=ShiftSchedule(shifts=3))
    >>> report.value("shifts.by_bytes") <= 3
    True
    """
    from slipstick.datasets import data_set
    from slipstick.engines.adapt_several import adapt_formats
    from slipstick.engines.adaptation import AdaptOptions

    options = AdaptOptions(calibration, schedule, retraining, system)
    texts = [text.strip() for text in formats.split("|")]
    return adapt_formats(network, texts, data_set(data), options, progress)
