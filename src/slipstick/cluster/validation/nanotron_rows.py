"""The `llm_nanotron_h100` format: a sweep of training plans, with those that ran out of memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from slipstick.cluster.assembly import training_setting
from slipstick.cluster.sweep.plans import Plans
from slipstick.cluster.training.training_step import train
from slipstick.cluster.validation.row_questions import Case, number, training_case
from slipstick.core.errors import SlipstickError
from slipstick.core.spec import override
from slipstick.report.published import Row, RowDict, Suite, Validation, register_suite
from slipstick.report.published import number as cell

GIB = 2.0**30
TOKENS_AT_LEAST = 100_000  # a global batch above this is given in tokens, not in sequences
_SAME = ("model", "layers", "hidden", "ffn", "vocab", "gpu", "n_gpus", "seq", "global_batch", "source")


class NanotronSuite(Suite):
    """Throughput of training plans, and whether they fit, by the columns of llm_nanotron_h100.csv."""

    name = "nanotron"
    columns = frozenset(
        ("case_id", "model", "layers", "hidden", "global_batch", "micro_batch", "tp", "pp", "dp", "gpu", "n_gpus",
         "status", "tokens_per_s_per_gpu", "nccl_reducescatter_gbps")
    )  # fmt: skip
    about = "a sweep of training plans on H100 nodes: tokens/s, and whether they ran out of memory"

    def replay(self, rows: list[RowDict]) -> Validation:
        """Answer every row; rows of one network, batch and state of the network run as one array."""
        groups: dict[tuple[str, ...], list[int]] = {}
        for place, row in enumerate(rows):
            groups.setdefault((*(row.get(name, "") for name in _SAME), technology(row)), []).append(place)
        done: dict[int, list[Row]] = {}
        skipped: list[tuple[str, str]] = []
        for places in groups.values():
            try:
                done.update(zip(places, _group([rows[place] for place in places]), strict=True))
            except SlipstickError as error:
                skipped += [(rows[place]["case_id"], str(error)) for place in places]
        ordered = [found for place in sorted(done) for found in done[place]]
        return Validation(self.name, tuple(ordered), tuple(skipped))


def technology(row: RowDict) -> str:
    """Return the state of the network between nodes, from the probes that each run made of it when it started.

    A reduce-scatter or all-gather of 1 GiB took 3.5 ms and 0.3 ms a node in most jobs, and 2.5 ms a node in others. In
    some of those, on up to 64 GPUs, an all-gather ran at 33 to 42 GB/s: there a message between stages takes half a
    second.
    """
    devices = number(row, "n_gpus") or 1
    gather = row.get("nccl_allgather_gbps", "")
    if gather and devices <= STALLED_DEVICES and cell(row, "nccl_allgather_gbps") <= STALLED_RATE:
        return "efa-stalled"
    rates = [cell(row, name) for name in ("nccl_reducescatter_gbps", "nccl_allgather_gbps") if row.get(name, "")]
    if not rates or devices <= NODE:
        return "efa"
    seconds = (devices - 1) / devices * GIB / (max(rates) * 1e9)  # one of the two is now and then disturbed
    return "efa-slow" if seconds > SLOW_BASE + SLOW_NODE * devices / NODE else "efa"


NOTES = {"efa-slow": "the slow state of the network", "efa-stalled": "the stalled state of the network"}
STALLED_DEVICES, STALLED_RATE = 64, 43.0  # beyond 64 devices the probe does not tell this state; GB/s
NODE = 8  # devices of a node
# by hand, between the runs that fitted and those that did not: the context, the communication buffers, and what the
# caching allocator of PyTorch wastes near the limit
OUTSIDE = 8 * GIB
SLOW_BASE, SLOW_NODE = 3.5e-3, 0.9e-3  # s, s a node: between the two states


def _group(rows: Sequence[RowDict]) -> list[list[Row]]:
    """Answer rows that differ in their plans only: throughput, and 1 where the plan fits into memory, else 0."""
    first = _sequences(dict(rows[0]))
    case = training_case(first)
    state = technology(rows[0])
    system = override(case.system, {"network.infiniband.technology": state}, root="system")
    setting = training_setting(case.workload, system, case.plan)
    plans = Plans.of([training_case(_sequences(dict(row))).plan for row in rows], system)
    if state == "efa-stalled":  # inside a node too
        outside = list(system.network).index("infiniband")
        plans = dataclasses.replace(plans, pp_tier=np.full(len(plans), outside))
    step = train(setting, plans)
    fits = step.peak_memory + OUTSIDE <= system.main_memory.capacity
    tokens = case.workload.batch * case.workload.sequence / step.time / system.devices
    note = NOTES.get(state, "")
    return [
        _answers(row, float(t), bool(f), float(peak), case, note)
        for row, t, f, peak in zip(rows, tokens, fits, step.peak_memory, strict=True)
    ]


def _sequences(row: RowDict) -> RowDict:
    batch, sequence = number(row, "global_batch") or 1, number(row, "seq") or 1
    if batch >= TOKENS_AT_LEAST:
        row["global_batch"] = str(batch // sequence)
    row.setdefault("kv_heads", "")
    row["kv_heads"] = row["kv_heads"] or row["heads"]
    row["tied_embeddings"] = row.get("tied_embeddings", "") or "True"
    return row


def _answers(row: RowDict, tokens: float, fits: bool, peak: float, case: Case, note: str) -> list[Row]:
    source = row.get("source", "")
    found = [
        Row(row["case_id"], "fits", float(row["status"] != "OOM"), float(fits), "1 if it fits", f"{source} (fits)")
    ]
    if row["status"] != "OOM":
        inside = "inside the node" if (number(row, "tp") or 1) <= NODE else "across nodes"
        work = case.workload.batch * case.workload.sequence / case.system.devices
        measured = work / cell(row, "tokens_per_s_per_gpu")
        label = f"{source}: tensor parallel {inside}"
        found.append(Row(row["case_id"], "train", measured, work / tokens, "s/iteration", label, note))
        if row.get("peak_reserved_gb", ""):  # in GiB, as we recall nanotron's logger
            found.append(
                Row(row["case_id"], "memory", cell(row, "peak_reserved_gb"), peak / GIB, "GiB", f"{source}: peak")
            )
    return found


SUITE = register_suite(NanotronSuite())
