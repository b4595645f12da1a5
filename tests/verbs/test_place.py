"""`place` end to end: proofs, limits that bite, the fabric's replay, pictures, errors."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import pytest

from slipstick.cli import run
from slipstick.core.errors import SlipstickError
from slipstick.engines.placement_replay import _replay
from slipstick.placement import brute, cpsat
from slipstick.placement.orders import compact
from slipstick.placement.problem import Forwarding, Problem
from slipstick.placement.schedule import PlacementSchedule
from slipstick.report.report import Report
from slipstick.testing.solver_suite import line, random_problem, wire
from slipstick.verbs.place import place

REPLAY = 1e-3  # the issue's: makespans of schedule and simulator agree within 0.1 %


@pytest.fixture(scope="module")
def resnet() -> Report:
    return place("resnet-18", "dgx1-v100:2", phase="infer", batch=64)


def test_a_proof_and_its_bounds(resnet: Report) -> None:
    report = resnet
    assert resnet.detail.schedule.proved
    assert report.value("gap") == 0.0
    assert 1.0 <= report.value("speedup.placement") <= report.value("speedup.chain") <= 2.0
    assert report.value("time.step") * report.value("speedup.placement") == pytest.approx(
        report.value("time.one_device")
    )


@pytest.mark.parametrize("forwarding", ["store", "cut-through"])
@pytest.mark.parametrize("seed", range(6))
def test_the_fabric_takes_as_long_as_the_schedule(seed: int, forwarding: Forwarding) -> None:
    topology = (wire(2), wire(3), line(3))[seed % 3]
    problem = random_problem(seed, 7, topology, forwarding)
    found = cpsat.solve(problem)
    assert found.transfers or seed
    seconds = {name: float(problem.durations[k, 0]) for k, name in enumerate(problem.names)}
    sent = {
        (problem.names[a], problem.names[b]): float(problem.sent[e].max()) for e, (a, b) in enumerate(problem.edges)
    }
    assert _replay(problem, found, seconds, sent, topology) == pytest.approx(found.makespan, rel=REPLAY)


def test_the_fabric_takes_as_long_as_inception_on_four_devices() -> None:
    placed = place("inception-v3", "dgx1-v100:4", phase="infer", batch=64, time_limit=4.0)
    assert placed.detail.schedule.transfers
    assert placed.detail.replayed() == pytest.approx(placed.value("time.step"), rel=REPLAY)


@pytest.mark.parametrize("forwarding", ["store", "cut-through"])
@pytest.mark.parametrize("seed", range(6))
def test_needless_waits_are_taken_out_and_nothing_else(seed: int, forwarding: Forwarding) -> None:
    problem = random_problem(seed, 7, (wire(2), line(3))[seed % 2], forwarding)
    best = cpsat.solve(problem)
    late = dataclasses.replace(
        best,
        start=3 * best.start + 5,
        transfers=tuple(
            dataclasses.replace(t, start=3 * t.start + 5 + 2 * (t.end - t.start), end=3 * t.end + 5)
            for t in best.transfers
        ),
    )
    spread = compact(problem, late)
    assert spread.makespan == best.makespan
    assert spread.device.tolist() == best.device.tolist()


def test_slow_links_leave_everything_on_one_device_and_free_ones_do_not() -> None:
    problem = random_problem(3, 7, wire(2))
    slow = cpsat.solve(type(problem)(**{**vars(problem), "sent": problem.sent * 1000 + 1000}))
    free = cpsat.solve(type(problem)(**{**vars(problem), "sent": problem.sent * 0, "latency": problem.latency * 0}))
    assert free.makespan < slow.makespan <= problem.serial
    assert np.unique(free.device).size == 2


def limited(share: float) -> Report:
    held = 23379024.0  # bytes of ResNet-18's weights in 16 bits
    return place(
        "resnet-18", "dgx1-v100:2", phase="infer", batch=64, set={"system.memory.hbm.capacity": f"{share * held} B"}
    )


def test_memory_divides_what_would_stay_together_and_more_of_it_is_never_slower(resnet: Report) -> None:
    assert resnet.detail.instance.problem.memory.sum() == 23379024.0
    steps = []
    for share in (0.52, 0.55, 0.6, 0.61, 0.62, 0.8):  # with units of 2**-40, CP-SAT refused two of these
        found = limited(share)
        problem, schedule = found.detail.instance.problem, found.detail.schedule
        kept = np.bincount(schedule.device, problem.memory, minlength=2)
        assert (kept <= problem.capacity).all()
        assert schedule.proved
        steps.append(schedule.makespan)
    assert steps == sorted(steps, reverse=True)
    assert steps[0] > steps[-1] >= resnet.detail.schedule.makespan
    with pytest.raises(SlipstickError, match="fit no device"):
        limited(0.4)


def shortest(solve: Callable[[Problem], PlacementSchedule], problem: Problem) -> int | None:
    try:
        return solve(problem).bound
    except SlipstickError as error:
        return None if "no placement fits" in str(error) else -1


def test_no_memory_in_bytes_misleads_the_solver() -> None:
    for seed in range(12):
        problem = random_problem(seed, 5, wire(2))
        large = problem.memory * 104729.5 * 2**10  # not whole in any power of two
        limit = np.full(2, large.sum() * (0.55 + 0.03 * seed))
        sized = dataclasses.replace(problem, memory=large, capacity=limit)
        assert shortest(cpsat.solve, sized) == shortest(brute.solve, sized), seed


def test_the_timeline_has_a_lane_for_each_device_that_computes_and_each_link_that_carries(resnet: Report) -> None:
    drawn = resnet.pictures()["Timeline"]
    for device in {resnet.detail.instance.problem.devices[d] for d in resnet.detail.schedule.device}:
        assert device in drawn
    assert "<svg" in resnet.html()


def test_errors_exit_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["place", "resnet-18", "h100-sxm-80gb:8"]) == 2
    assert "system.topology" in capsys.readouterr().err
    assert run(["place", "resnet-18", "dgx1-v100:2", "--time-limit", "0"]) == 2
    assert "time_limit" in capsys.readouterr().err
    assert run(["place", "resnet-18", "dgx1-v100:9", "--phase", "infer"]) == 2
    assert "devices" in capsys.readouterr().err


def test_ctrl_c_gives_the_best_so_far_and_no_traceback() -> None:
    asked = ["place", "inception-v3", "dgx1-v100:2", "--batch", "64", "--time-limit", "60", "--json"]
    running = subprocess.Popen(
        [sys.executable, "-m", "slipstick", *asked], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    time.sleep(9.0)  # the solver has begun on any but a very slow machine
    running.send_signal(signal.SIGINT)
    said, complained = running.communicate(timeout=30)
    assert "Traceback" not in complained
    assert running.returncode in (0, 130)
    if running.returncode == 0:
        assert json.loads(said)["metrics"]["speedup"]["placement"]["value"] >= 1.0
