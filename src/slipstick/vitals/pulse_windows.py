"""Heart rate of windows of colour traces: spectra of each window, tracked over time, beats counted, confidence.

The two families of signals fail in opposite places: motion drowns green, coding destroys chroma. So each window adds up
the spectra of green blocks and of POS, both after the head's pose was regressed out and weighted by how far their peak
stands out, and the statistic of the adaptive matched filter over all blocks and colours.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from slipstick.core.arrays import BoolArray, FloatArray
from slipstick.core.errors import SlipstickError
from slipstick.vitals.band_pass import band_pass, hann_dft, peak_to_rest
from slipstick.vitals.beat_count import counted_rate
from slipstick.vitals.block_pulse import block_weights, fourier_fill, motion_quality, without_pose
from slipstick.vitals.face_traces import RATE, FaceTraces
from slipstick.vitals.matched_filter import COLOURS, PulseFilter
from slipstick.vitals.pulse_methods import HIGH, LOW, PULSE_METHODS, normalised, pos
from slipstick.vitals.pulse_settings import PulseSettings, pulse_settings
from slipstick.vitals.rate_band import RateBand
from slipstick.vitals.rate_filter import RateFilter
from slipstick.vitals.tracker_settings import trackers

AUTOMATIC, MOMBAT = "auto", "mombat"
METHODS = (AUTOMATIC, MOMBAT, *PULSE_METHODS)
INGREDIENTS = ("families", "filter", "pose", "count", "tracker", "blocks", "quality", "fourier")
_NEAR = 6.0  # a minute: half-width of a Hann window's peak at 10 s
_SAME = 4.0  # a minute: peaks that are one
_BAND = (0.65, 4.05)  # Hz: of the channels of the matched filter
_TINY = 1e-9


@dataclass(frozen=True, eq=False)
class PulseWindows:
    """Heart rates of windows, in order of time.

    Parameters
    ----------
    ends : end of each window, as the traces count time [s].
    rates, low, high : mean heart rate of the window and its 90 % interval [bpm].
    reading : whether there is a pulse to be read; where not, the rate means nothing.
    spectra : [windows, beats], what the tracker saw, over `beats` [1/min].
    statistics : [windows, 8], of `STATISTICS`; empty for methods other than the automatic one.
    """

    ends: FloatArray
    rates: FloatArray
    low: FloatArray
    high: FloatArray
    reading: BoolArray
    beats: FloatArray
    spectra: FloatArray
    statistics: FloatArray = field(default_factory=lambda: np.zeros((0, 8)))


@dataclass(frozen=True, eq=False)
class _Moment:
    """What one window's analysis keeps: spectra by name, and the signals whose beats are counted."""

    spectra: dict[str, FloatArray]
    filter: PulseFilter | None
    chroma: FloatArray


def window_rates(
    traces: FaceTraces,
    method: str = AUTOMATIC,
    without: frozenset[str] = frozenset(),
    settings: PulseSettings | None = None,
) -> PulseWindows:
    """Return the heart rate of every window of colour traces; each window knows its past alone.

    Parameters
    ----------
    method : ``auto``, or one of `METHODS`. ``mombat`` is a patented chain (US 10,755,125), never the default.
    without : ingredients that are left out, of `INGREDIENTS`: what each brings is then measured.

    Errors
    ------
    SlipstickError for an unknown method or ingredient, and traces shorter than a window.
    """
    used = settings or pulse_settings.entry("automatic")
    if method not in METHODS:
        raise SlipstickError("no such method", path="method", value=method, allowed=METHODS)
    if unknown := without - set(INGREDIENTS):
        raise SlipstickError("no such ingredient", path="without", value=sorted(unknown)[0], allowed=INGREDIENTS)
    length, step = round(used.window * RATE), round(used.step * RATE)
    if len(traces.colours) < length:
        allowed = f"{used.window:g} s or more"
        raise SlipstickError(
            "the traces are too short", path="traces", value=f"{traces.seconds:.1f} s", allowed=allowed
        )
    ends = np.arange(length, len(traces.colours) + 1, step)
    model = RateFilter.of(trackers.entry("spectra"))
    beats = model.rates.astype(np.float64)
    moments = [_moment(traces, int(end), length, method, without, beats) for end in ends]
    spectra = np.array([_joined(moment, method, used.filter_weight) for moment in moments])
    band = _tracked(spectra, model, used)
    rates = band.value[0] if "tracker" not in without else beats[spectra.argmax(1)]
    times = traces.start + (ends - 1) / RATE
    if method != AUTOMATIC:
        return PulseWindows(times, rates, band.low[0], band.high[0], np.ones(len(ends), bool), beats, spectra)
    return _confident(moments, rates, times, beats, spectra, used, without)


def _joined(moment: _Moment, method: str, filter_weight: float) -> FloatArray:
    """Return a window's spectrum: the sum of its components, each of unit sum times its peak over the rest."""
    if method != AUTOMATIC:
        return next(iter(moment.spectra.values()))
    weights = {"filter": filter_weight}
    assert moment.filter is not None  # noqa: S101  the automatic method always has one
    beats = moment.filter.beats
    return np.asarray(
        sum(
            weights.get(name, 1.0) * peak_to_rest(power, beats, _NEAR) * power / power.sum()
            for name, power in moment.spectra.items()
        )
    )


def _tracked(spectra: FloatArray, model: RateFilter, settings: PulseSettings) -> RateBand:
    """Return the live band of the windows' spectra."""
    relative = spectra / np.maximum(spectra.max(1, keepdims=True), _TINY**2)
    likelihood = (np.clip(relative, 0, 1) ** settings.power + settings.floor).astype(np.float32)
    posterior = model.forward(likelihood[:, None, None])
    return RateBand.of(posterior, model.rates, trackers.entry("spectra"))


def _moment(
    traces: FaceTraces, end: int, length: int, method: str, without: frozenset[str], beats: FloatArray
) -> _Moment:
    """Return the analysis of the window that ends at sample `end`, from the past of the traces alone."""
    colours = traces.colours[:end]
    pose = None if traces.pose is None else traces.pose[:end]
    mean = colours.mean(1)
    if method in PULSE_METHODS:
        signal = PULSE_METHODS[method](mean, RATE)
        return _Moment({method: _power(signal, length, beats)}, None, signal)
    if method == MOMBAT:
        signal = _mombat(colours, pose, length, without)
        return _Moment({MOMBAT: _power(signal, length, beats)}, None, signal)
    blocks = band_pass(normalised(colours), RATE, *_BAND)
    nuisances = _nuisances(pose) if pose is not None and "pose" not in without else np.zeros((end, 0))
    chroma = pos(mean, RATE)
    spectra: dict[str, FloatArray] = {}
    if "families" not in without or "filter" in without:
        greens = -blocks[:, :, 1]
        green = without_pose(greens @ block_weights(greens[-length:]), nuisances)
        spectra["green"] = _power(green, length, beats)
        spectra["chroma"] = _power(without_pose(chroma, nuisances), length, beats)
    matched = _matched(blocks, nuisances, length, beats)
    if "filter" not in without:
        spectra["filter"] = matched.statistic
    return _Moment(spectra, matched, chroma)


def _power(signal: FloatArray, length: int, beats: FloatArray) -> FloatArray:
    """Return the power of a signal's last `length` samples at each rate."""
    return np.asarray(np.abs(hann_dft(signal[-length:], RATE, beats)) ** 2 + _TINY**2)


def _nuisances(pose: FloatArray) -> FloatArray:
    """Return the pose channels [time, 10], band-passed: seven, squares of yaw and pitch, their product."""
    centred = pose - pose.mean(0)
    yaw, pitch = centred[:, 0], centred[:, 1]
    return band_pass(np.column_stack([centred, yaw**2, pitch**2, yaw * pitch]), RATE, *_BAND)


def _matched(blocks: FloatArray, nuisances: FloatArray, length: int, beats: FloatArray) -> PulseFilter:
    """Return the adaptive matched filter over all blocks, colours and pose channels, each over its deviation."""
    channels = np.column_stack([blocks.reshape(len(blocks), -1), nuisances])
    deviation = channels.std(0)
    moving = deviation > _TINY
    template = np.concatenate([np.tile(COLOURS, blocks.shape[1]), np.zeros(nuisances.shape[1])])
    return PulseFilter.of(channels[:, moving] / deviation[moving], template[moving], RATE, length, beats)


def _mombat(colours: FloatArray, pose: FloatArray | None, length: int, without: frozenset[str]) -> FloatArray:
    """Return the signal of the patented chain as understood: green blocks, quality, fusion, Fourier reconstruction."""
    greens = -band_pass(normalised(colours)[:, :, 1], RATE, LOW, HIGH)[-length:]
    quality = np.ones(length)
    if pose is not None and "quality" not in without:
        quality = motion_quality(pose[-length:], RATE)
    weights = np.full(greens.shape[1], 1 / greens.shape[1])
    if "blocks" not in without:
        weights = block_weights(greens * quality[:, None])
    signal = greens @ weights
    if "fourier" in without:
        return np.asarray(signal)
    filled = fourier_fill(signal, quality, RATE, LOW, HIGH)
    return np.zeros(length) if filled is None else filled


def _confident(
    moments: list[_Moment],
    tracked: FloatArray,
    times: FloatArray,
    beats: FloatArray,
    spectra: FloatArray,
    settings: PulseSettings,
    without: frozenset[str],
) -> PulseWindows:
    """Return the windows with beats counted, intervals, and whether there is a reading."""
    length = round(settings.window * RATE)
    rates, statistics = tracked.copy(), np.zeros((len(moments), 8))
    for place, (moment, rate) in enumerate(zip(moments, tracked, strict=True)):
        assert moment.filter is not None  # noqa: S101  the automatic method always has one
        signals = [moment.filter.beam(float(rate)), moment.chroma]
        corrected, counts = counted_rate(signals, RATE, length, float(rate))
        jump = abs(rate - tracked[max(place - 1, 0)])
        statistics[place] = _statistics(moment, beats, float(rate), counts, float(jump), length)
        if "count" not in without:
            rates[place] = corrected
    memory = settings.gate_memory
    averaged = np.array([statistics[max(0, at + 1 - memory) : at + 1].mean(0) for at in range(len(statistics))])
    reading = averaged @ np.array(settings.gate) + settings.gate_offset > 0
    half = np.exp(averaged @ np.array(settings.interval) + settings.interval_offset)
    return PulseWindows(times, rates, rates - half, rates + half, reading, beats, spectra, statistics)


def _statistics(
    moment: _Moment, beats: FloatArray, rate: float, counts: FloatArray, jump: float, length: int
) -> FloatArray:
    """Return the statistics of a window by which its rate is believed: those that `STATISTICS` names."""
    assert moment.filter is not None  # noqa: S101  the automatic method always has one
    power = moment.filter.statistic
    chroma = moment.spectra.get("chroma", _power(moment.chroma, length, beats))
    (first, second), (_, quality) = counts
    return np.array(
        [
            np.log(np.interp(rate, beats, power) + _TINY),
            np.log(peak_to_rest(power + _TINY, beats, _NEAR)),
            np.log(peak_to_rest(chroma, beats, _NEAR)),
            np.log1p(abs(first - second)),
            np.log(quality + _TINY),
            np.log1p(jump),
            float(abs(beats[power.argmax()] - rate) < _SAME),
            float(abs(beats[chroma.argmax()] - rate) < _SAME),
        ]
    )
