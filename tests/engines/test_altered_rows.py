"""Rows of every suite altered as tables differ: the same figure, the right other one, or a skip that says why.

The rows are those that ship with the product; of the suites that ship none, a row of this test's own. An expectation is

* ``SAME``: the figures of the row as it was (another spelling of the same question);
* ``times(x)``: those figures times x (another unit, or a share of the devices);
* ``other(low, high)``: an answer to another question, whose ratio to the old figure lies between the two;
* a text: the row is skipped with that reason, and counted.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import pytest

from slipstick.engines.validation_suites import _load_suites
from slipstick.report.published import RowDict, Suite, Validation

SHIPPED = Path(str(resources.files("slipstick.data").joinpath("validation")))


@dataclass(frozen=True)
class Ratio:
    """Range in which the altered row's figure lies, against that of the row as it was."""

    low: float
    high: float


def times(factor: float) -> Ratio:
    return Ratio(factor * (1 - 1e-9), factor * (1 + 1e-9))


def other(low: float, high: float) -> Ratio:
    return Ratio(low, high)


SAME = times(1)
Alteration = tuple[str, dict[str, str], Ratio | str]


def refused(name: str, reason: str, *cells: tuple[str, str]) -> list[Alteration]:
    """Return the alterations of one cell each, column and value, for which the row is skipped with the same reason."""
    return [(name, {column: value}, reason) for column, value in cells]


OWN: dict[str, list[RowDict]] = {  # figures by hand, not of any source
    "nanotron": [{
        "case_id": "own-1", "kind": "train", "model": "Llama-shaped 1.34B", "params": "1.34e9", "layers": "16",
        "hidden": "2048", "heads": "32", "kv_heads": "32", "ffn": "8192", "vocab": "131072", "tied_embeddings": "True",
        "seq": "4096", "global_batch": "256", "micro_batch": "2", "tp": "2", "pp": "1", "dp": "4", "sp": "1",
        "interleave": "1", "recompute": "none", "precision": "bf16 (fp32 gradient accumulation)", "zero": "0",
        "gpu": "H100-SXM-80GB", "n_gpus": "8", "status": "Success", "tokens_per_s_per_gpu": "30000",
        "peak_reserved_gb": "40", "nccl_allgather_gbps": "240", "nccl_reducescatter_gbps": "240", "source": "nanotron",
    }],
    "hybrid": [
        {"table": "hybrid_parallelism", "workload": "Inception-V3", "config": config, "metric": metric, "value": value,
         "unit": unit, "source": "own", "seen_or_memory": "computed"}
        for config, metric, value, unit in (
            ("torch export", "parameters without auxiliary head", "23834568", ""),
            ("batch 1, 299x299", "forward work", "11.43", "GFLOP (2 per MAC)"),
            ("chain-fused graph", "groups", "66", ""),
            ("hybrid vs DP-only at scale", "end-to-end training speedup (at least)", "26.5", "%"),
        )
    ],
}  # fmt: skip

WITHOUT_SIZES = dict.fromkeys(("params", "layers", "hidden", "heads", "kv_heads", "ffn", "vocab"), "")
LLM: list[Alteration] = [
    ("kort-001", {"model": "NVIDIA/GPT-22B"}, SAME),
    ("kort-001", {"unit": "s/iteration (mean of 5 steps)"}, SAME),
    ("kort-001", {"unit": "ms per step"}, times(1000)),
    ("kort-001", {"unit": "samples/s"}, other(0, 1e9)),
    ("kort-001", {"precision": "FP16 (mixed precision)"}, SAME),
    ("kort-001", {"precision": "float16"}, SAME),
    ("kort-001", {"precision": ""}, "precision: not stated"),
    ("kort-001", {"precision": "mxfp8"}, "no matrix rate in this format; got 'mxfp8'"),
    ("kort-001", {"precision": "fp4"}, "no matrix rate in this format; got 'nvfp4'"),
    ("kort-001", {"precision": "int7"}, "not a precision"),
    ("kort-001", {"precision": "fp16 (stochastic rounding)"}, "comment that is not understood"),
    ("kort-001", {"global_batch": ""}, "needs seq and global_batch"),
    ("kort-001", {"tp": "7", "n_gpus": "7"}, "must divide the attention heads"),
    ("kort-001", {"dp": "2"}, "not the number of devices"),
    ("kort-001", {"params": "175e9"}, "22.07 G parameters, the row says 175 G"),
    ("kort-001", {"ep": "8"}, "has no experts to share"),
    ("kort-001", {"unit": "model TFLOP/s"}, "of one device, or of all"),
    ("kort-001", {"unit": "TFLOP/s/gpu hardware"}, other(1, 1e9)),
    ("kort-001", {"unit": "TFLOP/s/gpu hardware", "recompute": "none"}, "counted for full recomputation"),
    ("kort-001", {"unit": "s/iteration (p99)"}, "a percentile or an extreme"),
    ("kort-001", {"unit": "s/epoch"}, "not a unit of a row of kind train"),
    ("kort-001", {"model": "Mixtral 9x9B"}, "a network with experts by its name"),
    ("kort-001", {"gpu": "A100-SXM-40GB"}, r"does not fit: \d+\.?\d* GiB of 40"),
    ("kort-001", {"gpu": "abacus"}, "no such system"),
    ("kort-001", {"kind": "epochs"}, "not a kind of row"),
    ("kort-001", {"n_gpus": "8.5"}, "not a whole number"),
    ("kort-001", {"software": "megascale 2024"}, "another network"),
    ("mosaic-006", {"model": "databricks/MPT-30b"}, SAME),
    ("trt061-001", {"model": "EleutherAI/GPT-J 6B"}, SAME),
    ("trt061-001", {"unit": "tokens/s/GPU (mean)"}, SAME),
    ("trt061-001", {"global_batch": ""}, SAME),  # the share of the one replica says it
    ("trt061-001", {"global_batch": "", "micro_batch": ""}, other(0.8, 2)),  # as many as fit: never one request
    ("trt061-001", {"global_batch": "1", "micro_batch": "1"}, other(0.0001, 0.05)),
    ("trt061-001", {"precision": "fp8 (kv fp16)"}, other(0.5, 0.999)),
    ("trt061-001", {"out_len": ""}, "out_len: not stated"),
    ("trt061-001", {"seq": ""}, "seq: not stated"),
    ("trt061-001", {"tp": "", "n_gpus": "8"}, "tp: not stated"),
    ("trt061-001", {"global_batch": "100000", "micro_batch": "100000"}, "does not fit"),
    ("trtttft-001", {"global_batch": "", "micro_batch": ""}, "a first token waits for the prompts before it"),
    ("trtttft-001", {"unit": "ms"}, SAME),
    ("trtttft-001", {"unit": "output tok/s"}, "tokens of the other phase"),
    ("trt10-049", {"unit": "Tokens/s/gpu"}, times(1 / 8)),
    ("trt10-049", {"unit": "output tok/s (per GPU)"}, times(1 / 8)),
    ("trt10-049", {"unit": "out tok/s (8 GPUs, whole instance)"}, SAME),
    ("trt10-049", {"unit": "output tok/s/gpu (whole instance)"}, "of one device by the unit, of all by its comment"),
    ("trt10-049", {"unit": "total tok/s"}, "not a unit of a row of kind decode"),
    ("trt10-049", {"model": "nvidia/Llama-3.1-405B-Instruct-FP8"}, SAME),
    ("trt10-049", {"precision": "fp8 (kv fp8)"}, SAME),
    ("trt10-049", {"precision": "nvfp4"}, "no matrix rate in this format"),
    ("trt10-049", {"tp": "1", "n_gpus": "1"}, r"does not fit: \d+\.?\d* GiB of 126.9"),
    ("trt10-049", {"n_gpus": "16"}, "tp\\*pp\\*dp is not the number of devices"),
    ("trt10-049", {"dp": "2", "n_gpus": "16"}, times(2)),
    ("trt10-049", {"cp": "2"}, "context parallelism is not part of our inference"),
    ("trt10-049", {"ep": "3"}, "ep: does not divide the devices"),
    ("trt10-049", {"ep": "8"}, "has no experts to share"),
    ("trt10-049", {"model": "deepseek-ai/DeepSeek-R1", "ep": "8", **WITHOUT_SIZES}, other(0.1, 10)),
    ("trt10-049", {"unit": "ms time to first token"}, "it depends on how many wait"),
]  # fmt: skip
LLAMA, QWEN, MOE = "meta_llama_llama_3_1_8b", "qwen_qwen3_32b_qwen_qwen3_32b_h100_sxm_trtllm", "qwen_qwen3_235b"
DEEPSEEK, DENSE = "dsr1_h200_sglang", "2026_04_06_llama_3_1_70b"
SERVING: list[Alteration] = [
    (LLAMA, {"batch_size": ""}, SAME),
    (LLAMA, {"concurrency": ""}, SAME),
    (LLAMA, {"batch_size": "", "concurrency": ""}, "batch_size: not stated"),
    (LLAMA, {"concurrency": "20"}, "batch_size and concurrency disagree"),
    (LLAMA, {"concurrency": "64"}, "attention ranks of their own need experts"),
    (LLAMA, {"precision": "BF16"}, SAME),
    (LLAMA, {"precision": "mxfp8"}, "no engine unpacks it"),
    (LLAMA, {"precision": "tally"}, "not a precision"),
    (LLAMA, {"model_path": "NousResearch/Llama-3.1-8B-Instruct"}, SAME),
    (LLAMA, {"model_path": "Llama-3.1 8B"}, SAME),
    (LLAMA, {"model_path": "NousResearch/Abacus-8B"}, "no such network"),
    (LLAMA, {"backend": "TensorRT-LLM"}, SAME),
    (LLAMA, {"backend": "abacus"}, other(0.3, 3)),
    (LLAMA, {"tp_size": ""}, "tp_size: not stated"),
    (LLAMA, {"tp_size": "3.0"}, "must divide the attention heads"),
    (LLAMA, {"moe_tp_size": "0.0", "moe_ep_size": "0.0"}, SAME),
    (LLAMA, {"osl": ""}, "osl: not stated"),
    (LLAMA, {"mode": "disagg"}, "not prefill and decode on the same devices"),
    (LLAMA, {"silicon_tpot_ms": ""}, "not a number"),
    (LLAMA, {"model_path": "meta-llama/Llama-3.1-70B"}, r"does not fit: \d+\.?\d* GiB of 72 that the engine"),
    (QWEN, {"precision": "fp8 (kv fp8)"}, SAME),
    (QWEN, {"precision": "nvfp4"}, "columns that name different formats"),
    (QWEN, {"precision": ""}, SAME),  # the other two columns say it
    (MOE, {"precision": "", "gemm_quant_mode": "", "moe_quant_mode": ""}, SAME),  # the checkpoint's
    (MOE, {"moe_ep_size": "4.0", "moe_tp_size": "2.0"}, other(0.5, 2)),
    (MOE, {"moe_ep_size": "4.0"}, "the experts lie on 4 devices"),
    (MOE, {"tp_size": "4.0"}, "the experts lie on 8 devices"),
    (MOE, {"moe_ep_size": "0.0"}, "moe_tp_size and moe_ep_size say how"),
    (DEEPSEEK, {"moe_tp_size": "1.0", "moe_ep_size": "8.0"}, other(0.5, 2)),
    (DEEPSEEK, {"attention_dp_size": "8.0", "concurrency": ""}, other(0.1, 20)),
    (DEEPSEEK, {"system": "h100_sxm"}, r"does not fit: \d+\.?\d* GiB of 63.2 that the engine"),
    (DENSE, {"attention_dp_size": "2.0"}, "attention ranks of their own need experts"),
]  # fmt: skip
GEMM: list[Alteration] = [
    ("0", {"dtype": "bf16"}, SAME),
    ("0", {"dtype": "BFloat16"}, SAME),
    ("0", {"gpu": "A100-SXM-80GB"}, SAME),
    ("0", {"dtype": ""}, "precision: not stated"),
    *refused("0", "no matrix rate in this format", ("dtype", "fp8"), ("dtype", "nvfp4")),
    ("0", {"dtype": "tally"}, "not a precision"),
    ("0", {"gpu": "abacus"}, "no such system"),
    *refused("0", "not a number", ("m", ""), ("k", "inf"), ("latency_us", "nan")),
    *refused("0", "not a size", ("m", "0"), ("n", "12.5"), ("m", "1e300"), ("latency_us", "-1")),
    ("0", {"dtype": "fp16"}, SAME),
    ("6", {"dtype": "fp8_block"}, SAME),
    ("6", {"dtype": "e4m3"}, SAME),
    ("6", {"dtype": "fp4"}, "no matrix rate"),
    ("15", {"dtype": "fp4"}, SAME),
    ("15", {"dtype": "mxfp8"}, other(0.5, 3)),
    ("15", {"library": "own"}, SAME),
]  # fmt: skip
NCCL: list[Alteration] = [
    ("0", {"op": "allreduce"}, SAME),
    ("0", {"op": "All-Reduce"}, SAME),
    ("0", {"gpu": "a100"}, SAME),
    ("0", {"op": "gossip"}, "gossip"),
    ("0", {"op": ""}, "got ''"),
    ("0", {"gpu": "abacus"}, "no such system"),
    *refused(
        "0", "not a size", ("num_gpus", "0"), ("num_gpus", "2.5"), ("message_elements", "-1"), ("latency_us", "0")
    ),
    *refused("0", "not a number", ("num_gpus", ""), ("dtype_bytes", ""), ("message_elements", "x"), ("latency_us", "")),
    ("0", {"dtype_bytes": "4", "message_elements": "1024"}, SAME),
    ("0", {"num_gpus": "4"}, other(0.3, 1)),
    ("0", {"op": "all_gather"}, other(0.1, 1)), ("0", {"op": "reduce_scatter"}, other(0.1, 1)),
    ("2", {"dtype_bytes": "4", "message_elements": "134217728"}, SAME),
    ("2", {"num_gpus": "16"}, other(0.5, 20)),
]  # fmt: skip
WHOLE, FIVES, SWEEP = "Transformer-17B MP(20)-DP(1)-PP(1)", "Transformer-17B MP(2)-DP(5)-PP(2)", "fig11"
FRED: list[Alteration] = [
    ("fig10", {"config": "Fred-C vs Fred-A"}, "not against the mesh"),
    *refused("fig10", "not described", ("config", "Fred-E vs mesh"), ("workload", "GPT-5")),
    ("fig10", {"unit": "%"}, "another unit than ours"),
    ("fig10", {"unit": "x (mean)"}, SAME),
    ("fig10", {"table": SWEEP}, "a sweep of another workload than Transformer-17B"),
    ("fig10", {"value": "fast"}, "not a number"),
    ("fig10", {"table": SWEEP, "metric": "training speedup"}, "a sweep of another workload than Transformer-17B"),
    ("fig10", {"table": SWEEP, "workload": "Transformer-17B", "metric": "training speedup"},
     "a sweep on another fabric"),
    ("fig9", {"workload": "Transformer-17B MP(4)-DP(5)-PP(1)"}, "a strategy that the paper places"),
    ("fig9", {"config": "torus"}, "not one of the paper's fabrics"),
    ("fig9", {"unit": "TBps"}, "another unit than ours"),
    ("fig9", {"config": "Fred-D"}, other(1.99, 2.01)),
    ("fig9", {"metric": "MP traffic"}, "a figure that is not simulated"),
    ("fig9", {"workload": WHOLE.replace("Transformer-17B", "GPT-3")}, SAME),  # the collective alone
    ("fig4", {"config": "8x8 mesh, 32 I/O channels"}, "another description than the wafer's"),
    ("text", {"config": "Fred-D"}, "another description than the wafer's"),
    ("text", {"metric": "line rate"}, "not simulated"),
    ("text", {"table": "derived", "metric": "weight-streaming share of baseline"}, "supposes that nothing is computed"),
    ("text", {"table": "derived", "workload": "all-reduce over 9 NPUs",
              "metric": "speedup over mesh in the bandwidth limit"}, "a collective or a fabric that is not described"),
    ("text", {"table": "derived", "config": "Fred-A", "metric": "exposed DP share of baseline"},
     "another fabric's time"),
    ("text", {"table": "derived", "workload": "GPT-5", "metric": "exposed DP share of baseline"}, "no such workload"),
]  # fmt: skip
CONV = "scalesim3 ResNet-18 conv2_1a"
SWIS: list[Alteration] = [
    (CONV, {"config": "16x16 output stationary"}, "another description"),
    (CONV, {"unit": "Mcycles"}, "another unit than ours"),
    (CONV, {"unit": "cycles (no stalls)"}, SAME),
    (CONV, {"metric": "DRAM ifmap reads", "unit": "words"}, other(0, 1e9)),
    (CONV, {"metric": "DRAM ifmap reads", "source": "own run, SRAM 3x256 kB"}, "memories of another description"),
    (CONV, {"metric": "run time", "unit": "s"}, "of the simulator itself"), (CONV, {"value": ""}, "not a number"),
    *refused(
        "scalesim3 12x12x40", "another description", ("model", "12x10x40 1x1 48 valid"),
        ("model", "12x12x40 1x1 48 same"), ("config", "8 rows x 8 columns, rs")
    ),
    ("scalesim3 12x12x40", {"metric": "DRAM ifmap reads", "unit": "words"}, "of another description"),
    ("scalesim3 12x12x40", {"metric": "utilisation"}, "another unit than ours"),
    ("storage M=4", {"metric": "decoder gates"}, "another property"),
    ("storage M=4", {"unit": "byte"}, "another unit than ours"),
    ("storage M=4", {"model": "M=x"}, "not a group of weights"),
    ("storage M=4", {"config": "SWIS N=2, 9 bit positions"}, "not a group"),
    *refused(
        "zigzag ResNet-18 whole", "another array than its tpu_like", ("config", "eyeriss_like"),
        ("config", "meta_prototype_like (32x32)")
    ),
    ("zigzag ResNet-18 whole", {"config": "tpu_like (32x32)"}, SAME),
    ("zigzag ResNet-18 whole", {"config": "tpu_like (16x16)"}, other(2, 5)),
    ("zigzag ResNet-18 whole", {"model": "MobileNetV2 whole"}, "a network or a layer of another description"),
    ("zigzag ResNet-18 whole", {"metric": "energy"}, "of ZigZag's own parts table"),
]  # fmt: skip
FABRIC: list[Alteration] = [
    ("0", {"backend": "ns3"}, "not a backend"),
    ("0", {"topology": "Dragonfly"}, "no such topology"),
    *refused(
        "0", "not a whole number", ("dims", "four"), ("dims", "4x4"), ("dims", "0"),
        ("splits_or_chunks_per_npu", "1.5"), ("splits_or_chunks_per_npu", "")
    ),
    *refused("0", "not a number", ("bytes", ""), ("time_ns", ""), ("bw_GiBps_per_dim", "fast")),
    *refused("0", "no such algorithm", ("collective", "gossip"), ("algorithm", "bees")),
    ("0", {"backend": "unaware"}, "a link of its own"),
    ("0", {"wall_s": ""}, SAME),
    ("0", {"backend": "unaware", "topology": "RingxRing", "dims": "4x4"}, "another collective than rings of rings"),
    *refused("3", "synthesised here", ("collective", "all_reduce"), ("algorithm", "ring"), ("topology", "ring")),
    ("3", {"dims": "4"}, "not two dimensions"),
    ("3", {"dims": "ax4"}, "not a whole number"),
    ("3", {"bw_GiBps_per_dim": "750|100"}, "dimensions of different links"),
    ("3", {"topology": "torus"}, other(0.1, 1)),
]  # fmt: skip
NANOTRON: list[Alteration] = [
    ("own-1", {"model": "huggingface/Llama-shaped 1.34B"}, SAME),
    ("own-1", {"precision": "BF16"}, SAME),
    ("own-1", {"precision": ""}, "precision: not stated"),
    ("own-1", {"precision": "nvfp4"}, "no matrix rate"),
    ("own-1", {"precision": "fp8"}, other(0.3, 1)),
    ("own-1", {"status": "Timeout"}, "neither a run that fitted"),
    ("own-1", {"global_batch": "1048576"}, SAME),  # tokens
    ("own-1", {"global_batch": ""}, "global_batch"),
    *refused("own-1", "the sweep is of plans", ("micro_batch", ""), ("tp", "")),
    *refused("own-1", "not the number of devices", ("tp", "3"), ("dp", "2")),
    ("own-1", {"n_gpus": ""}, "n_gpus: not stated"),
    ("own-1", {"heads": "31"}, "31"),
    ("own-1", {"params": "70e9"}, "the row says 70 G"),
    ("own-1", {"gpu": "abacus"}, "no such system"),
    ("own-1", {"tokens_per_s_per_gpu": ""}, "not a number"),
    ("own-1", {"micro_batch": "3"}, "must divide the global batch"),
    ("own-1", {"recompute": "some"}, "recompute"), ("own-1", {"seq": ""}, "seq and global_batch"),
    ("own-1", {"nccl_reducescatter_gbps": "", "nccl_allgather_gbps": ""}, SAME),
]  # fmt: skip
HYBRID: list[Alteration] = [
    ("parameters without", {"workload": "Inception-V9"}, "test bed"),
    ("parameters without", {"metric": "operators"}, "another cost model"),
    *refused("parameters without", "not a number", ("value", "many"), ("value", "")),
    ("parameters without", {"workload": "ResNet-152"}, other(2, 3)),
    ("parameters without", {"metric": "parameters"}, SAME),
    *refused(
        "forward work", "another description", ("config", "batch 1, 224x224"), ("config", "batch 8, 299x299"),
        ("workload", "ResNet-152")
    ),
    ("forward work", {"unit": "GFLOP"}, SAME),
    ("forward work", {"workload": "ResNet-152", "config": "batch 1, 224x224"}, other(1.9, 2.1)),
    ("forward work", {"value": "x"}, "not a number"),
    ("groups", {"config": "eager graph"}, "another description"),
    ("groups", {"metric": "levels"}, "another cost model"),
    ("groups", {"workload": "ResNet-152"}, other(1, 10)), ("groups", {"value": ""}, "not a number"),
    *refused("end-to-end", "another description", ("config", "4-way MP"), ("metric", "MP speedup per step SU^M")),
    ("end-to-end", {"unit": "x"}, "another unit than ours"),
    ("end-to-end", {"workload": "all"}, "test bed"),
    ("end-to-end", {"metric": "end-to-end inference speedup"}, "another cost model"),
]  # fmt: skip
OPTICS: list[Alteration] = [
    ("conservative MRR", {"config": "moderate"}, other(0.12, 0.13)),
    ("conservative MRR", {"config": "aggressive"}, other(0.045, 0.055)),
    *refused("conservative MRR", "no such system", ("config", "optimistic"), ("config", "")),
    *refused("conservative MRR", "does not tell apart", ("metric", "MRR energy"), ("metric", "fibre power")),
    ("conservative MRR", {"metric": "laser power"}, other(0.31, 0.32)),
    ("conservative MRR", {"metric": "total power (sum of rows)"}, other(3.0, 3.1)),
    *refused("conservative MRR", "another unit than ours", ("unit", "mW"), ("unit", "J"), ("unit", "")),
    *refused("conservative MRR", "not a number", ("value", "x"), ("value", "")),
    ("conservative MRR", {"value": "15.04"}, SAME),
    ("conservative MRR", {"table": "Table IV"}, "an input of the model"),
    ("conservative MRR", {"paper": "HolyLight"}, "another system"),
    ("conservative MRR", {"seen_or_memory": "memory"}, "from memory"),
    ("conservative MRR", {"seen_or_memory": "computed"}, SAME),
    ("conservative MRR", {"model": "27 PLCG"}, "another chip"),
    ("- total area", {"unit": "cm2"}, "another unit than ours"),
    ("- total area", {"table": "Table III"}, "does not tell apart"),
]  # fmt: skip
ALTERED: dict[str, list[Alteration]] = {
    "llm": LLM, "serving": SERVING, "gemm": GEMM, "nccl": NCCL, "fred": FRED, "swis": SWIS, "fabric": FABRIC,
    "nanotron": NANOTRON, "hybrid": HYBRID, "optics": OPTICS,
}  # fmt: skip
NAMED: dict[str, Callable[[RowDict], str]] = {
    "llm": lambda row: row["case_id"], "nanotron": lambda row: row["case_id"], "serving": lambda row: row["id"],
    "swis": lambda row: f"{row['table']} {row['model']}", "fred": lambda row: row["table"],
    "hybrid": lambda row: row["metric"], "optics": lambda row: f"{row['config']} {row['metric']}",
}  # fmt: skip


def rows_of(suite: str) -> list[RowDict]:
    if suite in OWN:
        return OWN[suite]
    with (SHIPPED / f"{suite}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def row_named(suite: str, name: str) -> RowDict:
    rows = rows_of(suite)
    if suite not in NAMED:
        return rows[int(name)]
    return next(row for row in rows if NAMED[suite](row).startswith(name))


def replayed(suite: str, row: RowDict) -> Validation:
    suites: dict[str, Suite] = _load_suites()
    return suites[suite].replay([row])


def test_every_suite_is_fed_twenty_altered_rows() -> None:
    assert set(ALTERED) == set(_load_suites())
    assert all(len(alterations) >= 20 for alterations in ALTERED.values())


@pytest.mark.parametrize(
    ("suite", "name", "changes", "expected"),
    [(suite, *alteration) for suite, alterations in ALTERED.items() for alteration in alterations],
)
def test_an_altered_row_is_answered_as_itself_or_skipped(
    suite: str, name: str, changes: dict[str, str], expected: Ratio | str
) -> None:
    row = row_named(suite, name)
    before, after = replayed(suite, row), replayed(suite, {**row, **changes})
    assert not before.skipped, before.skipped
    if isinstance(expected, str):
        assert not after.rows, [(figure.kind, figure.ours, figure.note) for figure in after.rows]
        assert re.search(expected, after.skipped[0][1]), after.skipped[0][1]
        assert "0 of 1 rows answered, 1 skipped" in after.headline
        return
    assert not after.skipped, after.skipped
    for old, new in zip(before.rows, after.rows, strict=True):
        if old.kind != "fits":
            assert expected.low <= new.ours / old.ours <= expected.high, (old.kind, old.ours, new.ours, new.note)


def test_a_bad_row_leaves_the_others_of_its_group_alone() -> None:
    suites, row = _load_suites(), row_named("serving", LLAMA)
    found = suites["serving"].replay([row, {**row, "id": "bad", "osl": ""}, {**row, "id": "good"}])
    assert [case for case, _ in found.skipped] == ["bad"]
    assert [figure.case_id for figure in found.rows[3:]] == ["good"] * 3
    assert [figure.ours for figure in found.rows[3:]] == pytest.approx([figure.ours for figure in found.rows[:3]])


def test_unlimited_requests_say_how_many_ran() -> None:
    (figure,) = replayed("llm", row_named("llm", "trt10-065")).rows
    assert "requests at once, as many as the memory holds" in figure.note
    assert abs(figure.error) < 0.25  # a missing batch is not one request: that would be 0.6 % of it
