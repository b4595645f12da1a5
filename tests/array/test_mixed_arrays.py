"""Mixed arrays: alone, each is itself; layers are divided among them by format; the area is that of arrays at work."""

from __future__ import annotations

import pytest

import slipstick
from slipstick.array.mixed_arrays import MixedArrays
from slipstick.core.catalogue import systems
from slipstick.core.errors import SlipstickError
from slipstick.core.system import System

SC, ANALOG = "int8@stochastic:length=32", "int8@analog:rows=64,adc_bits=6"
FIGURES = ("time.step", "energy.step", "energy.on_chip", "dram.bytes", "area.multipliers")


def mixed(*arrays: str) -> System:
    system = systems.entry("mixed-arrays")
    return system.model_copy(update={"device": MixedArrays(arrays=arrays)})


@pytest.mark.parametrize(
    ("array", "formats"),
    [("int8-8x8", "int8"), ("swis-8x8", "swis:3;last=int8"), ("stochastic-256x64", SC), ("analog-128x128", ANALOG)],
)
def test_one_array_alone_is_itself(array: str, formats: str) -> None:
    own = slipstick.estimate("resnet-8", array, f"formats={formats}")
    alone = slipstick.estimate("resnet-8", mixed(array), f"formats={formats}")
    for path in FIGURES:
        assert (path in alone) == (path in own)
        if path in own:
            assert alone.value(path) == pytest.approx(own.value(path), rel=1e-9)


def test_each_layer_runs_on_an_array_of_its_format() -> None:
    formats = f"int8;layer1.*={SC};last={ANALOG}"
    report = slipstick.estimate(
        "resnet-8", mixed("int8-8x8", "stochastic-256x64", "analog-128x128"), f"formats={formats}"
    )
    taken = {row[0]: row[3] for row in report.breakdowns["ops"].rows}
    assert {array for name, array in taken.items() if str(name).startswith("layer1.")} == {"stochastic-256x64"}
    assert list(taken.values())[-1] == "analog-128x128"
    assert set(taken.values()) == {"int8-8x8", "stochastic-256x64", "analog-128x128"}
    assert "area.multipliers" not in report  # a converter's is not known
    digital = slipstick.estimate("resnet-8", mixed("int8-8x8", "stochastic-256x64"), "formats=int8")
    assert digital.value("area.multipliers") == slipstick.estimate("resnet-8", "int8-8x8").value("area.multipliers")


def test_of_two_arrays_the_one_that_spends_less_takes_a_layer() -> None:
    both = slipstick.estimate("resnet-8", mixed("int8-8x8", "swis-8x8"), "formats=swis:2")
    each = [
        slipstick.estimate("resnet-8", name, "formats=swis:2").value("energy.step") for name in ("int8-8x8", "swis-8x8")
    ]
    assert both.value("energy.step") <= min(each) * (1 + 1e-9)


def test_what_no_array_multiplies_is_one_error() -> None:
    with pytest.raises(
        SlipstickError, match=r"none of the arrays multiplies it \(int8-8x8: parallel elements multiply by"
    ):
        slipstick.estimate("resnet-8", mixed("int8-8x8"), f"formats={SC}")
    with pytest.raises(SlipstickError, match="no array; got 'pico'"):
        slipstick.estimate("resnet-8", mixed("pico"), "formats=int8")
