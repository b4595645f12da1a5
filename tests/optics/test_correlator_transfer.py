"""Photodetectors and the transfer of one correlator: noise by its formulas, ideal parts that lose nothing, the verb."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import slipstick
from slipstick.core.errors import SlipstickError
from slipstick.optics.joint_transform import valid_correlation
from slipstick.optics.lag_separation import JointPlane, smallest_field
from slipstick.optics.photodetector import CorrelatorTransfer, Photodetector, full_transfer

PLANE = smallest_field(64, 9)
IDEAL = CorrelatorTransfer(dac_bits=0, adc_bits=0, depth=1)


def rows(shots: int = 32, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.random((shots, 64)), random.random((shots, 9))


def closed(signals: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    return valid_correlation(torch.from_numpy(signals), torch.from_numpy(kernels)).numpy()


def test_noise_is_that_of_each_source_alone() -> None:
    current, band = 1e-3, 2e9
    silent = Photodetector(load=math.inf, amplifier_noise=0, intensity_noise=-math.inf, dark_current=0)
    shot = math.sqrt(2 * 1.602176634e-19 * current * band)
    assert silent.noise(current, band) == pytest.approx(shot)
    assert silent.snr(current, band) == pytest.approx(10 * math.log10(current / (2 * 1.602176634e-19 * band)))
    laser = Photodetector(load=math.inf, amplifier_noise=0, intensity_noise=-130, dark_current=0)
    assert laser.noise(current, band) ** 2 - shot**2 == pytest.approx(1e-13 * current**2 * band)
    warm = Photodetector(load=50, temperature=290, amplifier_noise=0, intensity_noise=-math.inf, dark_current=0)
    assert warm.noise(0, band) ** 2 == pytest.approx(4 * 1.380649e-23 * 290 / 50 * band)
    assert Photodetector(load=math.inf, dark_current=0).noise(0, band) == pytest.approx(20e-12 * math.sqrt(band))
    assert Photodetector(saturation=1e-3).current(1e-3) == pytest.approx(0.5e-3)


@pytest.mark.parametrize("readout", ["linear", "square_sqrt"])
def test_ideal_parts_lose_nothing(readout: str) -> None:
    signals, kernels = rows()
    own = CorrelatorTransfer(readout, dac_bits=0, adc_bits=0, depth=1)  # type: ignore[arg-type]
    read, expected = full_transfer(signals, kernels, PLANE, own), closed(signals, kernels)
    assert np.abs(read - expected).max() <= 1e-12 * expected.max()


def test_collected_shots_add_amplitudes_or_intensities() -> None:
    signals, kernels = rows()
    parts = closed(signals, kernels).reshape(8, 4, -1)
    linear, squares = (
        full_transfer(signals, kernels, PLANE, CorrelatorTransfer(way, dac_bits=0, adc_bits=0, depth=4))
        for way in ("linear", "square_integrate")
    )
    np.testing.assert_allclose(linear, parts.sum(1), rtol=1e-12)
    np.testing.assert_allclose(squares, np.sqrt(np.square(parts).sum(1)), rtol=1e-12)


def test_finer_converters_and_more_light_are_nearer() -> None:
    signals, kernels = rows()
    expected = closed(signals, kernels)

    def error(**fields: object) -> float:
        own = CorrelatorTransfer(**({"dac_bits": 0, "adc_bits": 0, "depth": 1} | fields))  # type: ignore[arg-type]
        return float(np.square(full_transfer(signals, kernels, PLANE, own) - expected).mean())

    bits = [error(dac_bits=n, adc_bits=n) for n in (4, 6, 8, 10)]
    assert bits == sorted(bits, reverse=True)
    light = [error(detector=Photodetector(), power=watts) for watts in (1e-6, 1e-5, 1e-4)]
    assert light == sorted(light, reverse=True)
    dark = [error(extinction=ratio) for ratio in (10, 20, 40, 0)]
    assert dark == sorted(dark, reverse=True)
    small = JointPlane(64, 9, PLANE.field - 20, 64)
    contaminated = full_transfer(signals, kernels, small, IDEAL)
    assert np.square(contaminated - expected).mean() > 1e-3


def test_amplitudes_that_no_modulator_gives_are_refused() -> None:
    signals, kernels = rows()
    for bad in (-signals, 2 * signals, np.where(signals > 0.5, np.nan, signals)):
        with pytest.raises(SlipstickError, match=r"correlator\.signal: amplitudes.*0 to 1"):
            full_transfer(bad, kernels, PLANE, IDEAL)
    with pytest.raises(SlipstickError, match="does not divide the shots"):
        full_transfer(signals, kernels, PLANE, CorrelatorTransfer(depth=5))


def test_the_verb_counts_and_draws_every_lag() -> None:
    report = slipstick.correlate(40, 7, field=140)
    flags = report.detail
    assert report.value("lags.clean") == (flags.valid & flags.clean).sum() < report.value("lags.valid") == 34
    assert report.value("field.smallest") == 4 * 40 - 7
    assert report.value("field.longest_signal") < 40
    assert report.value("shot.error") > 0.1
    lags = [row[1] - row[0] + 1 for row in report.breakdowns["lags"].rows]
    assert sum(lags) == 140
    strip, plane = report.pictures().values()
    assert strip.count("<title>lags ") >= len(lags)
    assert "Correlation plane" in plane
    assert slipstick.correlate(40, 7).value("shot.error") < 1e-12
    depth = [slipstick.correlate(40, 7, readout="square_integrate", bits=0, depth=many) for many in (1, 16)]
    assert depth[0].value("shot.snr_converters") > 200 > depth[1].value("shot.snr_converters")
