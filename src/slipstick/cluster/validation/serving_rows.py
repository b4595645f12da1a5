"""Suite of the `llm_serving` format: measured serving engines, modelled as continuous batching in steady state."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slipstick.cluster.inference.inference_pass import _decode_step, _InferenceSetting, _serving_memory
from slipstick.cluster.inference.serving import _continuous_batch, _Load, _Service
from slipstick.cluster.sweep.plans import Plans
from slipstick.cluster.validation.grouped_rows import _replay_groups
from slipstick.cluster.validation.row_benchmarks import _benchmark
from slipstick.cluster.validation.row_cells import _number, _required
from slipstick.cluster.validation.row_formats import _row_formats, _RowFormats
from slipstick.cluster.validation.row_software import _software
from slipstick.core.arrays import FloatArray
from slipstick.core.catalogue import resolve_system
from slipstick.core.device_kinds import Accelerator
from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Plan
from slipstick.core.workload import Network, Phase, Workload
from slipstick.networks.decoder.decoder import Decoder
from slipstick.networks.find_network import network
from slipstick.networks.from_row import packed_format, preset_of
from slipstick.report.published import Row, RowDict, Suite, Validation, register_suite
from slipstick.report.published import number as cell

_MILLI = 1e-3
_GIB = 2.0**30
# TensorRT-LLM follows its fp8 checkpoints, which bring scales of the cache; the others keep it in 16 bits unless told
_NARROW_CACHE = (("trtllm", "fp8"),)
_UNPACKED = ("fp8", "nvfp4", "mxfp4", "int8", "int4")  # formats of weights that engines unpack where they must
_ENGINES = {"tensorrt-llm": "trtllm", "trt-llm": "trtllm", "tensorrt_llm": "trtllm"}  # other spellings
_MODES = ("", "agg", "aggregated")
_QUANTISED = ("gemm_quant_mode", "moe_quant_mode")
_SAME = (
    "backend",
    "model_path",
    "system",
    "mode",
    "precision",
    *_QUANTISED,
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
    setting, plan, layout = _setting(rows[0])
    plans = plan.take(np.zeros(len(rows), dtype=np.int64))
    waiting = np.array([_concurrency(row, layout) for row in rows])
    load = _Load(waiting, *(np.array([_required(row, name, why) for row in rows]) for name, why in _LENGTHS.items()))
    _require_fit(setting, plans, load)
    served = _continuous_batch(setting, plans, load, rounds=int(_benchmark("serving")["requests_per_client"]))
    least = _least(setting, plans, load)
    return [_figures(row, served, place, waiting[place], least[place]) for place, row in enumerate(rows)]


_LENGTHS = {"isl": "the prompt's tokens", "osl": "the output's tokens"}


def _require_fit(setting: _InferenceSetting, plans: Plans, load: _Load) -> None:
    """Raise a SlipstickError unless a device's memory holds the weights, and the cache of the longest prompt."""
    memory = _serving_memory(setting, plans, 1, load.prompt, 1)
    capacity = setting.capacity
    if (memory.total > capacity).any():
        total, weights = float(memory.total.max()) / _GIB, float(memory.weights[0]) / _GIB
        usable = f"{capacity / _GIB:.4g} that the engine fills"
        message = f"does not fit: {total:.4g} GiB of {usable}, {weights:.4g} of them weights"
        raise SlipstickError(message, path="memory")


def _least(setting: _InferenceSetting, plans: Plans, load: _Load) -> FloatArray:
    """Return the seconds that the bytes of a decode step of all requests take at the data sheet's bandwidth."""
    step = _decode_step(setting, plans, load.concurrency, load.prompt)
    return np.asarray(step.traffic / setting.chip.dram_bandwidth)


@dataclass(frozen=True)
class _Layout:
    """Devices of a serving engine: attention's tensor parallelism and ranks, and how the experts lie on all of them."""

    attention: int
    ranks: int
    pp: int
    ep: int
    etp: int

    @property
    def devices(self) -> int:
        """Number of devices of all ranks and stages."""
        return self.attention * self.ranks * self.pp

    @classmethod
    def of(cls, row: RowDict, experts: bool) -> _Layout:
        """Return the layout that a row states, where its columns agree.

        `attention_dp_size` ranks share the `tp_size` devices; where they are too many for that, each has `tp_size`. In
        AIConfigurator's tables a concurrency of several batches is one of as many ranks.

        Errors
        ------
        SlipstickError where attention and experts would lie on different numbers of devices.
        """
        tp, pp = _required(row, "tp_size", "how the devices share the network"), _number(row, "pp_size") or 1
        ranks = _number(row, "attention_dp_size") or _implied_ranks(row)
        etp, ep = _number(row, "moe_tp_size"), _number(row, "moe_ep_size")
        if not experts:
            if ranks > 1:
                message = "attention ranks of their own need experts that span them"
                raise SlipstickError(message, path="attention_dp_size", value=ranks, allowed="1")
            return cls(tp, 1, pp, 1, tp)
        if not etp or not ep:
            message = "not stated: moe_tp_size and moe_ep_size say how the experts lie on the devices"
            raise SlipstickError(message, path="moe_tp_size", value=row.get("moe_tp_size", ""))
        attention, devices = (tp // ranks, tp) if tp % ranks == 0 else (tp, tp * ranks)
        if etp * ep != devices:
            message = f"the experts lie on {etp * ep} devices (moe_tp_size x moe_ep_size), attention on {devices}"
            raise SlipstickError(message, path="moe_tp_size")
        return cls(attention, ranks, pp, ep, etp)


def _implied_ranks(row: RowDict) -> int:
    """Return the attention ranks that a concurrency of several batches implies; 1 where one of them is not stated."""
    batch, concurrency = _number(row, "batch_size"), _number(row, "concurrency")
    if not batch or not concurrency or batch == concurrency:
        return 1
    if concurrency % batch:
        message = "batch_size and concurrency disagree, and the one is no multiple of the other"
        raise SlipstickError(message, path="concurrency", value=concurrency, allowed=f"a multiple of {batch}")
    return concurrency // batch


def _concurrency(row: RowDict, layout: _Layout) -> int:
    """Return the requests that one attention rank has at any time: AIConfigurator's batch.

    Errors
    ------
    SlipstickError where neither is stated, and where they are those of another number of ranks.
    """
    batch, concurrency = _number(row, "batch_size"), _number(row, "concurrency")
    if not batch and not concurrency:
        message = "not stated: a first token waits for the requests before it"
        raise SlipstickError(message, path="batch_size", value="")
    if batch and concurrency and concurrency not in (batch, batch * layout.ranks):
        message = f"not the requests of {layout.ranks} ranks with a batch of {batch} each"
        raise SlipstickError(message, path="concurrency", value=concurrency, allowed=f"{batch * layout.ranks}")
    if batch:
        return batch
    share, rest = divmod(concurrency or 0, layout.ranks)
    if rest:
        raise SlipstickError("not a multiple of the attention ranks", path="concurrency", value=concurrency)
    return share


def _setting(row: RowDict) -> tuple[_InferenceSetting, Plans, _Layout]:
    if row.get("mode", "").lower() not in _MODES:
        raise SlipstickError("not prefill and decode on the same devices", path="mode", value=row["mode"])
    model = Decoder.of(_network(row["model_path"]))
    layout = _Layout.of(row, bool(model.expert_counts))
    formats = _stated_formats(row, model)
    system = resolve_system(row["system"]).scaled(layout.devices)
    # weights that the device cannot multiply are unpacked to 16 bits
    matrix = system.device_as(Accelerator).matrix
    direct = formats.weights in matrix and not formats.weights_only
    if not direct and formats.weights not in _UNPACKED:
        message = f"{system.name} has no matrix rate in this format, and no engine unpacks it"
        raise SlipstickError(message, path="precision", value=formats.weights, allowed=matrix)
    format_ = formats.weights if direct else "bf16" if "bf16" in matrix else "fp16"
    backend = _engine(row)
    cache = formats.cache or ("fp8" if (backend, format_) in _NARROW_CACHE else "")
    plan = Plan.of(
        {
            "others": "off",
            **_software(backend).plan,
            **({"kv_cache": cache} if cache else {}),
            "tp": layout.attention,
            "pp": layout.pp,
            "dp": layout.ranks,
            "ep": layout.ep,
            "etp": layout.etp,
            "matmul": format_,
            **({"weights": formats.weights} if formats.weights != format_ else {}),
        }
    )
    workload = Workload(network=model, phase=Phase.DECODE, batch=layout.ranks)
    plans = Plans.of([plan], system)
    plans.require_possible(workload, system)
    return _InferenceSetting.of(workload, system, plan), plans, layout


def _engine(row: RowDict) -> str:
    name = row["backend"].strip().lower()
    return _ENGINES.get(name, name)


def _stated_formats(row: RowDict, model: Decoder) -> _RowFormats:
    """Return the formats of a row: as its columns agree, or, where they are empty, those of the checkpoint.

    Errors
    ------
    SlipstickError where the columns name different formats.
    """
    stated = {name: _row_formats(row[name]) for name in ("precision", *_QUANTISED) if row.get(name, "").strip()}
    named = {formats.weights for formats in stated.values()}
    if len(named) > 1:
        text = ", ".join(f"{name} {row[name]}" for name in stated)
        raise SlipstickError("columns that name different formats", path="precision", value=text)
    if stated:
        return next(iter(stated.values()))
    if model.quantisation is not None:
        return _row_formats(model.quantisation.format)
    return _row_formats(packed_format(row["model_path"]) or "bf16")


def _network(path: str) -> Network:
    """Return the network of a model path; a checkpoint tuned or quantised by somebody is one of the catalogue's."""
    known = preset_of(path)
    return network(path if known is None else known.name)


def _figures(row: RowDict, served: _Service, place: int, waiting: int, least: float) -> list[Row]:
    first, step = cell(row, "silicon_ttft_ms") * _MILLI, cell(row, "silicon_tpot_ms") * _MILLI
    output = _required(row, "osl", "the output's tokens")
    ours = float(served.first_token[place]), float(served.per_token[place])
    measured = waiting * output / (first + (output - 1) * step)
    rate = waiting * output / (ours[0] + (output - 1) * ours[1])
    case, source = row["id"], f"{row['backend']} {row.get('backend_version', '')} {row['model_path']}"
    notes = ["measured steps are shorter than their bytes take: not all requests ran at once"] if step < least else []
    if not _software(_engine(row)).plan:
        notes.append(f"no constants for the engine {row['backend']}: those between the calibrated engines")
    note = "; ".join(notes)
    return [
        Row(case, "throughput", measured, rate, "token/s", f"{source}: throughput", note),
        Row(case, "decode", step / _MILLI, ours[1] / _MILLI, "ms a token", f"{source}: time per output token", note),
        Row(case, "prefill", first / _MILLI, ours[0] / _MILLI, "ms", f"{source}: time to first token", note),
    ]


SUITE = register_suite(_ServingSuite())
