"""Rows of the suite llm whose measurements are our own answers: what `validate` and `calibrate` are tested on."""

from __future__ import annotations

import csv
from pathlib import Path

import slipstick
from slipstick.core.system import System

COLUMNS = (
    "case_id", "kind", "model", "params", "layers", "hidden", "heads", "kv_heads", "ffn", "vocab", "seq",
    "global_batch", "micro_batch", "tp", "pp", "dp", "sp", "interleave", "recompute", "precision", "gpu", "n_gpus",
    "measured_value", "unit", "source", "seen_or_memory", "cp", "ep", "zero", "out_len", "note",
)  # fmt: skip
PLANS = [(2, 2, 1), (2, 1, 1), (4, 1, 2), (8, 1, 4), (8, 2, 1), (4, 2, 2)]  # tp, pp, microbatch


def rows(system: System, unit: str = "s/iteration") -> list[dict[str, str]]:
    """Return training rows whose measurements are our own answers on `system`."""
    found = []
    for number, (tp, pp, microbatch) in enumerate(PLANS):
        devices = tp * pp
        plan = f"tp={tp},pp={pp},dp=1,microbatch={microbatch},matmul=bf16,others=off"
        asked = slipstick.estimate("llama-2-7b", system.scaled(devices), plan, batch=32, sequence=4096)
        time = asked.value("time.step")
        value = time if unit == "s/iteration" else 32 * 4096 / time / devices
        row = dict.fromkeys(COLUMNS, "")
        row |= {"case_id": f"own-{number}", "kind": "train", "model": "llama-2-7b", "seq": "4096", "gpu": system.name}
        row |= {"global_batch": "32", "micro_batch": str(microbatch), "tp": str(tp), "pp": str(pp), "dp": "1"}
        row |= {"interleave": "1", "recompute": "none", "precision": "bf16", "n_gpus": str(devices), "unit": unit}
        row |= {"measured_value": repr(value), "source": "own", "seen_or_memory": "seen", "sp": "0"}
        found.append(row)
    return found


def write(path: Path, found: list[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(found)
    return path
