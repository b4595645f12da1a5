"""Waiting for a free server: closed forms by hand, limits, and the simulation against them; copies for a demand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipstick import estimate, search
from slipstick.cluster.inference.demand import _code
from slipstick.cluster.inference.queueing import _erlang_c, _simulated_waits, _waiting
from slipstick.core.errors import SlipstickError

# Erlang's C formula by its definition, by hand
ERLANG = [(1, 0.5, 0.5), (2, 1.0, 1 / 3), (3, 2.0, 4 / 9), (5, 4.0, 0.5541125541125541)]


def poisson(rate: float, count: int, seed: int = 0) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).exponential(1 / rate, count))


@pytest.mark.parametrize(("servers", "load", "chance"), ERLANG)
def test_erlangs_c_formula(servers: int, load: float, chance: float) -> None:
    assert float(_erlang_c(servers, load)) == pytest.approx(chance, rel=1e-12)
    terms = [load**k / math.factorial(k) for k in range(servers)]
    last = load**servers / math.factorial(servers) * servers / (servers - load)
    assert float(_erlang_c(servers, load)) == pytest.approx(last / (sum(terms) + last), rel=1e-12)


@pytest.mark.parametrize("load", [0.1, 0.5, 0.9, 0.99])
def test_one_server_waits_as_pollaczek_and_khinchine_say(load: float) -> None:
    """M/M/1: rho / (1 - rho), 99th percentile log(100 rho) / (1 - rho); M/D/1: half; M/G/1: (1 + cv^2) / 2 of it."""
    random = load / (1 - load)
    assert float(_waiting(1, load, 1.0).mean) == pytest.approx(random, rel=1e-12)
    assert float(_waiting(1, load, 0.0).mean) == pytest.approx(random / 2, rel=5e-5)
    assert float(_waiting(1, load, 0.6).mean) == pytest.approx((1 + 0.36) / 2 * random, rel=5e-5)
    assert float(_waiting(1, load, 1.0).p99) == pytest.approx(math.log(100 * load) / (1 - load), rel=1e-12)
    assert float(_waiting(1, load, 0.0).chance) == pytest.approx(load, rel=5e-5)


@pytest.mark.parametrize(("servers", "load", "mean"), [(2, 1.0, 1 / 3), (3, 2.0, 4 / 9), (5, 4.0, 0.5541125541125541)])
def test_several_servers_wait_as_erlang_says(servers: int, load: float, mean: float) -> None:
    assert float(_waiting(servers, load, 1.0).mean) == pytest.approx(mean / (servers - load), rel=1e-12)


def test_equal_times_of_several_servers_as_the_chain_of_their_epochs() -> None:
    """M/D/2 at 0.5 a server, from the stationary chain of requests at epochs one time of service apart."""
    states, load = 200, 1.0
    arriving = (
        np.exp(-load)
        * load ** np.arange(states)
        / np.array([float(math.factorial(min(k, 170))) for k in range(states)])
    )
    present = np.eye(1, states)[0]
    for _ in range(400):
        waiting_on = np.concatenate([[present[:3].sum()], present[3:], np.zeros(2)])
        present = np.convolve(waiting_on, arriving)[:states]
    queue = (np.maximum(np.arange(states) - 2, 0) * present).sum()
    assert float(_waiting(2, load).mean) == pytest.approx(queue / load, rel=5e-5)


@pytest.mark.parametrize(("servers", "load"), [(1, 0.5), (1, 0.8), (4, 3.2), (16, 13.6), (100, 90.0)])
@pytest.mark.parametrize("variation", [0.0, 1.0])
def test_simulation_agrees_with_the_closed_forms(servers: int, load: float, variation: float) -> None:
    count = 1_000_000
    arrivals = poisson(load, count)
    service = np.ones(count) if variation == 0 else np.random.default_rng(1).exponential(1.0, count)
    waits = _simulated_waits(arrivals, service, servers)[count // 20 :]
    expected = _waiting(servers, load, variation)
    assert waits.mean() == pytest.approx(float(expected.mean), rel=0.08)
    assert (waits > 1e-9).mean() == pytest.approx(float(expected.chance), rel=0.03)
    assert np.percentile(waits, 99) == pytest.approx(float(expected.p99), rel=0.08)


@settings(max_examples=40, deadline=None)
@given(gaps=st.lists(st.floats(0, 3), min_size=1, max_size=40), servers=st.integers(1, 7), seconds=st.floats(0.1, 5))
def test_equal_times_are_simulated_as_any_others(gaps: list[float], servers: int, seconds: float) -> None:
    arrivals = np.cumsum(gaps)
    equal = np.full(len(gaps), seconds)
    nearly = equal.copy()
    nearly[-1] += 1e-9  # of the last request, whose own time nobody waits for
    np.testing.assert_allclose(
        _simulated_waits(arrivals, equal, servers), _simulated_waits(arrivals, nearly, servers), atol=1e-7
    )


@settings(max_examples=60, deadline=None)
@given(servers=st.integers(1, 300), share=st.floats(0.05, 0.99))
def test_more_servers_and_less_variation_never_wait_longer(servers: int, share: float) -> None:
    load = servers * share
    equal, random = _waiting(servers, load), _waiting(servers, load, 1.0)
    assert equal.mean <= random.mean * (1 + 1e-6) + 1e-12
    assert _waiting(servers + 1, load).mean <= equal.mean * (1 + 1e-6) + 1e-12
    assert 0 <= equal.chance <= 1


def test_too_much_load_waits_for_ever() -> None:
    assert np.isinf(_waiting([1, 2], [1.0, 5.0]).mean).all()


DECODE = {"phase": "decode", "batch": 32, "sequence": 512, "output": 128}


def test_copies_are_the_fewest_that_keep_the_waiting_within_its_limit() -> None:
    report = estimate("llama-3.1-70b", "h100-sxm:8", "tp=8", rate="300/s", queue_p99="50 ms", **DECODE)
    copies, seconds = int(report.value("load.copies")), report.value("time.request")
    load = 300 * seconds
    assert float(_waiting(32 * copies, load).p99) * seconds == pytest.approx(report.value("time.queue.p99"))
    assert float(_waiting(32 * copies, load).p99) * seconds <= 0.05
    assert 32 * (copies - 1) <= load or float(_waiting(32 * (copies - 1), load).p99) * seconds > 0.05
    assert report.value("load.devices") == 8 * copies
    assert report.value("load.utilisation") == pytest.approx(load / (32 * copies))
    hourly = report.value("cost.million_tokens") / 1e6 * 300 * 128 * 3600 / (8 * copies)
    assert 1 < hourly < 5  # USD of one device


def test_without_a_limit_99_of_100_requests_start_at_once() -> None:
    report = estimate("llama-3.1-8b", "h100-sxm:1", "tp=1", rate=100, **DECODE)
    assert report.value("time.queue.p99") == 0
    fewer = int(report.value("load.copies")) - 1
    load = 100 * report.value("time.request")
    assert 32 * fewer <= load or float(_waiting(32 * fewer, load).chance) > 0.01


def trace_file(folder: Path, arrivals: np.ndarray, header: str = "time", columns: tuple[np.ndarray, ...] = ()) -> Path:
    path = folder / "trace.csv"
    rows = [",".join(f"{value:.9f}" for value in row) for row in zip(arrivals, *columns, strict=True)]
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_a_random_trace_needs_the_copies_of_a_poisson_process(tmp_path: Path) -> None:
    trace = trace_file(tmp_path, poisson(200.0, 100_000))
    limits = {"queue_mean": "20 ms", "variation": None}
    closed = estimate("llama-3.1-8b", "h100-sxm:1", "tp=1", rate="200/s", **limits, **DECODE)
    drawn = estimate("llama-3.1-8b", "h100-sxm:1", "tp=1", arrivals=trace, **limits, **DECODE)
    assert drawn.value("load.rate") == pytest.approx(200, rel=0.02)
    assert abs(drawn.value("load.copies") - closed.value("load.copies")) <= 1
    assert drawn.value("time.queue.mean") <= 0.02


def test_a_trace_in_bursts_and_of_long_outputs_needs_more_copies(tmp_path: Path) -> None:
    even = np.arange(2000) / 100.0
    needed = {}
    for name, times, outputs in (
        ("even", even, np.full(2000, 128.0)),
        ("bursts", np.repeat(even[::200], 200), np.full(2000, 128.0)),
        ("long", even, np.full(2000, 512.0)),
    ):
        trace = trace_file(tmp_path, times, "timestamp,prompt_tokens,output_tokens", (np.full(2000, 512.0), outputs))
        report = estimate("llama-3.1-8b", "h100-sxm:1", "tp=1", arrivals=trace, queue_p99="100 ms", **DECODE)
        needed[name] = report.value("load.copies")
    assert needed["bursts"] > needed["even"]
    assert needed["long"] > needed["even"]


def test_a_search_counts_the_devices_that_a_rate_needs() -> None:
    frontier = search(
        "llama-3.1-70b", "h100-sxm:8", phase="decode", batch="8..128", sequence=1024, output=256, rate="50/s",
        minimize="devices", subject_to="time.per_token < 30 ms and time.queue.p99 < 200 ms",
    )  # fmt: skip
    best = frontier.best()
    assert best.value("load.devices") == frontier.points["devices"].min()
    assert best.value("time.queue.p99") <= 0.2
    assert best.value("time.per_token") < 0.03
    row = frontier.points.filter(frontier.points["devices"] == frontier.points["devices"].min()).row(0, named=True)
    report = frontier.report(row["index"])
    for path in ("time.queue.mean", "time.queue.p99", "load.copies", "cost.million_tokens", "load.utilisation"):
        assert row[path] == pytest.approx(report.value(path), rel=1e-9), path


def test_a_split_service_waits_before_its_prefill_too() -> None:
    shared = {**DECODE, "rate": "40/s", "queue_p99": "1 s"}
    report = estimate("llama-3.1-8b", "h100-sxm:8", "tp=1,prefill_devices=2", **shared)
    assert report.value("load.copies") >= 1
    few = estimate("llama-3.1-8b", "h100-sxm:8", "tp=1,prefill_devices=2", **{**shared, "sequence": 8192, "batch": 256})
    assert few.value("time.queue.mean") > report.value("time.queue.mean")


@pytest.mark.parametrize(
    ("options", "message"),
    [({"rate": "fast"}, "not a rate"), ({"rate": "0/s"}, "not a rate"), ({"queue_p99": "1 s"}, "needs a rate"),
     ({"rate": 5, "variation": 3.0}, "coefficient of variation"), ({"rate": 5, "queue_mean": "-1 s"}, "below zero"),
     ({"rate": 5, "queue_mean": "3 B"}, "unit"), ({"rate": 5, "arrivals": "x.csv"}, "one of the two"),
     ({"rate": 5, "queue_first_token": "1 us"}, "no number of copies")],
)  # fmt: skip
def test_what_is_no_demand_is_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(SlipstickError, match=message):
        estimate("llama-3.1-8b", "h100-sxm:1", "tp=1", **DECODE, **options)


def test_static_batches_do_not_serve_a_rate() -> None:
    with pytest.raises(SlipstickError, match="continuous"):
        estimate("llama-3.1-8b", "h100-sxm:1", "tp=1,continuous=false", rate=5, **DECODE)
    with pytest.raises(SlipstickError, match="rate: not an option"):
        estimate("llama-3.1-8b", "h100-sxm:1", "tp=1", phase="prefill", rate=5)


@pytest.mark.parametrize(
    ("text", "message"),
    [("a,b\n1,2\n", "no column of times"), ("time\n1\n", "too few"), ("time\n1\nx\n", "line 3 has no number"),
     ("time\n1\n1\n", "too few"), ("time,output\n1,5\n2,-5\n", "no size")],
)  # fmt: skip
def test_a_trace_that_cannot_be_read_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SlipstickError, match=message):
        estimate("llama-3.1-8b", "h100-sxm:1", "tp=1", arrivals=path, **DECODE)


def test_waiting_and_load_name_their_arrivals_beside_the_times_of_requests() -> None:
    report = estimate("llama-3.1-8b", "mi300x:1", "tp=1", rate="20/s", variation=0.5, **DECODE)
    assert report["load.rate"].how == "given"
    assert report["load.rate"].low is None
    assert report["time.queue.mean"].source.startswith("Poisson arrivals, variation 0.5 (M/G/c)")
    assert "no kernel or step of this device was measured" in report["time.queue.mean"].source
    assert report["time.queue.mean"].low is None
    assert report["time.request"].low is not None


def test_waits_do_not_depend_on_the_origin_of_time() -> None:
    """Servers are free before the first arrival, whenever that is."""
    arrivals, service = np.array([0.0, 1.0, 2.0, 2.5]), np.array([3.0, 2.0, 3.0, 1.0])
    waits = _simulated_waits(arrivals, service, 2)
    assert waits.tolist() == [0.0, 0.0, 1.0, 0.5]
    assert _simulated_waits(arrivals - 100.0, service, 2).tolist() == waits.tolist()


def test_points_that_differ_by_less_than_a_second_stay_apart() -> None:
    times = np.array([0.1, 0.4, 0.1, 2.5])
    assert np.unique(_code(times)).size == 3
    assert _code(times)[0] == _code(times)[2]
    assert _code(np.array([3, 1])).tolist() == [3, 1]


def test_a_trace_needs_two_times_and_no_more(tmp_path: Path) -> None:
    path = trace_file(tmp_path, np.array([0.0, 1.0, 1.0]))
    assert estimate("llama-3.1-8b", "h100-sxm:1", "tp=1", arrivals=path, **DECODE).value("load.copies") >= 1
