"""Sampling of large design spaces with Optuna: TPE for one objective, NSGA-II for several.

Sources: Bergstra et al., NeurIPS 2011 (TPE); Deb et al., IEEE TEC 6(2), 2002 (NSGA-II); Optuna: Akiba et al., KDD 2019.
The same seed asks for the same points, so that a run that goes on asks again and finds the answers in its folder.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.core.extras import require
from slipstick.core.progress import Progress
from slipstick.exploration.constraint import Constraint
from slipstick.exploration.figures import Objective
from slipstick.exploration.parquet import _write_parquet
from slipstick.exploration.points import Task, _evaluate

if TYPE_CHECKING:
    import polars

KEPT = "kept"  # column: possible, within memory and within all conditions
SAMPLERS = {False: "TPE", True: "NSGA-II"}  # whether there are several objectives -> name
_TRIALS_A_WRITE = 64
_FILE = "trials.parquet"


def _sample(
    task: Task,
    objectives: Sequence[Objective],
    constraint: Constraint,
    trials: int,
    *,
    seed: int = 0,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> polars.DataFrame:
    """Return the table of sampled points: `index`, `KEPT` (whether the constraints hold), and all figures.

    Parameters
    ----------
    folder : where the points that were tried are kept.
    progress : called after every trial.
    """
    import polars

    optuna = require("optuna", "search")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sizes = {path: len(values) for path, values in task.space.axes.items()}
    known = _read(folder)
    study = optuna.create_study(
        directions=["maximize" if goal.largest else "minimize" for goal in objectives],
        sampler=_sampler(optuna, len(objectives) > 1, seed),
    )
    for number in range(1, trials + 1):
        trial = study.ask()
        places = [trial.suggest_int(path, 0, size - 1) for path, size in sizes.items()]
        index = int(np.ravel_multi_index(places, tuple(sizes.values()))) if sizes else 0
        if index not in known:
            known[index] = _row(task, constraint, index)
        trial.set_user_attr("excess", 0.0 if known[index][KEPT] else 1.0)
        values = [known[index][goal.path] for goal in objectives]
        if all(map(math.isfinite, values)):
            study.tell(trial, values)
        else:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        if folder is not None and (number % _TRIALS_A_WRITE == 0 or number == trials):
            _write_parquet(polars.DataFrame(list(known.values())), folder / _FILE)
        if progress is not None:
            progress(number, trials, "points")
    return polars.DataFrame(list(known.values())).sort("index")


def _sampler(optuna: Any, several: bool, seed: int) -> Any:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # constraints are called experimental
        kind = optuna.samplers.NSGAIISampler if several else optuna.samplers.TPESampler
        return kind(seed=seed, constraints_func=lambda trial: [trial.user_attrs.get("excess", 1.0)])


def _row(task: Task, constraint: Constraint, index: int) -> dict[str, Any]:
    batch = _evaluate(task, index, index + 1)
    fits = bool(batch.fits[0] and constraint.holds(batch.figures)[0])
    return {"index": index, KEPT: fits} | {path: float(values[0]) for path, values in batch.figures.items()}


def _read(folder: Path | None) -> dict[int, dict[str, Any]]:
    import polars

    if folder is None or not (folder / _FILE).exists():
        return {}
    return {row["index"]: row for row in polars.read_parquet(folder / _FILE).to_dicts()}
