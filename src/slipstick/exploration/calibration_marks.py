"""Marks of a search's points whose device nobody measured, with the error band of their times."""

from __future__ import annotations

from collections.abc import Sequence

from slipstick.core.workload import Phase
from slipstick.exploration.points import Task
from slipstick.report.metric import Table

_PLAN = "plan."
_MARK, _SYSTEM = "calibration", "system"  # columns of a table of points


def _starred(table: Table) -> tuple[Table, str]:
    """Return a table of points without its column of marks, and what a star behind a system says; "" without marks.

    Examples
    --------
    >>> marked = Table.of({"system": "", "calibration": ""}, [("a100:8", ""), ("ours:8", "uncalibrated: 0.8 to 1.1 x")])
    >>> table, remark = _starred(marked)
    >>> table.rows, remark
    ((('a100:8',), ('ours:8 *',)), '* uncalibrated: 0.8 to 1.1 x; nobody measured ours:8')
    """
    names = [column.name for column in table.columns]
    if _MARK not in names:
        return table, ""
    place, system = names.index(_MARK), names.index(_SYSTEM) if _SYSTEM in names else None
    remarks: dict[str, dict[str, None]] = {}
    rows = []
    for row in table.rows:
        cells = list(row)
        mark = str(cells[place])
        if mark:
            of_mark = remarks.setdefault(mark, {})
            if system is not None:
                of_mark[str(cells[system])] = None
                cells[system] = f"{cells[system]} *"
        rows.append((*cells[:place], *cells[place + 1 :]))
    words = [f"{mark}; nobody measured {', '.join(systems) or 'this device'}" for mark, systems in remarks.items()]
    columns = (*table.columns[:place], *table.columns[place + 1 :])
    star = "" if system is None else "* "
    return Table(columns, tuple(rows)), "\n".join(f"{star}{text}" for text in words)


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
