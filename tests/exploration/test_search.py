"""Spaces, conditions, frontiers; the columns against single reports; runs that are killed and go on."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from commands import Result
from slipstick import estimate
from slipstick.core.errors import SlipstickError
from slipstick.core.pareto import knee, pareto
from slipstick.core.value_ranges import values_of
from slipstick.exploration.constraint import _parse
from slipstick.exploration.points import Columns, Task, _evaluate, _prepared
from slipstick.exploration.space import Space
from slipstick.exploration.system_key import _SystemKey
from slipstick.pictures.axes import Axis
from slipstick.report.report import Report
from slipstick.testing import ExecutorSuite
from slipstick.verbs.search import search

PLAN = "tp=1..8,pp=1..8,microbatch=1|2|4,recompute=none|full,sp=true|false,zero=0|1"
SPACE = Space.of(system="h100-sxm:16..64", plan=PLAN)
TASK = _prepared(Task("llama-3.1-8b", SPACE, {"batch": 128, "sequence": 4096}), [("time", "minimize")])
ASKED: Any = {"batch": 128, "sequence": 4096}
FIGURES = {"memory.peak": "B", "time.step": "s", "price": "USD", "cycles.step": "cycle"}


def columns_of(task: Task, first: int, last: int) -> Columns:
    return _evaluate(task, first, last).figures


@pytest.mark.parametrize(
    ("text", "values"),
    [("1..64", (1, 2, 4, 8, 16, 32, 64)), ("3..10", (3, 6)), ("1..4+1", (1, 2, 3, 4)), ("0..1+0.5", (0, 0.5, 1)),
     ("2..8 TB/s", ("2 TB/s", "4 TB/s", "8 TB/s")), ("a|b", ("a", "b")), ("true|false", (True, False)), (7, (7,))],
)  # fmt: skip
def test_ranges_and_lists(text: object, values: tuple[object, ...]) -> None:
    assert values_of(text, "x") == values


@pytest.mark.parametrize("text", ["8..1", "0..8", "1..", "..3", "a|a", "1..1000000+0.000001"])
def test_ranges_that_hold_nothing_or_too_much_are_refused(text: str) -> None:
    with pytest.raises(SlipstickError):
        values_of(text, "x")


def test_unknown_fields_name_the_nearest() -> None:
    with pytest.raises(SlipstickError, match="did you mean 'microbatch'"):
        Space.of(system="h100-sxm:8", plan="microbach=1..4")


def test_points_are_numbered_through() -> None:
    seen = {tuple(map(str, SPACE.point(index).values())) for index in range(len(SPACE))}
    assert len(seen) == len(SPACE) == 3 * 4 * 4 * 3 * 2 * 2 * 2


def test_columns_equal_single_reports_and_what_is_impossible_is_so_for_both() -> None:
    columns = columns_of(TASK, 0, len(SPACE))
    finite = np.isfinite(columns["time.step"])
    assert 0 < finite.sum() < len(SPACE)
    rng = np.random.default_rng(0)
    for index in rng.choice(np.flatnonzero(finite), 12, replace=False):
        report = TASK.report(int(index))
        for name in ("time.step", "memory.peak"):
            assert report.value(name) == pytest.approx(columns[name][index], rel=1e-9)
    for index in rng.choice(np.flatnonzero(~finite), 8, replace=False):
        with pytest.raises(SlipstickError):
            TASK.report(int(index))


def test_chunks_and_the_order_of_axes_do_not_matter() -> None:
    whole = columns_of(TASK, 0, len(SPACE))
    parts = [columns_of(TASK, first, min(first + 37, len(SPACE))) for first in range(0, len(SPACE), 37)]
    swept = Space.of(system=["h100-sxm:16", "h100-sxm:32"], plan="tp=1|2,matmul=bf16|fp8,pp=1|2,others=off")
    mixed = _prepared(Task("llama-3.1-8b", swept, ASKED), [("time.step", "minimize")])
    columns = columns_of(mixed, 0, len(swept))
    assert mixed.sweep
    for name in whole:
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), whole[name])
    for index in range(len(swept)):
        assert mixed.report(index).value("time.step") == pytest.approx(columns["time.step"][index], rel=1e-9)


def test_inference_with_an_open_degree_is_reported_point_by_point() -> None:
    space = Space.of(system="h100-sxm:8", plan="tp=2|4|8")
    assert not _prepared(Task("llama-3.1-8b", space, {"phase": "decode"}), [("step", "minimize")]).sweep
    found = search("llama-3.1-8b", space, minimize=["step"], phase="decode", batch=16)
    assert found.tried == 3
    assert found.best().value("time.step") == found.points["time.step"].min()


def test_figures_of_conditions_stand_in_the_tables() -> None:
    conditions = "energy.step < 1 MJ and memory < 60 GiB"
    found = search("llama-3.1-8b", SPACE, minimize="price", subject_to=conditions, **ASKED)
    assert found.conditions == ("energy.step", "memory.peak")
    for table in (found.table(), found.top(3)):
        assert "energy.step" in "".join(str(column) for column in table.columns)


def test_best_keeps_conditions_and_memory() -> None:
    found = search("llama-3.1-8b", SPACE, subject_to="memory.peak < 40 GiB", batch=128, sequence=4096)
    columns = columns_of(TASK, 0, len(SPACE))
    fits = np.isfinite(columns["time.sample"]) & (columns["memory.peak"] < 40 * 2**30)
    assert found.best().value("time.step") == pytest.approx(columns["time.step"][fits].min())
    with pytest.raises(SlipstickError, match="no point meets"):
        search("llama-3.1-8b", SPACE, subject_to="memory.peak < 1 MB", **ASKED)


@pytest.mark.parametrize(
    ("text", "message"),
    [("memory.peek < 3 GiB", "did you mean 'memory.peak'"), ("memory.peak < 3 s", "subject_to: a unit of time"),
     ("cycles.step < 3 s", "subject_to: a unit of time"),
     ("__import__('os')", "not a comparison"), ("time.step < 1 s or time.step > 2 s", "quantity|comparison"),
     ("x" * 2000, "too long")],
)  # fmt: skip
def test_bad_conditions_are_refused(text: str, message: str) -> None:
    with pytest.raises(SlipstickError, match=message):
        _parse(text, FIGURES)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 3)), min_size=1, max_size=25))
def test_the_pareto_set_by_its_definition(rows: list[tuple[int, int, int]]) -> None:
    costs = np.array(rows, float)
    kept = pareto(costs)
    beaten = [any((other <= row).all() and (other < row).any() for other in costs) for row in costs]
    assert {tuple(costs[n]) for n in kept} == {tuple(row) for row, lost in zip(costs, beaten, strict=True) if not lost}
    assert len(kept) == len({tuple(costs[n]) for n in kept})
    assert 0 <= knee(costs[kept]) < len(kept)


class Inline(Executor):
    """A third party's executor: it has done everything before it returns."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except SlipstickError as error:
            future.set_exception(error)
        return future


def pool(kind: str) -> Executor:
    if kind == "processes":
        return ProcessPoolExecutor(2, mp_context=get_context("spawn"))
    return ThreadPoolExecutor(2) if kind == "threads" else Inline()


class TestExecutors(ExecutorSuite):
    @pytest.fixture(scope="class", params=["inline", "threads", "processes"])
    @classmethod
    def executor(cls, request: pytest.FixtureRequest) -> Iterator[Executor]:
        with pool(request.param) as executor:
            yield executor


def test_workers_of_our_own_give_every_point_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slipstick.exploration.chunks.CHUNK", 50)
    question: dict[str, Any] = {"batch": 128, "sequence": 4096}
    alone = search("llama-3.1-8b", SPACE, **question).points
    assert search("llama-3.1-8b", SPACE, workers=2, **question).points.equals(alone)


LARGE: Any = {"batch": 128, "sequence": 4096, "budget": 100, "trials": 80}


@pytest.mark.parametrize(
    ("objectives", "sampler", "trials"), [(["time"], "TPE", 80), (["time", "memory"], "NSGA-II", 300)]
)
def test_beyond_the_budget_points_are_chosen_and_it_says_so(objectives: list[str], sampler: str, trials: int) -> None:
    asked = {**LARGE, "trials": trials}
    found = search("llama-3.1-8b", SPACE, minimize=objectives, subject_to="memory.peak < 60 GiB", **asked)
    assert sampler in found.method
    assert found.tried <= trials < len(SPACE)
    assert found.points["index"].is_unique().all()
    assert (found.points["memory.peak"] < 60 * 2**30).all()
    whole = search("llama-3.1-8b", SPACE, minimize=objectives, subject_to="memory.peak < 60 GiB", **ASKED)
    both = whole.points.filter(whole.points["index"].is_in(found.points["index"].to_list()))
    assert_frame_equal(both, found.points, rel_tol=1e-12)
    assert whole.points["time.sample"].min() <= found.points["time.sample"].min()
    assert found.points["time.sample"].min() <= whole.points["time.sample"].quantile(0.02), "among the best 2 %"  # type: ignore[operator]


def test_samplers_learn_which_points_keep_the_conditions() -> None:
    whole = search("llama-3.1-8b", SPACE, subject_to="memory.peak < 12 GiB", **ASKED)
    asked: dict[str, Any] = {**LARGE, "trials": 300}
    runs = [search("llama-3.1-8b", SPACE, subject_to="memory.peak < 12 GiB", seed=seed, **asked) for seed in range(3)]
    kept = sum(len(run.points) / run.tried for run in runs) / len(runs)
    assert kept > 1.2 * len(whole.points) / len(SPACE), "more often than points drawn at random"


def test_a_sampled_run_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = search("llama-3.1-8b", SPACE, **LARGE)

    def stop(done: int, total: int, label: str) -> None:
        if done == 70:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search("llama-3.1-8b", SPACE, folder=tmp_path / "run", progress=stop, **LARGE)
    again = []
    monkeypatch.setattr("slipstick.exploration.sampling._evaluate", lambda *a: again.append(a) or _evaluate(*a))
    found = search("llama-3.1-8b", SPACE, folder=tmp_path / "run", resume=True, **LARGE)
    assert found.points.equals(whole.points)
    assert len(again) <= 80 - 64, "what the folder holds is not computed again"


RUN = f"""
import sys
from slipstick import Space, search
from slipstick.exploration import chunks
chunks.CHUNK = 20
if sys.argv[2] == "slow":
    plain = chunks.chunk_table
    def slow(*arguments):
        import time
        time.sleep(0.1)
        return plain(*arguments)
    chunks.chunk_table = slow
space = Space.of(system="h100-sxm:16..64", plan={PLAN!r})
search("llama-3.1-8b", space, minimize=["time", "price"], batch=128, sequence=4096, folder=sys.argv[1], resume=True)
"""


def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    def start(folder: str, pace: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", RUN, str(tmp_path / folder), pace], env=os.environ)

    assert start("whole", "fast").wait(120) == 0
    killed = start("killed", "slow")
    chunks = tmp_path / "killed" / "chunks"
    deadline = time.monotonic() + 60
    while len(list(chunks.glob("*.parquet"))) < 5:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    there = {file.name: file.stat().st_mtime_ns for file in chunks.glob("[0-9]*.parquet")}
    assert 5 <= len(there) < 58
    assert start("killed", "fast").wait(120) == 0
    assert all((chunks / name).stat().st_mtime_ns == at for name, at in there.items()), "nothing was done twice"
    digests = {hashlib.sha256((tmp_path / f / "frontier.parquet").read_bytes()).digest() for f in ("whole", "killed")}
    assert len(digests) == 1


def test_a_folder_of_another_search_is_refused(tmp_path: Path) -> None:
    small = Space.of(system="h100-sxm:8", plan="tp=1|2")
    search("llama-3.1-8b", small, batch=16, folder=tmp_path)
    with pytest.raises(SlipstickError, match="holds a search already"):
        search("llama-3.1-8b", small, batch=16, folder=tmp_path)
    with pytest.raises(SlipstickError, match="another search"):
        search("llama-3.1-8b", small, batch=32, folder=tmp_path, resume=True)


def test_the_command(cli: Callable[..., Result], tmp_path: Path) -> None:
    arguments = ("search", "llama-3.1-70b", "h100-sxm:64..256", "--minimize", "time,price", "--batch", "512")
    found = cli(
        *arguments,
        "--subject-to",
        "memory.peak < 75 GiB",
        "--html",
        tmp_path / "a.html",
        "--out",
        tmp_path / "a.parquet",
    )
    assert found.code == 0
    assert "exhaustive: all 52,920 points" in found.out
    assert polars.read_parquet(tmp_path / "a.parquet")["memory.peak"].max() < 75 * 2**30
    assert "<svg" in (tmp_path / "a.html").read_text()
    refused = cli(*arguments, "--subject-to", "memory.peek < 75 GiB")
    assert refused.code == 2
    assert "memory.peak" in refused.err


def by_hand(workload: str, systems: list[str], plans: list[str], **asked: Any) -> dict[tuple[str, str], Report]:
    """Return the report of every combination by `estimate`, the slow and obviously right way."""
    return {(s, p): estimate(workload, s, p, **asked) for s in systems for p in plans}


def test_any_metric_of_an_array_is_minimised_under_a_condition_on_another() -> None:
    systems, plans = ["swis-8x8", "stripes-8x8", "int8-8x8"], ["formats=int8", "formats=int4", "formats=swis:3"]
    reports = by_hand("mobilenet-v2", systems, plans)
    limit = float(np.median([report.value("dram.bytes") for report in reports.values()]))
    frontier = search(
        "mobilenet-v2", *systems, plan="formats=int8|int4|swis:3", minimize="energy.step,time.step",
        subject_to=f"dram.bytes <= {limit} B",
    )  # fmt: skip
    fitting = [report for report in reports.values() if report.value("dram.bytes") <= limit]
    assert 0 < len(fitting) == len(frontier.points) < len(reports)
    assert frontier.best().value("energy.step") == min(report.value("energy.step") for report in fitting)
    assert frontier.best("time.step").value("time.step") == min(report.value("time.step") for report in fitting)
    assert max(frontier.points["dram.bytes"].to_list()) <= limit
    assert {row["energy.step"] for row in json.loads(frontier.json())["points"]} == {
        report.value("energy.step") for report in fitting
    }
    assert frontier.points["price"].is_nan().all()


def test_the_first_token_of_serving_is_minimised_under_a_condition_on_its_energy() -> None:
    asked: dict[str, Any] = {"phase": "decode", "batch": 16, "sequence": 512, "output": 64}
    systems, plans = ["h100-sxm:8", "h100-sxm:16"], ["tp=2,pp=1", "tp=4,pp=1", "tp=8,pp=1"]
    reports = by_hand("llama-3.1-8b", systems, plans, **asked)
    limit = float(np.median([report.value("energy.token") for report in reports.values()]))
    frontier = search(
        "llama-3.1-8b", "h100-sxm:8..16", plan="tp=2..8,pp=1", minimize="time.first_token",
        subject_to=f"energy.token <= {limit * 1e3!r} mJ", **asked,
    )  # fmt: skip
    fitting = [report for report in reports.values() if report.value("energy.token") <= limit * (1 + 1e-12)]
    assert 0 < len(fitting) == len(frontier.points) < len(reports)
    least = min(report.value("time.first_token") for report in fitting)
    assert frontier.best().value("time.first_token") == pytest.approx(least, rel=1e-9)


def test_rates_are_maximised_and_short_names_mean_what_the_phase_has() -> None:
    asked: dict[str, Any] = {"phase": "decode", "batch": 16, "sequence": 512, "output": 64}
    frontier = search("llama-3.1-8b", "h100-sxm:8", plan="tp=2..8", minimize="throughput", **asked)
    assert [(goal.path, goal.largest) for goal in frontier.objectives] == [("throughput.tokens", True)]
    assert frontier.best().value("throughput.tokens") == max(frontier.points["throughput.tokens"].to_list())


def test_figures_beyond_the_columns_are_asked_point_by_point_and_agree_with_them() -> None:
    space = Space.of(system="h100-sxm:16", plan="tp=1..8,microbatch=1|2,recompute=none|full,others=off")
    columns = search("llama-3.1-8b", space, minimize="step", **ASKED)
    reports = search("llama-3.1-8b", space, minimize="step,energy.step", **ASKED)
    assert columns.task.sweep
    assert not reports.task.sweep
    assert columns.points["index"].to_list() == reports.points["index"].to_list()
    for path in columns.units:
        np.testing.assert_allclose(columns.points[path].to_numpy(), reports.points[path].to_numpy(), rtol=1e-9)


@pytest.mark.parametrize("where", ["minimize", "subject_to"])
def test_an_unknown_figure_names_the_nearest_of_the_first_possible_point(where: str) -> None:
    space = Space.of(system="h100-sxm:8", plan="tp=3|8")  # the first is impossible
    asked = {"minimize": "energy.stp"} if where == "minimize" else {"subject_to": "energy.stp < 1 kJ"}
    with pytest.raises(SlipstickError, match=f"{where}: no such figure; got 'energy.stp'; did you mean 'energy.step'"):
        search("llama-3.1-8b", space, batch=8, **asked)  # type: ignore[arg-type]


def test_a_space_of_which_nothing_is_possible_gives_the_first_points_error() -> None:
    with pytest.raises(SlipstickError, match=r"plan\.parallel"):
        search("llama-3.1-8b", "h100-sxm:8", plan="tp=3|5", minimize="energy.step")


def test_points_without_the_figure_are_on_no_frontier() -> None:
    asked: dict[str, Any] = {"plan": "tp=8,zero=3,recompute=full", "batch": 8, "sequence": 1024}
    frontier = search("llama-3.1-8b", "tpu-v5p:8", "h100-sxm:8", minimize="price", **asked)
    assert len(frontier.points) == 2
    assert frontier.pareto["system"].to_list() == ["h100-sxm:8"]
    assert "of 1 the price is unknown" in str(frontier)
    assert [row["price"] for row in json.loads(frontier.json())["points"]] == [None, 8 * 28000]
    assert "<svg" in frontier.html()
    with pytest.raises(SlipstickError, match="no point that meets the conditions has these figures"):
        search("llama-3.1-8b", "tpu-v5p:8", minimize="price", **asked)


def test_without_a_plan_those_that_the_engine_reads_are_tried() -> None:
    training = search("llama-3.1-8b", "h100-sxm:8")
    assert [path.rpartition(".")[2] for path in training.task.space.axes] == [
        "tp", "pp", "cp", "microbatch", "recompute", "zero", "sp",
    ]  # fmt: skip
    array = search("mobilenet-v2", "swis-8x8", "stripes-8x8", minimize="energy.step")
    assert list(array.task.space.axes) == ["system"]


def test_a_fixed_expert_tensor_parallelism_is_not_ignored() -> None:
    space = Space.of(system="h100-sxm:16", plan="tp=2|4,ep=4,etp=1,zero=3,recompute=full,others=off")
    frontier = search("mixtral-8x7b", space, batch=64, sequence=1024)
    assert frontier.task.sweep
    for row in frontier.points.to_dicts():
        assert frontier.report(row["index"]).value("time.step") == pytest.approx(row["time.step"], rel=1e-9)


def test_what_cannot_be_asked_is_refused() -> None:
    with pytest.raises(SlipstickError, match="names no system"):
        search("llama-3.1-8b")
    with pytest.raises(SlipstickError, match="stands alone"):
        search("llama-3.1-8b", SPACE, "h100-sxm:8")
    with pytest.raises(SlipstickError, match="no such executor"):
        search("llama-3.1-8b", SPACE, executor="rays", **ASKED)
    with pytest.raises(SlipstickError, match="trials"):
        search("llama-3.1-8b", SPACE, budget=1, trials=0, **ASKED)


def test_formats_with_arguments_are_values_of_one_axis() -> None:
    space = Space.of(system="swis-8x8", plan="formats=swis:3,group=8|int8,stack=default|vllm")
    assert space.axes == {"plan.formats.layers": ("swis:3,group=8", "int8"), "plan.stack": ("default", "vllm")}


SERVED: Any = {"phase": "decode", "sequence": "512|2048", "output": 64, "batch": "8..64"}


def test_sizes_of_the_workload_are_axes() -> None:
    frontier = search(
        "llama-3.1-70b", "h100-sxm:8", minimize="time.per_token",
        subject_to="time.first_token < 500 ms and time.per_token < 30 ms", **SERVED,
    )  # fmt: skip
    assert frontier.task.sweep
    assert frontier.tried == 4 * 2 * 4 * 4  # batches, prompts, tp, pp
    assert frontier.points["time.per_token"].max() < 0.03
    assert frontier.points["time.first_token"].max() < 0.5
    for index in frontier.points["index"].to_list()[::3]:
        point, report = frontier.task.space.point(index), frontier.report(index)
        assert report.inputs["workload"]["batch"] == point["workload.batch"]
        row = frontier.points.filter(frontier.points["index"] == index).row(0, named=True)
        for path in frontier.units:
            if path not in ("price", "devices"):
                assert row[path] == pytest.approx(report.value(path), rel=1e-9), path


def test_the_best_points_come_with_a_plan_and_a_command_that_give_their_figures() -> None:
    frontier = search("llama-3.1-70b", "h100-sxm:8", minimize="cost.million_tokens", **SERVED)
    table = frontier.top(5)
    names = [column.name for column in table.columns]
    assert names[:3] == ["rank", "batch", "sequence"]
    assert {"TTFT", "TPOT", "MFU", "tok/s/dev", "USD/Mtok", "memory", "plan"} <= set(names)
    costs = [row[names.index("USD/Mtok")] for row in table.rows]
    assert costs == sorted(costs)
    assert costs[0] == frontier.points["cost.million_tokens"].min()
    best = table.rows[0]
    report = estimate(
        "llama-3.1-70b", "h100-sxm:8", str(best[-1]), phase="decode", output=64,
        batch=best[names.index("batch")], sequence=best[names.index("sequence")],
    )  # fmt: skip
    assert report.value("cost.million_tokens") == pytest.approx(costs[0], rel=1e-9)
    answer = json.loads(frontier.json())
    assert [row["plan"] for row in answer["top"][:5]] == [row[-1] for row in table.rows]
    assert answer["top"][0]["command"] == frontier.words(answer["top"][0].get("index", answer["frontier"][0]["index"]))
    assert "--batch 64" in answer["top"][0]["command"]


def test_throughput_is_drawn_over_interactivity() -> None:
    frontier = search("llama-3.1-8b", "h100-sxm:1", "a100-sxm-80gb:1", minimize="time.per_token", **SERVED)
    picture = frontier.pictures()["serving"]
    assert picture.count("beaten by none") == 2
    assert "token/s that one user sees" in picture
    assert (
        "serving"
        not in search("llama-3.1-8b", "h100-sxm:8", plan="tp=4..8,recompute=full,others=off", batch=8).pictures()
    )


def test_each_system_of_a_picture_has_a_line_of_its_own() -> None:
    counts = [f"{name}:{count}" for name in ("h100-sxm", "h200-sxm", "mi300x") for count in (1, 2, 4, 8)]
    for systems in (counts[:8], counts, [f"device-{number}:8" for number in range(30)]):
        key = _SystemKey(systems)
        assert len({key.line(system) for system in systems}) == len(systems)
    assert _SystemKey(counts).line("mi300x:1").split()[1] == _SystemKey(counts).line("mi300x:8").split()[1]  # a colour


def test_points_of_unmeasured_devices_are_hollow_in_both_pictures() -> None:
    frontier = search(
        "llama-3.1-8b", "h100-sxm:1", "mi300x:1", minimize="time.per_token,throughput.tokens_per_device", **SERVED
    )
    for picture in frontier.pictures().values():
        circles = re.findall(r"<circle[^>]*>(?:<title>[^<]*)?", picture)
        assert {"hollow" in circle for circle in circles if "mi300x" in circle} == {True}
        assert {"hollow" in circle for circle in circles if "h100-sxm" in circle} <= {False}
        assert any("cloud" in circle and "hollow" in circle for circle in circles)
        assert "mi300x:1 (uncalibrated): " in picture
        assert "h100-sxm:1: " in picture


def test_prices_of_clusters_fit_beside_the_axis() -> None:
    axis = Axis("price", 9e5, 3e7, "USD")
    assert axis.tick(2e7) == "20 M USD"
    assert all(len(axis.tick(value)) <= 11 for value in axis.ticks())


def test_a_search_without_a_point_says_what_the_points_come_to() -> None:
    with pytest.raises(SlipstickError, match=r"time.per_token from \d+\.\d+ ms"):
        search("llama-3.1-70b", "h100-sxm:8", subject_to="time.per_token < 1 us", **SERVED)
    with pytest.raises(SlipstickError, match=r"the smallest plan takes 13\d\.\d+ GiB"):
        search("llama-3.1-70b", "h100-sxm:1", **SERVED)
    with pytest.raises(SlipstickError, match="no point divides"):
        search("llama-3.1-70b", "h100-sxm:8", plan="dp=3", **SERVED)
    with pytest.raises(SlipstickError, match="stands twice"):
        search("llama-3.1-70b", "h100-sxm:8", set={"workload.batch": 8}, **SERVED)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=25))
def test_the_pareto_set_of_two_costs_by_its_definition(rows: list[tuple[int, int]]) -> None:
    costs = np.array(rows, float)
    front = {tuple(costs[n]) for n in pareto(costs)}
    beaten = [any((other <= row).all() and (other < row).any() for other in costs) for row in costs]
    assert front == {tuple(row) for row, lost in zip(costs, beaten, strict=True) if not lost}
    assert len(pareto(costs[:, :1])) == 1


@pytest.mark.parametrize("phase", ["train", "decode"])
def test_a_format_that_some_systems_lack_is_tried_on_the_others(phase: str) -> None:
    options: dict[str, Any] = {"phase": phase, "minimize": "step", "batch": 8}
    systems = ("a100-sxm-80gb:8", "h100-sxm:8")
    frontier = search("llama-3.1-8b", *systems, plan="matmul=fp8|bf16,tp=4|8", **options)
    tried = set(frontier.points.select("system", "plan.formats.matmul").unique().iter_rows())
    assert tried == {("a100-sxm-80gb:8", "bf16"), ("h100-sxm:8", "bf16"), ("h100-sxm:8", "fp8")}
    for wrong in ("matmul=bf16|nvfp4,tp=4|8", "matmul=bf16|fp9,tp=4|8"):  # that none of them has
        with pytest.raises(SlipstickError, match=r"plan.formats.matmul: a100-sxm-80gb has no matrix rate"):
            search("llama-3.1-8b", *systems, plan=wrong, **options)


def processor_seconds(pid: str) -> float:
    """Return the seconds of processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks into /proc")
def test_ctrl_c_does_not_wait_for_the_chunks_of_its_workers() -> None:
    """Chunks of 64 whole Reports take seconds each; the terminal sends Ctrl-C to the workers as well."""
    tokens = ["llama-3.1-8b", "h100-sxm:8", "--batch", "8", "--set", "system.rent=1..4 USD/h", "--workers", "2"]
    running = subprocess.Popen(
        [sys.executable, "-m", "slipstick", "search", *tokens, "--minimize", "cost.million_tokens"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    children, deadline = Path(f"/proc/{running.pid}/task/{running.pid}/children"), time.monotonic() + 120.0
    while sum(processor_seconds(pid) > 2.0 for pid in children.read_text().split()) < 2:  # beyond their imports
        assert time.monotonic() < deadline, "the workers never began"
        time.sleep(0.1)
    begun = time.monotonic()
    os.killpg(running.pid, signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert time.monotonic() - begun < 5.0
    assert (running.returncode, out) == (130, "")
    assert "interrupted" in err


def test_unmeasured_systems_have_a_star_in_texts_and_a_column_in_tables() -> None:
    frontier = search("llama-3.1-8b", "h100-sxm:8", "mi300x:8", plan="tp=4|8", batch=8, minimize="time,price")
    for text in (str(frontier), str(replace(frontier, ranking=4))):
        assert re.search(r"^\* uncalibrated: .* x; nobody measured mi300x:8$", text, re.MULTILINE)
        assert "mi300x:8 *  " in text
        assert "h100-sxm:8 *" not in text
    assert "calibration" in [column.name for column in frontier.top(4).columns]
    assert '"calibration": "uncalibrated' in frontier.json()


def test_no_point_of_the_search_s_own_space_is_faster_than_the_automatic_plan() -> None:
    sizes: dict[str, Any] = {"batch": 16, "sequence": 2048}
    own = search("llama-3.1-8b", "h100-sxm:8", **sizes)
    chosen = estimate("llama-3.1-8b", "h100-sxm:8", **sizes)
    assert chosen.value("time.step") <= own.points["time.step"].min() * 1.002


def test_counts_of_a_system_may_be_listed() -> None:
    assert Space.of(system=["h100-sxm:1|2|8", "a100-hdr:4"]).axes["system"] == (
        "h100-sxm:1", "h100-sxm:2", "h100-sxm:8", "a100-hdr:4",
    )  # fmt: skip
    assert Space.of(system="h100-sxm:2..6+2").axes["system"] == ("h100-sxm:2", "h100-sxm:4", "h100-sxm:6")
