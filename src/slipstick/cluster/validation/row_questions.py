"""Rows of reference CSVs as Workload, System and Plan: empty cells are `auto`, names are looked up in catalogues."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import Field

from slipstick.core.catalogue import Catalogue, Entry, resolve_system
from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Plan
from slipstick.core.spec import override
from slipstick.core.system import System
from slipstick.core.workload import Phase, Workload
from slipstick.networks.decoder.decoder import Decoder
from slipstick.networks.from_row import RowSizes, decoder_from_row

Row = Mapping[str, str]


@dataclass(frozen=True)
class _Case:
    """Run that a reference row describes: Workload, System, Plan; `complete` if the row fixes all plan fields."""

    workload: Workload
    system: System
    plan: Plan
    complete: bool


def _number(row: Row, column: str) -> int | None:
    """Return the integer in a row's column, None where it is empty or missing.

    Errors
    ------
    SlipstickError naming the column and the value.
    """
    text = row.get(column, "").strip()
    if not text:
        return None
    try:
        return int(float(text))
    except ValueError:
        raise SlipstickError("not a number", path=column, value=text) from None


def _training_case(row: Row) -> _Case:
    """Return the training run that a row of the `llm_validation` or `llm_nanotron_h100` format describes.

    Errors
    ------
    SlipstickError where the model or the GPU is unknown, or a size is missing that no catalogue holds.
    """
    facts = _software(row.get("source", ""))
    sequence, batch = _number(row, "seq"), _number(row, "global_batch")
    if sequence is None or batch is None:
        raise SlipstickError("a training row needs seq and global_batch", path=row.get("case_id", ""))
    system = override(resolve_system(row["gpu"]), facts.system, root="system")
    devices = _number(row, "n_gpus") or 1
    workload = Workload(network=_network_of(row, sequence), phase=Phase.TRAIN, batch=batch, sequence=sequence)
    # a microbatch or an interleave that the row does not give is the fastest that fits, as its authors chose it
    complete = all(_number(row, column) is not None for column in ("tp", "pp", "dp", "micro_batch"))
    return _Case(workload, system.scaled(devices), _plan(row, facts.plan), complete)


def _inference_case(row: Row) -> _Case:
    """Return the request, or static batch of requests, that a row of kind prefill or decode describes.

    Errors
    ------
    SlipstickError where the model or the GPU is unknown, or a size is missing that no catalogue holds.
    """
    facts = _software(row.get("source", ""))
    system = override(resolve_system(row["gpu"]), facts.system, root="system")
    prompt, output, batch = _number(row, "seq") or 1, _number(row, "out_len") or 1, _number(row, "global_batch") or 1
    tp, pp = _number(row, "tp") or 1, _number(row, "pp") or 1
    precision = row.get("precision", "")
    cache = {"kv_cache": "fp8"} if "kv fp8" in precision else {}  # ``fp8 (kv fp8)`` names the cache's format too
    plan = Plan.of({"others": "off", **facts.plan, "tp": tp, "pp": pp, "dp": 1, **_formats(precision), **cache})
    decoder = _network_of(row, prompt)
    workload = Workload(network=decoder, phase=Phase.DECODE, batch=batch, sequence=prompt, output=output)
    return _Case(workload, system.scaled(tp * pp), plan, complete=True)


def _network_of(row: Row, sequence: int) -> Decoder:
    """Return the network of a row: by name where the catalogue knows it, by its sizes where they differ."""
    tied = row.get("tied_embeddings", "")
    note = row.get("note", "")
    sizes = RowSizes(
        layers=_number(row, "layers"),
        hidden=_number(row, "hidden"),
        heads=_number(row, "heads"),
        kv_heads=_number(row, "kv_heads"),
        ffn=_number(row, "ffn"),
        vocabulary=_number(row, "vocab"),
        tied=None if not tied else tied == "True",
        gated=True if "llama" in row["model"].lower() else None,
        positions=sequence,
        dense_layers=1 if "one dense layer" in note else None,
    )
    return decoder_from_row(row["model"], sizes)


def _plan(row: Row, defaults: Mapping[str, Any]) -> Plan:
    fields: dict[str, Any] = dict(defaults)
    for column in ("tp", "pp"):
        fields[column] = _number(row, column) or "auto"
    for column in ("dp", "cp", "ep"):
        fields[column] = _number(row, column) or ("auto" if column == "dp" else 1)
    fields["microbatch"] = _number(row, "micro_batch") or "auto"
    # a fact that says auto: the column holds something else
    fields |= {name: value for name, value in defaults.items() if value == "auto"}
    fields.setdefault("interleave", "auto" if (_number(row, "pp") or 1) > 1 else 1)
    fields["interleave"] = _number(row, "interleave") or fields["interleave"]
    fields["sp"] = _number(row, "sp") == 1 and _number(row, "tp") != 1
    if fields["sp"]:
        fields["tp_pattern"] = "rs_ag"
    if _number(row, "zero") is not None:
        fields["zero"] = _number(row, "zero")
    recompute = row.get("recompute", "").strip()
    unstated = "auto" if fields["tp"] == "auto" else "none"  # a row that gives the rest of its plan would say so
    fields["recompute"] = {"": unstated, "minimal": "selective"}.get(recompute, recompute)
    return Plan.of({"others": "off", **fields, **_formats(row.get("precision", ""))})


def _formats(precision: str) -> dict[str, str]:
    """Return the formats that a row's precision stands for: fp8 products keep 16-bit activations and gradients."""
    name = precision.split()[0].lower() if precision.strip() else "bf16"
    if name in ("fp16", "bf16"):
        return {"matmul": name, "activations": name}
    return {"matmul": name, "activations": "bf16"}


class _Software(Entry):
    """Software and cluster of a source of reference rows; the name is text that stands in a row's source."""

    plan: dict[str, bool | int | str] = Field(default={}, description="Short key of a plan -> value")
    system: dict[str, str] = Field(default={}, description="Dotted path below the system -> value")


reference_software = Catalogue(_Software, "validation/software.yaml", noun="software of reference rows")


class _Benchmark(Entry):
    """How the benchmark behind a reference file was run: values that no column holds, each with its reason."""

    values: dict[str, float] = Field(description="Name of a value -> its number in SI units")


reference_benchmarks = Catalogue(_Benchmark, "validation/benchmarks.yaml", noun="benchmark of reference rows")


@cache
def _benchmark(name: str) -> Mapping[str, float]:
    """Return the values of data/validation/benchmarks.yaml for one reference file."""
    return reference_benchmarks.entry(name).values


@cache
def _software(source: str) -> _Software:
    """Return the facts of data/validation/software.yaml whose names stand in `source`, as one; later entries win."""
    plan: dict[str, bool | int | str] = {}
    system: dict[str, str] = {}
    for name, entry in reference_software.items():
        if name.lower() in source.lower():
            plan |= entry.plan
            system |= entry.system
    return _Software(plan=plan, system=system)
