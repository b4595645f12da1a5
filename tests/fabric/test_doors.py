"""Traces run as they should; files of other simulators are read, written and refused."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipstick.core.errors import SlipstickError
from slipstick.fabric import builders
from slipstick.fabric.tasks import Endpoint
from slipstick.fabric.traces.astra import read_astra_network, read_astra_system
from slipstick.fabric.traces.chakra import _read_chakra, _write_chakra, read_chakra_folder, write_chakra_folder
from slipstick.fabric.traces.execution import Trace, TraceStep, execute_traces

MB, SPEED = 1e6, 1e9
COMPUTE = TraceStep(0, "forward", "compute", seconds=2e-3)
REDUCE = TraceStep(1, "gradients", "collective", (0,), collective="all_reduce", size=4 * MB)
NEXT = TraceStep(2, "backward", "compute", (0,), seconds=5e-3)
TRACE: Trace = (COMPUTE, REDUCE, NEXT, TraceStep(3, "update", "compute", (1, 2), seconds=1e-3))


def test_computing_and_messages_overlap() -> None:
    found = execute_traces([TRACE] * 4, builders.ring(4, SPEED, 0.0))
    assert found.begin[0][1] == pytest.approx(2e-3)
    assert found.end[0][1] == pytest.approx(2e-3 + 6e-3)  # 2 (3/4) of 4 MB at 1 GB/s
    assert found.end[0][2] == pytest.approx(7e-3)
    assert found.time == pytest.approx(9e-3)


def test_a_node_computes_one_thing_at_a_time() -> None:
    both = (TraceStep(0, "a", "compute", seconds=1.0), TraceStep(1, "b", "compute", seconds=2.0))
    assert execute_traces([both] * 2, builders.ring(2, SPEED, 0.0)).time == pytest.approx(3.0)


def test_the_slowest_node_holds_a_collective_up() -> None:
    slow: Trace = (TraceStep(0, "forward", "compute", seconds=9e-3), REDUCE)
    found = execute_traces([slow, *[(COMPUTE, REDUCE)] * 3], builders.ring(4, SPEED, 0.0))
    assert found.time == pytest.approx(9e-3 + 6e-3)


def test_groups_meet_apart_and_share_links() -> None:
    def one(group: str) -> Trace:
        return (TraceStep(0, "r", "collective", collective="all_reduce", size=MB, group=group),)

    traces = [one("left"), one("left"), one("right"), one("right")]
    assert execute_traces(traces, builders.switch(4, SPEED, 0.0)).time == pytest.approx(1e-3)


def test_send_and_receive() -> None:
    send, receive = TraceStep(0, "s", "send", peer=1, size=MB), TraceStep(0, "r", "receive", peer=0, size=MB)
    after = TraceStep(1, "work", "compute", (0,), seconds=1e-3)
    found = execute_traces([(send,), (receive, after)], builders.ring(2, SPEED, 1e-6), endpoint=Endpoint(1e-6))
    assert found.time == pytest.approx(1e-3 + 2e-6 + 1e-3)


@pytest.mark.parametrize(
    ("traces", "message"),
    [
        ([TRACE] * 3, "one trace a node"),
        ([(TraceStep(0, "a", "compute", (7,)),)] * 2, "not there"),
        ([(TraceStep(0, "a", "compute"), TraceStep(0, "b", "compute"))] * 2, "twice"),
        ([(REDUCE,), ()], "not there"),
        ([(TraceStep(0, "r", "collective", collective="all_reduce", size=1.0),), ()], "not all nodes"),
        ([(TraceStep(0, "r", "collective", collective="all_reduce", size=s),) for s in (1.0, 2.0)], "differ"),
        ([(TraceStep(0, "s", "send", peer=1, size=1.0),), ()], "nobody receives"),
        ([(), (TraceStep(0, "s", "receive", peer=0, size=1.0),)], "nobody sends"),
    ],
)
def test_bad_traces_give_one_clear_error(traces: list[Trace], message: str) -> None:
    with pytest.raises(SlipstickError, match=message):
        execute_traces(traces, builders.ring(2, SPEED, 0.0))


NAMES, SIZES = st.text("abc", max_size=5), st.integers(0, 2**40).map(float)
MICROSECONDS = st.integers(0, 10**9).map(lambda count: count * 1e-6)
KINDS = st.sampled_from(["all_reduce", "all_to_all", "broadcast"])
ENDS = st.sampled_from(["send", "receive"])
STEPS = st.one_of(
    st.builds(TraceStep, st.just(0), NAMES, st.just("compute"), seconds=MICROSECONDS),
    st.builds(TraceStep, st.just(0), NAMES, st.just("collective"), size=SIZES, collective=KINDS, group=st.text("xy")),
    st.builds(TraceStep, st.just(0), NAMES, ENDS, peer=st.integers(0, 100), size=SIZES, tag=st.integers(0, 100)),
)


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(STEPS, max_size=8))
def test_chakra_out_and_in_again_is_equal(steps: list[TraceStep], tmp_path_factory: pytest.TempPathFactory) -> None:
    trace = tuple(
        TraceStep(**{**vars(step), "number": number, "after": tuple(range(max(0, number - 2), number))})
        for number, step in enumerate(steps)
    )
    path = tmp_path_factory.mktemp("chakra") / "trace.0.et"
    _write_chakra(trace, path)
    back = _read_chakra(path)
    assert len(back) == len(trace)
    for one, other in zip(back, trace, strict=True):
        assert {**vars(one), "seconds": 0} == {**vars(other), "seconds": 0}
        assert one.seconds == pytest.approx(other.seconds)


def test_a_trace_in_the_peers_own_bytes(tmp_path: Path) -> None:
    """Written by hand after the schema: metadata, then an all-reduce of 1 MiB with its two int64 attributes."""
    metadata = b"\x0a\x050.0.4"
    comm_type = b"\x0a\x09comm_type\x48\x00"
    comm_size = b"\x0a\x09comm_size\x48\x80\x80\x40"
    node = b"\x08\x01\x12\x0aAll-Reduce\x18\x07" + b"".join(
        b"\x52" + bytes([len(a)]) + a for a in (comm_type, comm_size)
    )
    (tmp_path / "t.0.et").write_bytes(b"".join(bytes([len(m)]) + m for m in (metadata, node)))
    (step,) = _read_chakra(tmp_path / "t.0.et")
    assert (step.name, step.kind, step.collective, step.size) == ("All-Reduce", "collective", "all_reduce", 2**20)


def test_a_folder_of_traces_runs(tmp_path: Path) -> None:
    write_chakra_folder([TRACE] * 4, tmp_path / "run")
    traces = read_chakra_folder(tmp_path / "run")
    assert execute_traces(traces, builders.ring(4, SPEED, 0.0)).time == pytest.approx(9e-3)
    (tmp_path / "run.1.et").unlink()
    with pytest.raises(SlipstickError, match="without gaps"):
        read_chakra_folder(tmp_path / "run")


def test_broken_traces_give_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "trace.0.et"
    _write_chakra(TRACE, path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        _read_or_refuse(path)
    for _ in range(300):
        changed = bytearray(whole)
        changed[int(rng.integers(len(whole)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(changed))
        _read_or_refuse(path)
    path.write_bytes(b"\xff\xff\xff\xff\x7f")
    with pytest.raises(SlipstickError, match="ends inside"):
        _read_chakra(path)


def _read_or_refuse(path: Path) -> None:
    with contextlib.suppress(SlipstickError):
        _read_chakra(path)


NETWORK = "topology: [ Ring, FullyConnected, Switch ]\nnpus_count: [ 2, 8, 4 ]\nbandwidth: [ 200.0, 100.0, 50.0 ]\n"
NETWORK += "latency: [ 50.0, 500.0, 2000.0 ]\n"


def test_an_astra_sim_network(tmp_path: Path) -> None:
    (tmp_path / "net.yml").write_text(NETWORK)
    found = read_astra_network(tmp_path / "net.yml")
    assert found.npus.size == 64
    assert found.kinds.count("switch") == 16
    assert found.links == 2 * (32 + 8 * 28 + 64)
    ring = np.flatnonzero(found.bandwidth == 200 * 2**30)
    assert (np.abs(found.source[ring] - found.target[ring]) == 1).all(), "the first dimension is the innermost"
    assert found.latency[ring] == pytest.approx(50e-9)


def test_an_astra_sim_system(tmp_path: Path) -> None:
    (tmp_path / "sys.json").write_text(
        '{"scheduling-policy": "LIFO", "endpoint-delay": 10, "preferred-dataset-splits": 4, "local-mem-bw": 50,'
        ' "all-reduce-implementation": ["ring", "halvingDoubling"], "collective-optimization": "localBWAware"}'
    )
    found = read_astra_system(tmp_path / "sys.json")
    assert (found.endpoint.delay, found.endpoint.memory_bandwidth, found.splits) == (1e-8, 50e9, 4)
    assert found.algorithms == {"all_reduce": ("ring", "halving_doubling")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("topology: [ Ring ]\n", "missing"),
        (NETWORK + "speed: 1\n", "no such key"),
        (NETWORK.replace("Ring", "Rong"), "did you mean 'Ring'"),
        (NETWORK.replace("2, 8, 4", "2, 8"), "one value a dimension"),
        (NETWORK.replace("2, 8, 4", "2, 8, 0"), "npus_count"),
        (NETWORK.replace("2, 8, 4", "200, 800, 400"), "too large"),
        (NETWORK.replace("50.0 ]\nl", "-1 ]\nl"), "bandwidth"),
        ("- 1\n", "not a mapping"),
    ],
)
def test_bad_networks_name_the_key(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "net.yml").write_text(text)
    with pytest.raises(SlipstickError, match=message):
        read_astra_network(tmp_path / "net.yml")
