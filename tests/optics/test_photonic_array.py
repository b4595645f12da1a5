"""Albireo: every power and area of its published table, layers by hand, and what its mapping leaves idle."""

from __future__ import annotations

import pytest

import slipstick
from slipstick.core.errors import SlipstickError
from slipstick.optics.photonic_array import PhotonicArray

# Watts, as Albireo's table III is reproduced by CiMLoop (seen), printed to two decimals.
TABLE = {
    "conservative": {"mrr": 7.52, "mzm": 3.45, "laser": 2.36, "tia": 0.14, "dac": 7.93, "adc": 1.31, "cache": 0.03},
    "moderate": {"mrr": 0.94, "mzm": 0.43, "laser": 0.09, "tia": 0.07, "dac": 3.98, "adc": 0.65, "cache": 0.03},
    "aggressive": {"mrr": 0.38, "mzm": 0.17, "laser": 0.12, "tia": 0.01, "dac": 0.80, "adc": 0.13, "cache": 0.03},
}
SUMS = {"conservative": 22.74, "moderate": 6.19, "aggressive": 1.64}
DIGIT = 0.0050001  # W: half of the last decimal that is printed
SHARES = {"awg": 72, "star_coupler": 17, "laser": 6, "mzm": 3.7, "mrr": 0.8, "adc": 0.4, "photodiode": 0.2, "tia": 0.1}


def array(variant: str) -> PhotonicArray:
    return slipstick.system(f"albireo-{variant}").device_as(PhotonicArray)


@pytest.mark.parametrize("variant", TABLE)
def test_powers_of_the_table(variant: str) -> None:
    """Within 1 %, or within the rounding of the printed decimals where these are coarser."""
    power = array(variant).power_parts
    assert set(power) == set(TABLE[variant])
    for part, watts in TABLE[variant].items():
        assert power[part] == pytest.approx(watts, rel=0.01, abs=DIGIT), part
    assert sum(power.values()) == pytest.approx(SUMS[variant], rel=0.01)


def test_area_and_its_shares() -> None:
    """124.6 mm2 within 1 %; the printed shares add up to 100.4 %, so each is asked to its own printed digits."""
    area = array("moderate").area_parts
    assert sum(area.values()) == pytest.approx(124.6e-6, rel=0.01)
    for part, share in SHARES.items():
        assert 100 * area[part] / 124.6e-6 == pytest.approx(share, rel=0.005, abs=0.05), part


def test_layers_by_hand() -> None:
    """Second convolution of VGG-16: 8 x 9 filters, 22 x 9 channels and columns, 224 rows of 45 x 5 outputs."""
    report = slipstick.estimate("vgg-16", "albireo-conservative", set={"system.device.dense": "skip"})
    layers = report.breakdowns["ops"].rows
    assert layers[1][3] == 8 * 22 * 224 * 45
    assert layers[0][3] == 8 * 1 * 224 * 45
    assert report.value("time.step") == pytest.approx(sum(float(str(row[3])) for row in layers) / 5e9)


def test_strides_pointwise_and_dense_layers_leave_products_idle() -> None:
    """Products used: all but rounding at 3x3, two of three rows at stride 2, one of three at 1x1, one output dense."""
    rows = slipstick.estimate("resnet-18", "albireo-moderate").breakdowns["ops"].rows
    used = {row[0]: float(str(row[5])) for row in rows}
    kinds = {row[0]: row[1] for row in rows}
    assert used["layer1.0.conv1"] > 0.8
    assert used["layer2.0.conv1"] < 0.55
    assert used["layer2.0.downsample.0"] < 1 / 3
    assert max(value for name, value in used.items() if kinds[name] == "dense") <= 1 / 5


def test_peak_use_is_a_bound() -> None:
    for network in ("alexnet", "vgg-16", "resnet-18", "mobilenet-v2"):
        mapped, peak = (
            slipstick.estimate(network, "albireo-moderate", set={"system.device.mapping": way})
            for way in ("mapped", "peak")
        )
        assert peak.value("time.step") < mapped.value("time.step")
        assert peak.value("time.step") == pytest.approx(peak.value("work.macs") / (1215 * 5e9))
        assert peak.value("efficiency.utilisation") == pytest.approx(1)


def test_parts_that_are_missing_or_unknown_are_one_error() -> None:
    spec = slipstick.system("albireo-moderate").model_dump()
    spec["device"]["parts"].pop("tia")
    spec["device"]["parts"]["tai"] = {"power": 0.1, "area": 1e-9}
    with pytest.raises(SlipstickError, match=r"tia missing.*tai unknown"):
        slipstick.system(spec)
