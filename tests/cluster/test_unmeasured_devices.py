"""Generic constants of devices that nobody measured: what they miss measured devices by, and the band that says so."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from commands import ROOT
from slipstick.cluster.constants.error_bands import error_bands
from slipstick.cluster.constants.matmul import kernel_constants

FORMATS = ("bf16", "fp8", "nvfp4")
MEASURED = "gemm_measured.csv"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """Return the script that fits the generic constants and calculates the bands."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        return importlib.import_module("uncalibrated")


def test_formats_of_a_generic_device_differ_by_their_element_alone() -> None:
    sets = {name: kernel_constants.entry("generic").formats[name].model_dump() for name in FORMATS}
    own = {"fill", "sag", "quantise_launch", "quantise_rate", "quantise_reads"}
    for name in sets["bf16"].keys() - own:
        assert len({constants[name] for constants in sets.values()}) == 1, name
    elements = {"bf16": 2.0, "fp8": 1.0, "nvfp4": 0.5625}  # bytes
    loads = [sets[name]["fill"] * elements[name] for name in FORMATS]
    assert loads == pytest.approx([loads[0]] * 3, rel=1e-3)
    passes = [sets[name]["quantise_launch"] / sets[name]["quantise_reads"] for name in ("fp8", "nvfp4")]
    assert passes[0] == pytest.approx(passes[1], rel=1e-3)


@pytest.mark.parametrize("name", FORMATS)
def test_generic_efficiencies_are_within_what_hardware_reaches(name: str) -> None:
    constants = kernel_constants.entry("generic").formats[name]
    tile = constants.largest_tile / (constants.largest_tile + constants.half_area)
    assert 0.5 <= constants.efficiency * (1 - constants.sag) * tile <= 0.85  # of the data sheet, in long products
    assert 0.6 <= constants.dram <= 0.95
    assert constants.split < 10e-6  # the degenerate fit of one generation had 112 us


def test_generic_constants_miss_every_measured_format_by_less_than_a_quarter(
    reference: Path, script: ModuleType
) -> None:
    """Constants of four-bit products that were one generation's degenerate fit missed other devices by 50 to 158 %."""
    generic = kernel_constants.entry("generic").formats
    for group in script.groups(reference / MEASURED):
        error = np.abs(group.ratio(generic[group.format]) - 1).mean()
        assert error <= 0.25, (group.generation, group.format)


def test_a_generation_left_out_is_missed_by_what_the_band_says(reference: Path, script: ModuleType) -> None:
    """Blackwell, answered by a coarse fit on the three others: its four-bit products too, which no other device has."""
    measured = script.groups(reference / MEASURED)
    others = script.joint([group for group in measured if group.generation != "blackwell"], every=40)
    left_out = [group for group in measured if group.generation == "blackwell"]
    assert {group.format for group in left_out} == set(FORMATS)
    band = error_bands.entry("gemm")
    for group in left_out:
        ratio = group.ratio(others[group.format])
        assert np.abs(ratio - 1).mean() <= 0.30, group.format
        assert ((1 / ratio >= band.low) & (1 / ratio <= band.high)).mean() >= 0.6, group.format
    everything = np.concatenate([1 / group.ratio(others[group.format]) for group in left_out])
    assert ((everything >= band.low) & (everything <= band.high)).mean() >= 0.75


def test_quantiles_give_every_generation_the_same_weight(script: ModuleType) -> None:
    many, few = np.full(1000, 1.0), np.array([2.0])
    assert script.quantile([many, few], 0.4) == 1.0
    assert script.quantile([many, few], 0.6) == 2.0
    assert script.quantile([np.array([3.0, 1.0, 2.0])], 0.5) == 2.0


def test_a_band_is_the_tenth_and_ninetieth_percentile(script: ModuleType) -> None:
    band = script.band("demo", {"a": np.linspace(0.01, 1.0, 100)})
    assert (band["low"], band["high"], band["rows"]) == (0.1, 0.9, 100)
