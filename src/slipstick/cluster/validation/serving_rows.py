"""Suite of the `llm_serving` format: measured serving engines, modelled as continuous batching in steady state."""

from __future__ import annotations

import re

import numpy as np

from slipstick.cluster.inference.inference_pass import _decode_step, _InferenceSetting
from slipstick.cluster.inference.serving import _continuous_batch, _Load, _Service
from slipstick.cluster.sweep.plans import Plans
from slipstick.cluster.validation.grouped_rows import _replay_groups
from slipstick.cluster.validation.row_questions import _benchmark, _number, _software
from slipstick.core.arrays import FloatArray
from slipstick.core.catalogue import resolve_system
from slipstick.core.device_kinds import Accelerator
from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Plan
from slipstick.core.workload import Network, Phase, Workload
from slipstick.networks.find_network import network
from slipstick.report.published import Row, RowDict, Suite, Validation, register_suite
from slipstick.report.published import number as cell

_MILLI = 1e-3
# AIConfigurator's words for precisions: the format of the weights. `_wo`: they are unpacked to 16 bits
_FORMATS = {"": "bf16", "bf16": "bf16", "bfloat16": "bf16", "fp16": "fp16", "float16": "fp16"}
_FORMATS |= {"fp8": "fp8", "fp8_block": "fp8", "fp4": "nvfp4", "nvfp4": "nvfp4", "w4a16_mxfp4": "mxfp4"}
_FORMATS |= {"int8": "int8", "int8_wo": "int8", "int4_wo": "int4"}
_WEIGHTS_ONLY = ("w4a16_mxfp4", "int8_wo", "int4_wo")
# TensorRT-LLM follows its fp8 checkpoints, which bring scales of the cache; the others keep it in 16 bits unless told
_NARROW_CACHE = (("trtllm", "fp8"),)
_SAME = (
    "backend",
    "model_path",
    "system",
    "precision",
    "tp_size",
    "pp_size",
    "attention_dp_size",
    "moe_tp_size",
    "moe_ep_size",
)


class _ServingSuite(Suite):
    """First tokens, tokens after them and throughput of serving engines, by the columns of llm_serving_h100.csv."""

    name = "serving"
    columns = frozenset(
        (
            "id",
            "backend",
            "model_path",
            "system",
            "isl",
            "osl",
            "batch_size",
            "tp_size",
            "silicon_ttft_ms",
            "silicon_tpot_ms",
        )
    )
    about = "serving engines under load: time to first token, time per output token, throughput"

    def replay(self, rows: list[RowDict]) -> Validation:
        """Return the comparison of every row by three figures; rows of equal network and devices run as one array."""
        return _replay_groups(
            self.name,
            rows,
            key=lambda row: tuple(row.get(name, "") for name in _SAME),
            identity="id",
            answer=_group,
        )


def _group(rows: list[RowDict]) -> list[list[Row]]:
    setting, plan = _setting(rows[0])
    plans = plan.take(np.zeros(len(rows), dtype=np.int64))
    # AIConfigurator counts the requests of one attention data parallel rank
    waiting = np.array([_concurrency(row) for row in rows])
    load = _Load(waiting, *(np.array([_number(r, c) or 1 for r in rows]) for c in ("isl", "osl")))
    served = _continuous_batch(setting, plans, load, rounds=int(_benchmark("serving")["requests_per_client"]))
    least = _least(setting, plans, load)
    return [_figures(row, served, place, waiting[place], least[place]) for place, row in enumerate(rows)]


def _least(setting: _InferenceSetting, plans: Plans, load: _Load) -> FloatArray:
    """Return the seconds that the bytes of a decode step of all requests take at the data sheet's bandwidth."""
    step = _decode_step(setting, plans, load.concurrency, load.prompt)
    return np.asarray(step.traffic / setting.chip.dram_bandwidth)


def _concurrency(row: RowDict) -> int:
    return _number(row, "concurrency") or _number(row, "batch_size") or 1


def _setting(row: RowDict) -> tuple[_InferenceSetting, Plans]:
    tp, pp = _number(row, "tp_size") or 1, _number(row, "pp_size") or 1
    ranks = _number(row, "attention_dp_size") or 1
    ep, etp = max(1, _number(row, "moe_ep_size") or 1), max(1, _number(row, "moe_tp_size") or 1)
    precision = row.get("precision", "").strip().lower()
    if precision not in _FORMATS:
        raise SlipstickError("not a precision", path="precision", value=row["precision"], allowed=_FORMATS)
    stored = _FORMATS[precision]
    attention = max(1, tp // ranks) if ranks > 1 and ep <= tp else tp
    system = resolve_system(row["system"]).scaled(max(tp * pp, attention * ranks * pp))
    # weights that the device cannot multiply are unpacked to 16 bits
    matrix = system.device_as(Accelerator).matrix
    direct = stored in matrix and precision not in _WEIGHTS_ONLY
    format_ = stored if direct else "bf16" if "bf16" in matrix else "fp16"
    model = _network(row["model_path"])
    plan = Plan.of(
        {
            "others": "off",
            **_software(row["backend"]).plan,
            **({"kv_cache": "fp8"} if (row["backend"], format_) in _NARROW_CACHE else {}),
            "tp": attention,
            "pp": pp,
            "dp": ranks,
            "ep": ep,
            "etp": etp if ep > 1 or ranks > 1 else attention,
            "matmul": format_,
            **({"weights": stored} if stored != format_ else {}),
        }
    )
    workload = Workload(network=model, phase=Phase.DECODE)
    return _InferenceSetting.of(workload, system, plan), Plans.of([plan], system)


def _network(path: str) -> Network:
    """Return the network of a model path; a checkpoint quantised by somebody is the network that it comes from."""
    try:
        return network(path)
    except SlipstickError:
        base = re.sub(r"[-_](fp8|fp4|nvfp4|awq|gptq|int4|int8|w8a8|w4a16)([-_].*)?$", "", path, flags=re.IGNORECASE)
        if base == path:
            raise
        return network(base)


def _figures(row: RowDict, served: _Service, place: int, waiting: int, least: float) -> list[Row]:
    first, step = cell(row, "silicon_ttft_ms") * _MILLI, cell(row, "silicon_tpot_ms") * _MILLI
    output = _number(row, "osl") or 1
    ours = float(served.first_token[place]), float(served.per_token[place])
    measured = waiting * output / (first + (output - 1) * step)
    rate = waiting * output / (ours[0] + (output - 1) * ours[1])
    case, source = row["id"], f"{row['backend']} {row.get('backend_version', '')} {row['model_path']}"
    note = "measured steps are shorter than their bytes take: not all requests ran at once" if step < least else ""
    return [
        Row(case, "throughput", measured, rate, "token/s", f"{source}: throughput", note),
        Row(case, "decode", step / _MILLI, ours[1] / _MILLI, "ms a token", f"{source}: time per output token", note),
        Row(case, "prefill", first / _MILLI, ours[0] / _MILLI, "ms", f"{source}: time to first token", note),
    ]


SUITE = register_suite(_ServingSuite())
