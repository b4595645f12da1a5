"""Marks of a search's points whose device nobody measured, with the error band of their times."""

from __future__ import annotations

from collections.abc import Sequence

from slipstick.core.workload import Phase
from slipstick.exploration.points import Task

_PLAN = "plan."


def _calibrations(task: Task, indices: Sequence[int]) -> list[str]:
    """Return the mark of each point whose device nobody measured, with its error band; "" for all others."""
    points = [task.space.point(index) for index in indices]
    systems = [str([value for path, value in point.items() if not path.startswith(_PLAN)]) for point in points]
    first = dict(zip(reversed(systems), reversed(indices), strict=True))  # a point of each system
    marks = {system: _calibration(task, index) for system, index in first.items()}
    return [marks[system] for system in systems]


def _calibration(task: Task, index: int) -> str:
    """Return the mark of one point."""
    from slipstick.cluster.kernels.figure_origins import calibration_text

    question = task.question(index)
    phase = {Phase.TRAIN: "train", Phase.DECODE: "decode"}.get(question.workload.phase, "prefill")
    return calibration_text(question.system, phase)
