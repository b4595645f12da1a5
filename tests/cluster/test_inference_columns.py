"""Columns of inference points against single Reports: degrees, sizes, experts, ranks of attention, split devices."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from slipstick.cluster.inference.inference_columns import DECODE, PREFILL
from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Plan
from slipstick.core.question import Question
from slipstick.core.spec import override
from slipstick.core.sweep import Sweep
from slipstick.engines.question import ask
from slipstick.engines.refusals import engine_for

DENSE = {"parallel.tp": (1, 4, 8), "parallel.pp": (1, 2), "workload.batch": (8, 48), "workload.sequence": (512, 3000)}
EXPERTS = {
    "parallel.tp": (1, 2, 8), "parallel.pp": (1, 2), "parallel.ep": ("auto", 4), "parallel.etp": ("auto", "tp"),
    "serving.attention_dp": ("auto", 1, 2), "workload.batch": (16, 56),
}  # fmt: skip
SPLIT = {
    "parallel.tp": (1, 2), "parallel.pp": (1, 2), "serving.prefill_devices": (0, 4, 6, "auto"),
    "workload.batch": (16, 64), "workload.output": (2, 300),
}  # fmt: skip


def engine_figures(question: Question, point: dict[str, Any]) -> dict[str, float] | None:
    """Return the figures of a point's own Report; None where the engine refuses it."""
    sizes = {path.removeprefix("workload."): v for path, v in point.items() if path.startswith("workload.")}
    plan = {path: v for path, v in point.items() if not path.startswith("workload.")}
    given = question.plan.model_dump(exclude_unset=True)
    groups = {group: part for group, part in given.items() if isinstance(part, dict)}
    stated = {f"{group}.{name}": value for group, part in groups.items() for name, value in part.items()}
    stated |= {name: value for name, value in given.items() if name not in groups}
    asked = Question(override(question.workload, sizes, root="workload"), question.system, Plan.of({**stated, **plan}))
    try:
        report = engine_for("estimate", asked).answer(asked)
    except SlipstickError:
        return None
    return {path: metric.value for path, metric in report.flat().items()}


def compare(sweep: Sweep, question: Question, axes: dict[str, tuple[Any, ...]]) -> int:
    """Check every point's columns against its Report; return the number of possible points."""
    points = list(product(*axes.values()))
    places = [np.array([values.index(point[k]) for point in points]) for k, values in enumerate(axes.values())]
    columns = sweep.columns(question, axes, places)
    possible = 0
    for place, point in enumerate(points):
        figures = engine_figures(question, dict(zip(axes, point, strict=True)))
        if figures is None:
            assert all(np.isnan(values[place]) for values in columns.values()), point
            continue
        possible += 1
        for path, values in columns.items():
            assert values[place] == pytest.approx(figures[path], rel=1e-9), (path, point)
    return possible


@pytest.mark.parametrize("plan", ["", "continuous=true", "continuous=true,chunk=700,stack=vllm", "draft_tokens=3"])
def test_decode_points_of_a_dense_network_are_their_reports(plan: str) -> None:
    question = ask("llama-3.1-8b", "h100-sxm:8", plan or None, phase="decode")
    assert compare(DECODE, question, DENSE) > 10


@pytest.mark.parametrize("plan", ["", "chunk=700", "matmul=fp8"])
def test_prefill_points_are_their_reports(plan: str) -> None:
    assert compare(PREFILL, ask("llama-3.1-8b", "h100-sxm:8", plan or None, phase="prefill"), DENSE) > 10


@pytest.mark.parametrize("phase", ["decode", "prefill"])
def test_what_a_mixture_of_experts_leaves_open_is_chosen_alike(phase: Any) -> None:
    question = ask("mixtral-8x7b", "h100-sxm:8", phase=phase)
    assert compare(DECODE if phase == "decode" else PREFILL, question, EXPERTS) > 30


def test_replicas_that_only_prefill_are_chosen_alike() -> None:
    assert compare(DECODE, ask("llama-3.1-8b", "h100-sxm:8", phase="decode"), SPLIT) > 20


def test_the_ratio_of_split_devices_is_that_of_most_tokens() -> None:
    question = ask("llama-3.1-8b", "h100-sxm:8", "tp=1", phase="decode", batch=64, sequence=4096, output=64)
    rates = {}
    for devices in (*range(1, 8), "auto"):
        figures = engine_figures(question, {"serving.prefill_devices": devices})
        assert figures is not None
        rates[devices] = figures["throughput.tokens"]
    assert rates["auto"] == max(rates.values())
    assert len(set(rates.values())) > 5


def test_values_that_no_column_holds_are_named() -> None:
    question = ask("llama-3.1-8b", "h100-sxm:8", "pp=1", phase="decode")
    for path, value in (
        ("workload.batch", "many"),
        ("parallel.tp", 1.5),
        ("parallel.pp", True),
        ("parallel.dp", 10**10),
    ):
        with pytest.raises(SlipstickError, match=path):
            DECODE.columns(question, {path: (value,)}, [np.array([0])])
    columns = DECODE.columns(
        question, {"parallel.tp": (0, 8), "workload.batch": (8,)}, [np.array([0, 1]), np.array([0, 0])]
    )
    assert np.isnan(columns["time.step"]).tolist() == [True, False]


def test_ranks_of_attention_are_part_of_the_automatic_choice() -> None:
    """With tp given, the automatic ranks are no slower than any that a user could give."""
    question = ask("deepseek-v3", "h200-sxm-141gb:8", "matmul=fp8,kv_cache=fp8", phase="decode", batch=512, output=512)
    times = {}
    for ranks in ("auto", 1, 2, 4, 8):
        figures = engine_figures(question, {"parallel.tp": 8, "serving.attention_dp": ranks})
        assert figures is not None
        times[ranks] = figures["time.step"]
    assert times["auto"] <= min(times[ranks] for ranks in (1, 2, 4, 8)) * 1.002
    assert times["auto"] < times[1]
