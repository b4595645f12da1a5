"""The fastest training plan that fits memory: every plan of a grid in one call of the vectorised model."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

import slipstick
from slipstick.cluster.sweep.plans import RECOMPUTE, Plans
from slipstick.cluster.training.training_setting import TrainingSetting
from slipstick.cluster.training.training_step import training_step
from slipstick.core.plan import Plan
from slipstick.core.system import System
from slipstick.core.workload import Workload
from slipstick.networks.decoder.decoder import Decoder
from slipstick.report.report import Report

MICROBATCHES = (1, 2, 4, 8, 16, 32)
INTERLEAVES = (1, 2, 3, 4, 6, 8)
TENSOR = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True)
class Found:
    """The report of the fastest plan that fits, that plan in words, and how many plans were possible and did fit."""

    report: Report
    plan: str
    possible: int
    fitting: int


def fastest(model: str, system: System, batch: int, sequence: int, fixed: str) -> Found:
    """Return the fastest plan over tp, pp, microbatch, interleave, recomputation and sequence parallelism.

    Parameters
    ----------
    fixed : what every plan of the grid shares, as ``key=value,...``; zero is 1 everywhere.

    Errors
    ------
    ValueError if no plan fits the memory.
    """
    workload = Workload(network=slipstick.network(model), batch=batch, sequence=sequence)
    shared = Plan.of(f"{fixed},others=off")
    setting = TrainingSetting.of(workload, system, shared)
    plans = _grid(workload, system, shared)
    plans = plans.take(np.flatnonzero(plans.possible(workload, system)))
    step = training_step(setting, plans)
    fits = step.peak_memory <= system.main_memory.capacity - setting.reserve
    if not fits.any():
        raise ValueError(f"no plan of the grid fits {system.name}")
    best = int(np.argmin(np.where(fits, step.time, np.inf)))
    plan = _words(plans, best)
    report = slipstick.estimate(workload, system, f"{plan},{fixed},zero=1,others=off")
    return Found(report, plan, len(plans), int(fits.sum()))


def _grid(workload: Workload, system: System, fixed: Plan) -> Plans:
    layers = Decoder.of(workload.network).layers
    stages = [p for p in range(1, layers + 1) if layers % p == 0 and system.devices % p == 0]
    axes = (TENSOR, stages, MICROBATCHES, INTERLEAVES, range(len(RECOMPUTE)), (0, 1))
    rows = np.array([row for row in itertools.product(*axes) if system.devices % (row[0] * row[1]) == 0])
    tp, pp, microbatch, interleave, recompute, sp = rows.T
    # Megatron's interleaved schedule takes microbatches in rounds of pp; fewer could not fill the pipeline either
    microbatches = workload.batch * tp * pp // (system.devices * microbatch)
    rounds = (layers % (pp * interleave) == 0) & (microbatches % pp == 0) & (microbatches > 0)
    keep = ((interleave == 1) | rounds) & ((sp == 0) | (tp > 1))
    tp, pp, microbatch, interleave, recompute, sp = rows[keep].T
    shared = Plans.of([fixed.model_copy(update={"parallel": fixed.parallel.model_copy(update={"dp": 1})})], system)
    columns = {name: value[0] for name, value in shared.__dict__.items() if name != "etp"}
    columns |= {
        "tp": tp, "pp": pp, "dp": system.devices // (tp * pp), "microbatch": microbatch, "interleave": interleave,
        "recompute": recompute, "sp": sp, "tp_pattern": np.where(sp, 2, shared.tp_pattern[0]), "zero": 1,
    }  # fmt: skip
    return Plans.of_columns(len(tp), columns)


def _words(plans: Plans, index: int) -> str:
    """Return one plan as a user writes it, without what a plain plan has anyway."""
    plain = {"tp": 0, "pp": 1, "microbatch": 1, "interleave": 1}  # tp is always said
    values = {name: int(getattr(plans, name)[index]) for name in plain}
    words = [f"{name}={value}" for name, value in values.items() if value != plain[name]]
    recompute = RECOMPUTE[plans.recompute[index]]
    words += [f"recompute={recompute}"] if recompute != "none" else []
    return ",".join([*words, "sp=true"] if plans.sp[index] else words)
