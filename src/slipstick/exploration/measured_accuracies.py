"""Accuracies of a network with weights in every number format of a space, measured once each before a search."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Plan
from slipstick.core.system import THIS_MACHINE

if TYPE_CHECKING:
    from slipstick.core.progress import Progress
    from slipstick.datasets.images import DataSet
    from slipstick.engines.question import WorkloadSpec
    from slipstick.exploration.space import Space
    from slipstick.report.metric import Metric

_FORMATS = "plan.formats.layers"
_DEFAULT = "int8"  # of boards, where a space names no format


class _Accuracies(NamedTuple):
    """Measured top-1 accuracies by format, and the formats that the network's layers cannot have, with the reason."""

    by_format: dict[str, Metric]
    refused: dict[str, str]

    @property
    def remark(self) -> str:
        """Phrase on the formats without accuracy, behind the count of points tried; empty where there are none."""
        texts = (f"{name} ({reason})" for name, reason in self.refused.items())
        return f"; left out, as accuracy cannot be measured: {', '.join(texts)}" if self.refused else ""


def _measured_accuracies(
    workload: WorkloadSpec, data: str | Path | DataSet, space: Space, images: int | None, progress: Progress | None
) -> _Accuracies:
    """Return the measured top-1 accuracy of each format of a space, as `measure` gives it; nothing is retrained.

    Errors
    ------
    SlipstickError for a workload that is no file of a network with weights, data that do not fit it, and where no
    format can be measured: that of the first.
    """
    from slipstick.datasets import data_set
    from slipstick.engines.answer import answer
    from slipstick.trained.open import open_network

    if not isinstance(workload, str | Path) or not Path(workload).suffix:
        name = workload if isinstance(workload, str) else type(workload).__name__
        message = "accuracy is measured on a network with weights, and this one has sizes alone"
        cure = "a .tflite, .safetensors or .onnx file; or accuracies, a table"
        raise SlipstickError(message, path="data", value=name, allowed=cure)
    scored_on = data_set(data)
    network = open_network(workload, scored_on)
    measured = _Accuracies({}, {})
    problem: SlipstickError | None = None
    formats = _formats_of(space)
    for place, text in enumerate(formats):
        if progress is not None:
            progress(place, len(formats), f"accuracy in {text}")
        plan = Plan.of({_FORMATS.removeprefix("plan."): text})
        try:
            report = answer("measure", network, THIS_MACHINE, plan, data=scored_on, images=images)
        except SlipstickError as error:
            problem = problem or error
            measured.refused[text] = error.message
        else:
            measured.by_format[text] = report["accuracy.top1"]
    if problem is not None and not measured.by_format:
        raise problem
    return measured


def _formats_of(space: Space) -> Sequence[str]:
    """Return the distinct formats of weights that the points of a space have."""
    values = space.axes.get(_FORMATS, (space.fixed.get(_FORMATS, _DEFAULT),))
    return list(dict.fromkeys(str(value) for value in values))
