"""Suite of the `llm_nanotron_h100` format: a measured sweep of training plans, out-of-memory runs included."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from slipstick.cluster.sweep.plans import Plans
from slipstick.cluster.training.training_setting import TrainingSetting
from slipstick.cluster.training.training_step import training_step
from slipstick.cluster.validation.grouped_rows import _replay_groups
from slipstick.cluster.validation.row_benchmarks import _benchmark
from slipstick.cluster.validation.row_cells import _number, _required
from slipstick.cluster.validation.row_questions import _Case, _training_case
from slipstick.core.errors import SlipstickError, SpecErrors
from slipstick.core.plan import Plan
from slipstick.core.spec import override
from slipstick.core.system import System
from slipstick.core.workload import Workload
from slipstick.report.published import Row, RowDict, Suite, Validation, register_suite
from slipstick.report.published import number as cell

_GIB = 2.0**30
_GIGA = 1e9
_SAME = (
    "model", "params", "layers", "hidden", "heads", "kv_heads", "ffn", "vocab", "tied_embeddings", "gpu", "n_gpus",
    "seq", "global_batch", "precision", "source", "software", "note",
)  # fmt: skip
_STATUS = {"success": True, "oom": False}  # whether a run fitted


class _NanotronSuite(Suite):
    """Throughput of training plans, and whether they fit, by the columns of llm_nanotron_h100.csv."""

    name = "nanotron"
    columns = frozenset(
        ("case_id", "model", "layers", "hidden", "global_batch", "micro_batch", "tp", "pp", "dp", "gpu", "n_gpus",
         "status", "tokens_per_s_per_gpu", "nccl_reducescatter_gbps")
    )  # fmt: skip
    about = "a sweep of training plans on H100 nodes: tokens/s, and whether they ran out of memory"

    def replay(self, rows: list[RowDict]) -> Validation:
        """Return the comparison of every row; rows of equal model, batch and network state run as one array."""
        return _replay_groups(
            self.name,
            rows,
            key=lambda row: (*(row.get(name, "") for name in _SAME), _technology(row)),
            identity="case_id",
            answer=_group,
        )


def _technology(row: RowDict) -> str:
    """Return the state of the network between nodes, from the probes that each run made of it when it started.

    A reduce-scatter or all-gather of 1 GiB took 3.5 ms and 0.3 ms a node in most jobs, and 2.5 ms a node in others. In
    some of those, on up to 64 GPUs, an all-gather ran at 33 to 42 GB/s: there a message between stages takes half a
    second.
    """
    known, devices = _benchmark("nanotron"), _required(row, "n_gpus", "the devices that share the work")
    gather = row.get("nccl_allgather_gbps", "")
    if (
        gather
        and devices <= known["stalled_devices"]
        and cell(row, "nccl_allgather_gbps") * _GIGA <= known["stalled_rate"]
    ):
        return "efa-stalled"
    rates = [cell(row, name) for name in ("nccl_reducescatter_gbps", "nccl_allgather_gbps") if row.get(name, "")]
    if not rates or devices <= known["node_devices"]:
        return "efa"
    seconds = (devices - 1) / devices * _GIB / (max(rates) * _GIGA)  # one of the two is now and then disturbed
    return "efa-slow" if seconds > known["slow_base"] + known["slow_node"] * devices / known["node_devices"] else "efa"


_NOTES = {"efa-slow": "the slow state of the network", "efa-stalled": "the stalled state of the network"}


def _group(rows: Sequence[RowDict]) -> list[list[Row]]:
    """Return the figures of rows that differ in their plans only: throughput, and 1 where the plan fits, else 0."""
    first = _sequences(dict(rows[0]))
    case = _training_case(first)
    state = _technology(rows[0])
    system = override(case.system, {"network.infiniband.technology": state}, root="system")
    setting = TrainingSetting.of(case.workload, system, case.plan)
    plans = Plans.of([_stated_plan(row) for row in rows], system)
    _require_possible(plans, case.workload, system)
    if state == "efa-stalled":  # inside a node too
        outside = list(system.network).index("infiniband")
        plans = dataclasses.replace(plans, pp_tier=np.full(len(plans), outside))
    step = training_step(setting, plans)
    fits = step.peak_memory + setting.reserve <= system.main_memory.capacity
    tokens = case.workload.batch * case.workload.sequence / step.time / system.devices
    note = _NOTES.get(state, "")
    return [
        _answers(row, float(t), bool(f), float(peak), case, note)
        for row, t, f, peak in zip(rows, tokens, fits, step.peak_memory, strict=True)
    ]


def _require_possible(plans: Plans, workload: Workload, system: System) -> None:
    """Raise the errors of the rules that a plan breaks, but for that of stages: nanotron leaves some without layers."""
    for place in np.flatnonzero(~plans.possible(workload, system)):
        try:
            plans.take(slice(place, place + 1)).require_possible(workload, system)
        except SpecErrors as broken:
            whole = plans.interleave[place] == 1
            others = [error for error in broken.errors if not (whole and "more pipeline stages" in str(error))]
            if others:
                raise SpecErrors(others) from None


def _stated_plan(row: RowDict) -> Plan:
    """Return the plan of a row of the sweep, all of whose degrees are stated.

    Errors
    ------
    SlipstickError naming a degree that is not: the sweep is of plans, and leaves none to be chosen.
    """
    for column in ("tp", "pp", "dp", "micro_batch"):
        _required(row, column, "the sweep is of plans")
    plan = _training_case(_sequences({**row, "interleave": row.get("interleave", "") or "1"})).plan
    if plan.parallel.ep == "auto":
        raise SlipstickError("not stated: the sweep is of plans", path="ep", value="")
    return plan


def _sequences(row: RowDict) -> RowDict:
    batch, sequence = _number(row, "global_batch") or 1, _number(row, "seq") or 1
    if batch >= _benchmark("nanotron")["tokens_at_least"]:
        row["global_batch"] = str(batch // sequence)
    row.setdefault("kv_heads", "")
    row["kv_heads"] = row["kv_heads"] or row.get("heads", "")
    row["tied_embeddings"] = row.get("tied_embeddings", "") or "True"
    return row


def _answers(row: RowDict, tokens: float, fits: bool, peak: float, case: _Case, note: str) -> list[Row]:
    source, ran = row.get("source", ""), _STATUS.get(row["status"].lower())
    if ran is None:
        raise SlipstickError("neither a run that fitted nor one that did not", path="status", value=row["status"])
    answers = [Row(row["case_id"], "fits", float(ran), float(fits), "1 if it fits", f"{source} (fits)")]
    if ran:
        near = (_number(row, "tp") or 1) <= _benchmark("nanotron")["node_devices"]
        inside = "inside the node" if near else "across nodes"
        work = case.workload.batch * case.workload.sequence / case.system.devices
        rate = cell(row, "tokens_per_s_per_gpu")
        if rate <= 0:
            raise SlipstickError("not a rate of a run that fitted", path="tokens_per_s_per_gpu", value=rate)
        measured = work / rate
        label = f"{source}: tensor parallel {inside}"
        answers.append(Row(row["case_id"], "train", measured, work / tokens, "s/iteration", label, note))
        if row.get("peak_reserved_gb", ""):  # in GiB, as we recall nanotron's logger
            answers.append(
                Row(row["case_id"], "memory", cell(row, "peak_reserved_gb"), peak / _GIB, "GiB", f"{source}: peak")
            )
    return answers


SUITE = register_suite(_NanotronSuite())
