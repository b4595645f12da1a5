"""Filters, the adaptive matched filter and counting against slow oracles, and files of traces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError
from slipstick.vitals import read_traces
from slipstick.vitals.band_pass import band_pass, hann_dft
from slipstick.vitals.beat_count import phase_rate
from slipstick.vitals.matched_filter import PulseFilter
from synthetic_face import RATE, face

RNG = np.random.default_rng(2)


def test_band_pass_is_a_butterworth_filter_forwards_and_backwards() -> None:
    signal = pytest.importorskip("scipy.signal")
    noise = RNG.normal(0, 1, 900)
    sections = signal.butter(3, [0.7, 4.0], "bandpass", fs=RATE, output="sos")
    theirs = signal.sosfiltfilt(sections, noise)
    ours = band_pass(noise, RATE, 0.7, 4.0)
    middle = slice(200, 700)
    assert np.corrcoef(ours[middle], theirs[middle])[0, 1] > 0.97


def test_the_statistic_is_kellys_computed_one_rate_at_a_time() -> None:
    channels, template = RNG.normal(0, 1, (450, 5)), np.array([1.0, 0.5, 0.2, 0.0, 0.0])
    beats = np.arange(60.0, 120.0, 3.0)
    filtered = PulseFilter.of(channels, template, RATE, 300, np.repeat(beats, 3))
    bins = np.fft.rfft(channels, axis=0) / np.sqrt(450)
    frequencies = np.fft.rfftfreq(450, 1 / RATE)
    statistic = []
    for beat in beats:
        chosen = [
            k for k, f in enumerate(frequencies)
            if 0.65 <= f <= 4.05 and abs(60 * f - beat) > 8 and abs(60 * f - 2 * beat) > 8
        ]  # fmt: skip
        noise = sum(np.real(np.outer(bins[k], bins[k].conj())) for k in chosen) / len(chosen)
        noise = 0.9 * noise + 0.1 * np.diag(np.diag(noise))
        value = hann_dft(channels[-300:], RATE, np.array([beat]))[0]
        inverse = np.linalg.inv(noise)
        along = abs(template @ inverse @ value) ** 2
        statistic.append(
            along / (template @ inverse @ template) / (len(chosen) + np.real(value.conj() @ inverse @ value))
        )
    doubled = [np.interp(2 * beat, beats, statistic, right=0.0) if 2 * beat <= beats[-1] else 0.0 for beat in beats]
    assert filtered.statistic[::3] == pytest.approx(np.array(statistic) + 0.3 * np.array(doubled), rel=1e-3)


@pytest.mark.parametrize("drift", [0.0, 10.0, -8.0])
def test_counting_gives_the_mean_rate_of_the_window(drift: float) -> None:
    time = np.arange(900) / 30.0
    rate = 80 + drift * (time - 25) / 10
    wave = np.cos(2 * np.pi * np.cumsum(rate) / 60 / 30)
    assert phase_rate(wave, 30.0, 300, 82.0) == pytest.approx(rate[-300:].mean(), abs=0.6)


def saved(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def test_traces_are_resampled_by_their_time_stamps(tmp_path: Path) -> None:
    traces = face(80)
    kept = np.sort(RNG.choice(len(traces.colours), 500, replace=False))
    path = saved(tmp_path / "a.npz", times=kept / RATE + 3, rgb=traces.colours[kept])
    read = read_traces(path)
    assert read.start == pytest.approx(3 + kept[0] / RATE)
    assert abs(len(read.colours) - (kept[-1] - kept[0] + 1)) <= 1
    assert np.abs(read.colours[100] - traces.colours[kept[0] + 100]).max() < 2


def test_several_clips_and_whole_numbers(tmp_path: Path) -> None:
    colours = np.round(face(80).colours * 128).astype(np.int16)
    path = saved(tmp_path / "b.npz", **{"00_rgb": colours, "07_rgb": colours})
    with pytest.raises(SlipstickError, match="clip: several clips in the file"):
        read_traces(path)
    with pytest.raises(SlipstickError, match="no such clip in the file; got 3"):
        read_traces(path, 3)
    assert read_traces(path, 7).colours == pytest.approx(face(80).colours, abs=0.01)


def test_a_csv_of_one_patch(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("time,r,g,b\n" + "\n".join(f"{at / 30},{100 + at % 5},90,80" for at in range(60)))
    assert read_traces(path).colours.shape == (60, 1, 3)


GOOD = face(80).colours
BAD = {
    "no colours": ({"times": np.arange(3.0)}, "no colours"),
    "two axes": ({"rgb": GOOD[:, 0]}, "no colours"),
    "length": ({"rgb": GOOD, "times": np.arange(5.0)}, "different lengths"),
    "NaN": ({"rgb": np.where(GOOD > 150, np.nan, GOOD)}, "not finite"),
    "zero": ({"rgb": GOOD * 0}, "not a colour; got 0.0"),
    "unsorted": ({"rgb": GOOD, "times": np.arange(len(GOOD))[::-1] / 30}, "time stamps do not grow"),
    "a gap": ({"rgb": GOOD, "times": np.r_[np.arange(300) / 30, 20 + np.arange(300) / 30]}, "a gap between frames"),
    "milliseconds": ({"rgb": GOOD, "times": np.arange(600) * 33.3}, "a gap between frames.*in seconds"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_traces_are_one_clear_error(name: str, tmp_path: Path) -> None:
    arrays, message = BAD[name]
    if name == "NaN":
        arrays = {"rgb": np.where(GOOD.max() == GOOD, np.nan, GOOD)}
    with pytest.raises(SlipstickError, match=message):
        read_traces(saved(tmp_path / "bad.npz", **arrays))


def test_what_is_no_npz_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.npz"
    path.write_text("no archive")
    with pytest.raises(SlipstickError, match="not an NPZ file of traces"):
        read_traces(path)
