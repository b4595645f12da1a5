"""`search`: the best point is that of a loop over `estimate`, and no point of the frontier is beaten."""

from __future__ import annotations

from itertools import product

import pytest

import slipstick
from slipstick.core.errors import SlipstickError
from slipstick.exploration.frontier import Frontier


def test_the_best_plan_is_that_of_a_loop_over_estimates() -> None:
    times = {}
    for tp, pp, microbatch in product((1, 2, 4, 8), (1, 2), (1, 2)):
        plan = f"tp={tp},pp={pp},microbatch={microbatch}"
        try:
            report = slipstick.estimate("llama-3.1-8b", "h100-sxm-80gb:8", plan, batch=16, sequence=2048)
        except SlipstickError:
            continue
        if not report.warnings:
            times[plan] = report.value("time.step")
    frontier = slipstick.search(
        "llama-3.1-8b", "h100-sxm-80gb:8", plan="tp=1..8,pp=1|2,microbatch=1|2", batch=16, sequence=2048
    )
    assert isinstance(frontier, Frontier)
    assert len(frontier.points) == len(times) > 4
    assert frontier.best().value("time.step") == pytest.approx(min(times.values()), rel=1e-12)


def test_no_point_of_the_frontier_is_beaten_and_every_other_is() -> None:
    frontier = slipstick.search(
        "resnet-18", "swis-8x8", plan="formats=int8|int4|swis:2|swis:3|swis:4", minimize="time.step,energy.step"
    )
    points = list(zip(frontier.points["time.step"], frontier.points["energy.step"], strict=True))
    best = {(t, e) for t, e in points if not any(a <= t and b <= e and (a, b) != (t, e) for a, b in points)}
    assert set(zip(frontier.pareto["time.step"], frontier.pareto["energy.step"], strict=True)) == best


def test_conditions_hold_for_every_point() -> None:
    asked = {"plan": "formats=int8|swis:2|swis:3|swis:4"}
    whole = slipstick.search("resnet-18", "swis-8x8", minimize="step", **asked)
    limit = sorted(whole.points["time.step"])[1]
    frontier = slipstick.search("resnet-18", "swis-8x8", minimize="step", subject_to=f"time.step <= {limit} s", **asked)
    assert sorted(frontier.points["time.step"]) == sorted(whole.points["time.step"])[:2]


def test_what_cannot_be_searched_is_refused() -> None:
    with pytest.raises(SlipstickError, match="minimize: no such figure; got 'speed'"):
        slipstick.search("resnet-18", "swis-8x8", minimize="speed")
    with pytest.raises(SlipstickError, match="did you mean 'swis-8x8'"):
        slipstick.search("resnet-18", "swis-8x9")
    with pytest.raises(SlipstickError, match="no such field"):
        slipstick.search("resnet-18", "swis-8x8", plan="format=int8|int4")


def test_a_rate_alone_searches_plans_and_batches() -> None:
    frontier = slipstick.search("llama-3.1-8b", "h100-sxm:1..2", phase="decode", rate="30/s", minimize="devices", top=2)
    assert set(frontier.points["workload.batch"]) > {"16", "64"}
    best = frontier.best()
    assert best.value("load.devices") == frontier.points["devices"].min()
    assert best.value("load.copies") * best.value("throughput.requests") > 30
    text = str(frontier)
    assert "for slipstick estimate:" in text
    assert "--rate 30/s" in text
    with pytest.raises(SlipstickError, match="top: below zero"):
        slipstick.search("llama-3.1-8b", "h100-sxm:1", phase="decode", top=-1)
