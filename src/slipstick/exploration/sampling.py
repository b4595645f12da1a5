"""Spaces too large to try every point: Optuna chooses which ones, TPE for one objective and NSGA-II for several.

Sources: Bergstra et al., NeurIPS 2011 (TPE); Deb et al., IEEE TEC 6(2), 2002 (NSGA-II); Optuna: Akiba et al., KDD 2019.
The same seed asks for the same points, so that a run that goes on asks again and finds the answers in its folder.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.core.extras import require
from slipstick.exploration.constraint import Constraint
from slipstick.exploration.evaluate import FIGURES, Columns, Task, evaluate
from slipstick.exploration.frontier import write_parquet
from slipstick.exploration.memory_fit import fits

if TYPE_CHECKING:
    import polars

KEPT = 64  # trials between two writings of what is known
FILE = "trials.parquet"
SAMPLERS = {False: "TPE", True: "NSGA-II"}


def sample(
    task: Task,
    goals: Sequence[tuple[str, bool]],
    constraint: Constraint,
    trials: int,
    *,
    seed: int = 0,
    place: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> polars.DataFrame:
    """Return the points that were tried: `index`, ``kept`` (possible, and within all conditions), all figures.

    Parameters
    ----------
    goals : figures with whether more of each is better.
    place : a folder where what was tried is kept.
    """
    import polars

    optuna = require("optuna", "search")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sizes = [len(values) for values in task.space.axes.values()]
    names = list(task.space.axes)
    known = _read(place)
    study = optuna.create_study(
        directions=["maximize" if more else "minimize" for _, more in goals],
        sampler=_sampler(optuna, len(goals) > 1, seed),
    )
    for number in range(trials):
        trial = study.ask()
        at = [trial.suggest_int(name, 0, size - 1) for name, size in zip(names, sizes, strict=True)]
        index = int(np.ravel_multi_index(at, sizes)) if sizes else 0
        if index not in known:
            known[index] = _figures(task, constraint, index)
        row = known[index]
        trial.set_user_attr("excess", 0.0 if row["kept"] else 1.0)
        values = [row[path] for path, _ in goals]
        if all(map(math.isfinite, values)):
            study.tell(trial, values)
        else:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        if place is not None and ((number + 1) % KEPT == 0 or number + 1 == trials):
            write_parquet(polars.DataFrame(list(known.values())), place / FILE)
        if progress is not None:
            progress(number + 1, trials)
    return polars.DataFrame(list(known.values())).sort("index")


def _sampler(optuna: Any, several: bool, seed: int) -> Any:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # constraints are called experimental
        kind = optuna.samplers.NSGAIISampler if several else optuna.samplers.TPESampler
        return kind(seed=seed, constraints_func=lambda trial: [trial.user_attrs.get("excess", 1.0)])


def _figures(task: Task, constraint: Constraint, index: int) -> dict[str, Any]:
    found: Columns = evaluate(task, index, index + 1)
    kept = bool(np.isfinite(found["time.step"][0]) and constraint.holds(found)[0] and fits(task, found, index)[0])
    return {"index": index, "kept": kept} | {name: float(found[name][0]) for name in FIGURES}


def _read(place: Path | None) -> dict[int, dict[str, Any]]:
    import polars

    if place is None or not (place / FILE).exists():
        return {}
    return {row["index"]: row for row in polars.read_parquet(place / FILE).to_dicts()}
