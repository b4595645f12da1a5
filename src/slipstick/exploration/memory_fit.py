"""Which points fit the memory of their system."""

from __future__ import annotations

from typing import Any

import numpy as np

from slipstick.exploration.evaluate import Task


def fits(task: Task, figures: dict[str, np.ndarray], first: int) -> np.ndarray:
    """Tell which points fit the memory of their system."""
    from slipstick.core.spec import override
    from slipstick.engines.question import find_system

    count = len(figures["memory.peak"])
    capacity = np.empty(count)
    known: dict[tuple[Any, ...], float] = {}
    paths = [path for path in (*task.space.axes, *task.space.fixed) if path.startswith("system")]
    swept = [path for path in task.space.axes if path in paths]
    sizes = [len(values) for values in task.space.axes.values()]
    places = np.stack(np.unravel_index(np.arange(first, first + count), sizes)) if sizes else np.zeros((0, count), int)
    rows = [list(task.space.axes).index(path) for path in swept]
    which = np.unique(places[rows], axis=1, return_inverse=True)[1].ravel() if swept else np.zeros(count, int)
    for kind in range(int(which.max(initial=-1)) + 1):
        point = task.space.point(first + int(np.flatnonzero(which == kind)[0]))
        key = tuple(str(point[path]) for path in paths)
        if key not in known:
            system = find_system(point["system"])
            changes = {path.removeprefix("system."): point[path] for path in paths if path != "system"}
            known[key] = override(system, changes, root="system").main_memory.capacity
        capacity[which == kind] = known[key]
    return figures["memory.peak"] <= capacity
