"""Validation against the hybrid parallelism paper: its gains against our bands of SU^M, and operator counts."""

from __future__ import annotations

from functools import cache

from slipstick.core.workload import Phase
from slipstick.engines.hybrid_tasks import _worker_batch
from slipstick.engines.step_speedup import _step_speedup, _StepSpeedup
from slipstick.report.published import PAPER_COLUMNS, PaperSuite, Row, RowDict, number, register_suite
from slipstick.report.row_texts import require_unit

_SYSTEM = "dgx1-v100"
_TIME_LIMIT = 10.0  # seconds for a placement
_BAND = "the most of the band 0 to SU^2 - 1"
_END_TO_END, _PER_STEP = "end-to-end training speedup (at least)", "MP speedup per step SU^M"
# metric -> the configurations, or those of a workload, of which our figure is
_DESCRIBED: dict[str, tuple[str | tuple[str, str], ...]] = {
    _END_TO_END: ("hybrid vs DP-only at scale",),
    _PER_STEP: (("Inception-V3", "2 GPUs, DLPlacer"), ("GNMT", "2 GPUs, pipelined"), ("BigLSTM", "2 GPUs, pipelined")),
    "forward work": (("Inception-V3", "batch 1, 299x299"), ("ResNet-152", "batch 1, 224x224")),
    "groups": ("chain-fused graph",),
}
_NAMES = {"Inception-V3": "inception-v3", "GNMT": "gnmt", "BigLSTM": "big-lstm", "ResNet-152": "resnet-152"}


def _row(row: RowDict, case: str) -> Row | str:
    """Return our figure for a published row: gains and step speed-ups by placement or pipeline, counts by graph."""
    answer = _answer(row)
    if isinstance(answer, str):
        return answer
    ours, kind, note = answer
    case += f"; ours: {_BAND}" if kind == "band" else ""
    source = f"{row['source']} ({row['seen_or_memory']})"
    return Row(case, kind, number(row, "value", case=case), ours, row["unit"], source, note)


def _answer(row: RowDict) -> tuple[float, str, str] | str:
    name = _NAMES.get(row["workload"])
    if name is None:
        return "the test bed and the inequality: tests/cluster"
    described = _DESCRIBED.get(row["metric"])
    if described is not None and (row["workload"], row["config"]) not in described and row["config"] not in described:
        return "a run or a graph of another description"
    if row["metric"] == _END_TO_END:
        require_unit(row, "%")
        gain = _gain(name)
        return (
            100 * max(0.0, gain.value - 1),
            "band",
            f"an 'at least' may lie anywhere in the band; SU^2 by {gain.method}",
        )
    if row["metric"] == _PER_STEP:
        require_unit(row, "x")
        return _gain(name).value, "SU^2", f"by {_gain(name).method}; the row is a recollection, and no target"
    if row["metric"] == "parameters without auxiliary head" or row["metric"] == "parameters":
        from slipstick.networks import network

        return float(network(name).parameters), "count", ""
    if row["metric"] == "forward work":
        return _forward_work(name), "count", "products only, as torch counts them"
    if row["metric"] == "groups":
        from slipstick.networks import network
        from slipstick.networks.graphs import chains

        return float(len(chains(network(name).ops(Phase.INFER, 1, 1, 1)))), "count", ""
    return "an exported graph's size, or another cost model's result"


@cache
def _gain(name: str) -> _StepSpeedup:
    return _step_speedup(name, _SYSTEM, 2, _worker_batch(name), method="auto", time_limit=_TIME_LIMIT)


def _forward_work(name: str) -> float:
    from slipstick.networks import network

    ops = network(name).ops(Phase.INFER, 1, 1, 1)
    return float(sum(op.flops * op.count for op in ops if op.kind in ("conv", "matmul"))) / 1e9


_SUITE = register_suite(
    PaperSuite(  # Pal et al., arXiv 1907.13257; nothing is fitted to its figures
        name="hybrid", columns=PAPER_COLUMNS,
        about="hybrid data and model parallelism on a DGX-1: bands of its gain, and operator graphs",
        recognise=lambda row: row["table"] == "hybrid_parallelism",
        case=lambda row: f"{row['workload']}, {row['config']}: {row['metric']}", answer=_row,
    )
)  # fmt: skip
