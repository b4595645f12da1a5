"""Rows of reference CSVs as Workload, System and Plan: what a row leaves open is `auto`, or an error that says so."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slipstick.cluster.validation.row_cells import Row, _number, _required
from slipstick.cluster.validation.row_formats import _row_formats
from slipstick.cluster.validation.row_network import _network_of
from slipstick.cluster.validation.row_software import _Software, _software
from slipstick.core.catalogue import resolve_system
from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Plan
from slipstick.core.spec import override
from slipstick.core.system import System
from slipstick.core.workload import Phase, Workload
from slipstick.networks.decoder.decoder import Decoder

_WIDE = ("fp16", "bf16", "fp32", "tf32")
_RECOMPUTE = {"minimal": "selective"}  # MaxText's word


@dataclass(frozen=True)
class _Case:
    """Run that a reference row describes: Workload, System, Plan.

    `unlimited` if as many requests run at once as the memory holds; the workload's batch is then one of each replica.
    """

    workload: Workload
    system: System
    plan: Plan
    unlimited: bool = False


def _training_case(row: Row) -> _Case:
    """Return the training run that a row of the `llm_validation` or `llm_nanotron_h100` format describes.

    A microbatch, an interleave, or expert parallelism that the row does not give is the fastest that fits, as its
    authors chose it.

    Errors
    ------
    SlipstickError where the model or the GPU is unknown, or a size is missing that no catalogue holds.
    """
    facts = _facts(row)
    sequence, batch = _number(row, "seq"), _number(row, "global_batch")
    if not sequence or not batch:
        raise SlipstickError("a training row needs seq and global_batch", path="global_batch", value=batch or "")
    system = override(resolve_system(row["gpu"]), facts.system, root="system")
    decoder = _network_of(row, sequence)
    workload = Workload(network=decoder, phase=Phase.TRAIN, batch=batch, sequence=sequence)
    return _Case(workload, system.scaled(_devices(row)), _training_plan(row, facts.plan, decoder))


def _facts(row: Row) -> _Software:
    """Return what is known of a row's software and cluster, by its source, its software, and how its note begins.

    Errors
    ------
    SlipstickError where that software does what no plan describes.
    """
    note = row.get("note", "").partition(" ")[0]
    facts = _software(row.get("source", ""), row.get("software", ""), note)
    if facts.unlike:
        raise SlipstickError(facts.unlike, path="software", value=row.get("software", ""))
    return facts


def _devices(row: Row) -> int:
    """Return the number of devices of a row: as it says, or the product of its degrees."""
    degrees = [_number(row, column) for column in ("tp", "pp", "dp")]
    stated = _number(row, "n_gpus")
    if stated or not all(degrees):
        return _required(row, "n_gpus", "neither the devices nor all of tp, pp and dp are given")
    return math.prod(degree or 1 for degree in degrees) * (_number(row, "cp") or 1)


def _training_plan(row: Row, facts: Mapping[str, Any], decoder: Decoder) -> Plan:
    fields: dict[str, Any] = dict(facts)
    for column in ("tp", "pp", "dp", "micro_batch"):
        fields[column.replace("micro_batch", "microbatch")] = _number(row, column) or "auto"
    fields["cp"] = _number(row, "cp") or 1
    fields["ep"] = _number(row, "ep") or ("auto" if decoder.expert_counts else 1)
    # a fact that says auto: the column holds something else
    fields |= {name: value for name, value in facts.items() if value == "auto"}
    fields.setdefault("interleave", "auto" if (_number(row, "pp") or 1) > 1 else 1)
    fields["interleave"] = _number(row, "interleave") or fields["interleave"]
    fields.setdefault("partition", _partition(fields, decoder.layers))
    fields["sp"] = _number(row, "sp") == 1 and _number(row, "tp") != 1
    if fields["sp"]:
        fields["tp_pattern"] = "rs_ag"
    if _number(row, "zero") is not None:
        fields["zero"] = _number(row, "zero")
    recompute = row.get("recompute", "").strip()
    unstated = "auto" if fields["tp"] == "auto" else "none"  # a row that gives the rest of its plan would say so
    fields["recompute"] = _RECOMPUTE.get(recompute, recompute) or unstated
    return Plan.of({"others": "off", **fields, **_row_formats(row.get("precision", "")).plan})


def _partition(fields: Mapping[str, Any], layers: int) -> str:
    """Return how Megatron cuts the layers into a row's stages: with the ends counted where they divide only so.

    Source: Llama 3 herd of models (2407.21783, section 3.3.2), which takes one layer each from the first and the last
    stage; Megatron-LM's account_for_embedding_in_pipeline_split.
    """
    stages, chunks = fields["pp"], fields["interleave"]
    if stages == "auto" or stages == 1:
        return "even"
    cuts = stages * (1 if chunks == "auto" else chunks)
    return "ends" if layers % cuts and (layers + 2) % cuts == 0 else "even"


def _inference_case(row: Row) -> _Case:
    """Return the requests that a row of kind prefill or decode describes; the workload is that of all replicas.

    Errors
    ------
    SlipstickError where the model or the GPU is unknown, or what the figure depends on is not stated.
    """
    facts = _facts(row)
    system = override(resolve_system(row["gpu"]), facts.system, root="system")
    prompt = _required(row, "seq", "the prompt's tokens")
    decoding = row["kind"] == "decode"
    output = _required(row, "out_len", "the output's tokens") if decoding else _number(row, "out_len") or 1
    tp, pp, dp = _serving_degrees(row)
    batch = _batch(row, dp, pp)
    if batch is None and not decoding:
        raise SlipstickError("not stated: a first token waits for the prompts before it", path="global_batch", value="")
    degrees = {"tp": tp, "pp": pp, "dp": dp, **_expert_degrees(row, tp, dp)}
    stated = {name: value for name, value in facts.plan.items() if value != "auto"}  # what training leaves open
    plan = Plan.of({"others": "off", **stated, **_served_formats(row, facts), **degrees})
    workload = Workload(
        network=_network_of(row, prompt), phase=Phase.DECODE, batch=batch or dp, sequence=prompt, output=output
    )
    return _Case(workload, system.scaled(tp * pp * dp), plan, unlimited=batch is None)


def _serving_degrees(row: Row) -> tuple[int, int, int]:
    """Return tensor, pipeline and data parallelism of an inference row, which together are its devices."""
    devices, pp, dp = _number(row, "n_gpus"), _number(row, "pp") or 1, _number(row, "dp") or 1
    tp = _number(row, "tp") or (1 if devices == 1 else _required(row, "tp", "how the devices share the network"))
    if devices and devices != tp * pp * dp:
        raise SlipstickError(
            "tp*pp*dp is not the number of devices", path="n_gpus", value=devices, allowed=f"{tp * pp * dp}"
        )
    return tp, pp, dp


def _expert_degrees(row: Row, tp: int, dp: int) -> dict[str, int]:
    """Return expert parallelism of an inference row, and tensor parallelism inside an expert on what it leaves.

    Where a row states none, experts are divided over the tensor parallel devices, as engines do unless told.
    """
    ep = _number(row, "ep") or 1
    if (_number(row, "cp") or 1) > 1:
        raise SlipstickError(
            "context parallelism is not part of our inference", path="cp", value=row["cp"], allowed="1"
        )
    if ep > tp * dp or (tp % ep and ep % tp):
        raise SlipstickError("does not divide the devices", path="ep", value=ep, allowed=f"a divisor of {tp * dp}")
    return {"ep": ep, "etp": max(1, tp // ep)}


def _batch(row: Row, dp: int, pp: int) -> int | None:
    """Return the requests at once of an inference row; None where it states none: as many as the memory holds."""
    batch, part = _number(row, "global_batch"), _number(row, "micro_batch")
    if batch or not part:
        return batch or None
    if dp > 1 or pp > 1:
        raise SlipstickError("only the share of a stage or replica is stated", path="global_batch", value="")
    return part


def _served_formats(row: Row, facts: _Software) -> dict[str, str]:
    """Return the formats of an inference row; only checkpoints in narrow formats bring scales of a narrow cache."""
    formats = _row_formats(row.get("precision", ""))
    if formats.weights_only:
        raise SlipstickError(
            "weights alone in this format: ask the suite serving", path="precision", value=formats.weights
        )
    stored = {"kv_cache": "auto"} if formats.weights in _WIDE and "kv_cache" in facts.plan else {}
    return {**stored, **formats.plan}
