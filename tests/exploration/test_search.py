"""Spaces, conditions, frontiers; the columns against single reports; runs that are killed and go on."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
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
from exploration.conformance import check_executor
from slipstick.core.errors import SlipstickError
from slipstick.core.pareto import knee, pareto
from slipstick.exploration.constraint import parse
from slipstick.exploration.evaluate import FIGURES, Task, evaluate, report_of
from slipstick.exploration.run import search
from slipstick.exploration.space import Space, values_of

PLAN = "tp=1..8,pp=1..8,microbatch=1|2|4,recompute=none|full,sp=true|false,zero=0|1"
SPACE = Space.of(system="h100-sxm:16..64", plan=PLAN)
TASK = Task("llama-3.1-8b", SPACE, batch=128, sequence=4096)


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
    columns = evaluate(TASK, 0, len(SPACE))
    finite = np.isfinite(columns["time.step"])
    assert 0 < finite.sum() < len(SPACE)
    rng = np.random.default_rng(0)
    for index in rng.choice(np.flatnonzero(finite), 12, replace=False):
        report = report_of(TASK, int(index))
        for name in ("time.step", "memory.peak"):
            assert report.value(name) == pytest.approx(columns[name][index], rel=1e-9)
    for index in rng.choice(np.flatnonzero(~finite), 8, replace=False):
        with pytest.raises(SlipstickError):
            report_of(TASK, int(index))


def test_chunks_and_the_order_of_axes_do_not_matter() -> None:
    whole = evaluate(TASK, 0, len(SPACE))
    parts = [evaluate(TASK, first, min(first + 37, len(SPACE))) for first in range(0, len(SPACE), 37)]
    swept = Space.of(system=["h100-sxm:16", "h100-sxm:32"], plan="tp=1|2,matmul=bf16|fp8,pp=1|2")
    mixed = Task("llama-3.1-8b", swept, batch=128, sequence=4096)
    columns = evaluate(mixed, 0, len(swept))
    for name in FIGURES:
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), whole[name])
    for index in range(len(swept)):
        assert report_of(mixed, index).value("time.step") == pytest.approx(columns["time.step"][index], rel=1e-9)


def test_inference_is_reported_point_by_point() -> None:
    space = Space.of(system="h100-sxm:8", plan="tp=2|4|8")
    found = search("llama-3.1-8b", space, ["step"], phase="decode", batch=16)
    assert found.tried == 3
    assert found.best().value("time.step") == found.points["time.step"].min()


def test_best_keeps_conditions_and_memory() -> None:
    found = search("llama-3.1-8b", SPACE, ["time"], "memory.peak < 40 GiB", batch=128, sequence=4096)
    columns = evaluate(TASK, 0, len(SPACE))
    fits = np.isfinite(columns["time.sample"]) & (columns["memory.peak"] < 40 * 2**30)
    assert found.best().value("time.step") == pytest.approx(columns["time.step"][fits].min())
    with pytest.raises(SlipstickError, match="no point keeps"):
        search("llama-3.1-8b", SPACE, ["time"], "memory.peak < 1 MB", batch=128, sequence=4096)


@pytest.mark.parametrize(
    ("text", "message"),
    [("memory.peek < 3 GiB", "did you mean 'memory.peak'"), ("memory.peak < 3 s", "memory.peak|unit|s"),
     ("__import__('os')", "not a comparison"), ("time.step < 1 s or time.step > 2 s", "quantity|comparison"),
     ("x" * 2000, "too long")],
)  # fmt: skip
def test_bad_conditions_are_refused(text: str, message: str) -> None:
    with pytest.raises(SlipstickError, match=message):
        parse(text, FIGURES)


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


@pytest.mark.parametrize("kind", ["inline", "threads", "processes"])
def test_executors(kind: str) -> None:
    with pool(kind) as executor:
        check_executor(executor)


def test_workers_of_our_own_give_every_point_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slipstick.exploration.run.CHUNK", 50)
    question: dict[str, Any] = {"batch": 128, "sequence": 4096}
    alone = search("llama-3.1-8b", SPACE, **question).points
    assert search("llama-3.1-8b", SPACE, workers=2, **question).points.equals(alone)


LARGE = {"batch": 128, "sequence": 4096, "budget": 100, "trials": 80}


@pytest.mark.parametrize(
    ("objectives", "sampler", "trials"), [(["time"], "TPE", 80), (["time", "memory"], "NSGA-II", 300)]
)
def test_beyond_the_budget_points_are_chosen_and_it_says_so(objectives: list[str], sampler: str, trials: int) -> None:
    asked = {**LARGE, "trials": trials}
    found = search("llama-3.1-8b", SPACE, objectives, "memory.peak < 60 GiB", **asked)  # type: ignore[arg-type]
    assert sampler in found.how
    assert found.tried <= trials < len(SPACE)
    assert found.points["index"].is_unique().all()
    assert (found.points["memory.peak"] < 60 * 2**30).all()
    whole = search("llama-3.1-8b", SPACE, objectives, "memory.peak < 60 GiB", batch=128, sequence=4096)
    both = whole.points.filter(whole.points["index"].is_in(found.points["index"].to_list()))
    assert_frame_equal(both, found.points, rel_tol=1e-12)
    assert whole.points["time.sample"].min() <= found.points["time.sample"].min()
    assert found.points["time.sample"].min() <= whole.points["time.sample"].quantile(0.02), "among the best 2 %"  # type: ignore[operator]


def test_samplers_learn_which_points_keep_the_conditions() -> None:
    whole = search("llama-3.1-8b", SPACE, ["time"], "memory.peak < 12 GiB", batch=128, sequence=4096)
    asked: dict[str, Any] = {**LARGE, "trials": 300}
    runs = [search("llama-3.1-8b", SPACE, ["time"], "memory.peak < 12 GiB", seed=seed, **asked) for seed in range(3)]
    kept = sum(len(run.points) / run.tried for run in runs) / len(runs)
    assert kept > 1.2 * len(whole.points) / len(SPACE), "more often than points drawn at random"


def test_a_sampled_run_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = search("llama-3.1-8b", SPACE, **LARGE)  # type: ignore[arg-type]

    def stop(done: int, total: int) -> None:
        if done == 70:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search("llama-3.1-8b", SPACE, folder=tmp_path / "run", progress=stop, **LARGE)  # type: ignore[arg-type]
    again = []
    monkeypatch.setattr("slipstick.exploration.sampling.evaluate", lambda *a: again.append(a) or evaluate(*a))
    found = search("llama-3.1-8b", SPACE, folder=tmp_path / "run", resume=True, **LARGE)  # type: ignore[arg-type]
    assert found.points.equals(whole.points)
    assert len(again) <= 80 - 64, "what the folder holds is not computed again"


RUN = f"""
import sys
from slipstick.exploration import run
from slipstick.exploration.space import Space
run.CHUNK = 20
if sys.argv[2] == "slow":
    plain = run.chunk_table
    def slow(*arguments):
        import time
        time.sleep(0.1)
        return plain(*arguments)
    run.chunk_table = slow
space = Space.of(system="h100-sxm:16..64", plan={PLAN!r})
run.search("llama-3.1-8b", space, ["time", "price"], batch=128, sequence=4096, folder=sys.argv[1], resume=True)
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
    assert "exhaustive: all 2,880 points" in found.out
    assert polars.read_parquet(tmp_path / "a.parquet")["memory.peak"].max() < 75 * 2**30
    assert "<svg" in (tmp_path / "a.html").read_text()
    refused = cli(*arguments, "--subject-to", "memory.peek < 75 GiB")
    assert refused.code == 2
    assert "memory.peak" in refused.err
