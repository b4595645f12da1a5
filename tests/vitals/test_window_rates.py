"""From colour traces to a heart rate: faces with a known pulse, motion, photographs, and each ingredient."""

from __future__ import annotations

import numpy as np
import pytest

import slipstick
from slipstick.core.errors import SlipstickError
from slipstick.vitals import FaceTraces, PulseWindows, window_rates
from slipstick.vitals.pulse_windows import METHODS
from synthetic_face import face


def error(windows: PulseWindows, traces: FaceTraces) -> float:
    """Mean absolute error of the windows [bpm]."""
    assert traces.reference is not None
    return float(np.abs(windows.rates - traces.reference[:, 1]).mean())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("beats", [55.0, 92.0, 165.0])
def test_every_method_reads_a_still_face(method: str, beats: float) -> None:
    """LGI takes out the strongest colour: it needs a little motion, or it takes out the pulse."""
    traces = face(beats, nod=1.0 if method == "lgi" else 0.0)
    assert error(window_rates(traces, method), traces) < 1.5


@pytest.mark.parametrize("nod_beats", [60.0, 100.0])
def test_nodding_drowns_green_and_not_the_automatic_way(nod_beats: float) -> None:
    traces = face(82, nod=3, nod_beats=nod_beats)
    assert error(window_rates(traces, "green"), traces) > 8
    assert error(window_rates(traces), traces) < 1


def test_the_filter_learns_motion_from_the_pose() -> None:
    """A nod shades all colours of a block: the statistic at its rate falls when pose channels are there."""
    traces = face(82, pulse=0.0, nod=3, nod_beats=100.0)
    blind = FaceTraces(traces.colours, None)
    with_pose, without_pose = (window_rates(part).statistics[:, 0].mean() for part in (traces, blind))
    assert with_pose < without_pose


def test_counting_follows_a_rate_that_rises() -> None:
    traces = face(70, drift=25)
    counted = error(window_rates(traces), traces)
    assert counted < error(window_rates(traces, without=frozenset(["count"])), traces)
    assert counted < 0.6


def test_a_living_face_gives_readings_whose_intervals_hold() -> None:
    windows = window_rates(face(75))
    assert windows.reading.mean() > 0.8
    assert ((windows.low < 75) & (windows.high > 75))[windows.reading].mean() > 0.8


@pytest.mark.parametrize("nod", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_photograph_gives_no_reading(nod: float, seed: int) -> None:
    windows = window_rates(face(75, pulse=0.0, nod=nod, nod_beats=75.0, seed=seed))
    assert windows.reading.mean() < 0.3


def test_windows_know_their_past_alone() -> None:
    traces = face(75)
    first = window_rates(FaceTraces(traces.colours[:450], traces.pose[:450] if traces.pose is not None else None))
    assert window_rates(traces).rates[: len(first.rates)] == pytest.approx(first.rates, abs=1e-3)


def test_one_block_without_pose_is_enough() -> None:
    traces = face(88)
    whole = FaceTraces(traces.colours.mean(1, keepdims=True), None, 0.0, traces.reference)
    assert error(window_rates(whole), traces) < 1.5


@pytest.mark.parametrize(
    ("method", "without", "message"),
    [("autom", (), "did you mean 'auto'"), ("auto", ("colour",), "no such ingredient; got 'colour'")],
)
def test_unknown_names_are_refused(method: str, without: tuple[str, ...], message: str) -> None:
    with pytest.raises(SlipstickError, match=message):
        window_rates(face(70), method, frozenset(without))


def test_too_short_traces_are_refused() -> None:
    with pytest.raises(SlipstickError, match=r"too short; got '5.0 s'; allowed: 10 s or more"):
        window_rates(FaceTraces(face(70).colours[:150]))


def test_measure_reports_a_pulse_and_says_what_it_is_not() -> None:
    traces = face(75)
    report = slipstick.measure(traces)
    assert report.value("rate.mean") == pytest.approx(75, abs=1)
    assert report.value("error.mean_absolute") < 1
    assert "not a medical device" in report.table()
    assert "patented" not in report.table()
    assert set(report.pictures()) <= {"Heart rate", "Spectrum"}
    assert len(report.detail.csv().splitlines()) == 12


def test_the_patented_chain_is_a_mode_by_name_and_says_so() -> None:
    report = slipstick.measure(face(75), method="mombat")
    assert "US 10,755,125" in report.json()


def test_options_of_networks_are_refused_for_traces() -> None:
    with pytest.raises(SlipstickError, match="board: is for networks"):
        slipstick.measure(face(75), board="nucleo-f446")
