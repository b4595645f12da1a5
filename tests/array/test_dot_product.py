"""Dot-product arrays: a layer written out by hand, what costs nothing, and formats that are not theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

import slipstick
from slipstick.array.dot_product_array import DotProductArray
from slipstick.array.dot_product_layer import _dot_product_layer
from slipstick.array.matrix_products import Product
from slipstick.core.errors import SlipstickError
from slipstick.core.system import System
from slipstick.engines.question import find_system
from slipstick.formats import format_of
from slipstick.formats.multipliers.find_multiplier import find_multiplier
from slipstick.formats.multipliers.multiplier_facts import multiplier_facts

SYSTEM = "analog-128x128"


def _system(**fields: object) -> System:
    system = find_system(SYSTEM)
    return system.model_copy(update={"device": system.device_as(DotProductArray).model_copy(update=fields)})


def test_a_layer_written_out_by_hand() -> None:
    product = Product("conv", "conv", 256, 576, 64, 64 * 256, 64 * 256, taps=9)
    form = format_of("int8@analog:rows=128,adc_bits=8,columns=separate")
    layer = _dot_product_layer(product, form, _system(arrays=3, sharing=4))
    # 576 inputs fill 4.5 arrays of 128 rows, 64 filters of two columns one array of 128 columns: 5 arrays on 3, twice
    assert layer.cycles == 2 * 256 * 4
    assert layer.used == pytest.approx(576 * 64 * 2 * 256 / (2 * 256 * 128 * 128 * 3))
    cost = form.arithmetic.cost(form.encoding)
    assert cost.joules is not None
    assert layer.products == pytest.approx(256 * 64 * 5 * 128 * cost.joules)  # rows that are empty are converted too
    assert layer.sram["outputs"] - layer.traffic.outputs == 256 * 64 * 9 * 4  # five parts written, four of them read
    assert layer.sram["inputs"] - layer.traffic.inputs == 256 * 576


def test_small_layers_are_copied_to_idle_arrays() -> None:
    product = Product("conv", "conv", 256, 64, 16, 16 * 256, 16 * 256)
    form = format_of("int8@analog:rows=128")
    once, copied = (_dot_product_layer(product, form, _system(arrays=count)).cycles for count in (1, 8))
    assert once == 8 * copied


def test_reports_have_energy_time_and_area_where_it_is_known() -> None:
    report = slipstick.estimate("resnet-8", SYSTEM)
    assert report.value("work.macs") == slipstick.estimate("resnet-8", "int8-8x8").value("work.macs")
    parts = [metric.value for path, metric in report.flat().items() if path.startswith("energy.parts")]
    assert report.value("energy.step") == pytest.approx(sum(parts))
    assert "area.multipliers" not in report  # the area of a converter is not known
    layers = report.breakdowns["ops"].rows
    assert report.value("cycles.step") >= sum(float(str(row[4])) for row in layers)


def test_the_energy_of_a_table_of_unknown_power_is_unknown(tmp_path: Path) -> None:
    """An own table says no power: its energy is no figure, neither zero nor an exact multiplier's; facts give it."""
    table, facts = tmp_path / "own.csv", tmp_path / "own.yaml"
    find_multiplier("mul8s_1L2H").write(table)
    plan = f"formats=int8@{table}"
    unknown, published = (slipstick.estimate("resnet-8", "approximate-16x16", plan=text) for text in (plan, None))
    assert "energy.step" in published
    assert not {"energy.step", "energy.sample", "energy.on_chip", "energy.parts.products"} & set(unknown.flat())
    assert unknown.value("energy.memories") == pytest.approx(
        published.value("energy.step") - published.value("energy.parts.products")
    )
    assert unknown.value("time.step") == published.value("time.step")
    assert {row[-1] for row in unknown.breakdowns["ops"].rows} == {None}
    assert "energy unknown" in unknown.table()
    (power,) = (multiplier_facts.entry(name).power for name in ("mul8s_1L2H",))
    facts.write_text(f"bits: 8\noperands: signed\ntable: own.csv\npower: {power} W\nsource: own\n", "utf-8")
    again = slipstick.estimate("resnet-8", "approximate-16x16", plan=f"formats=int8@{facts}")
    assert again.value("energy.step") == pytest.approx(published.value("energy.step"))
    mixed = slipstick.estimate("resnet-8", "approximate-16x16", plan=f"formats=last=int8@{table}")
    assert "energy.step" not in mixed
    assert "of 1 layers" in next(f.message for f in mixed.warnings if f.check == "energy_unknown")


def test_formats_of_layers_mix_and_those_of_other_hardware_are_refused() -> None:
    plan = "formats=first=int8@analog:rows=27,adc_bits=6"
    mixed = slipstick.estimate("resnet-8", SYSTEM, plan=plan)
    assert mixed.value("energy.parts.products") < slipstick.estimate("resnet-8", SYSTEM).value("energy.parts.products")
    with pytest.raises(SlipstickError, match="multipliers are analog ones; got 'int4'"):
        slipstick.estimate("resnet-8", SYSTEM, plan="formats=int4")
    with pytest.raises(SlipstickError, match="no such arithmetic"):
        _ = slipstick.estimate("resnet-8", SYSTEM, set={"system.device.format": "int8@nonsense"})


def test_streams_take_two_cycles_a_bit_and_layers_larger_than_a_column_are_named() -> None:
    short, long = (
        slipstick.estimate("resnet-8", "stochastic-256x64", plan=f"formats=int8@stochastic:length={length}")
        for length in (32, 64)
    )
    layers = [report.breakdowns["ops"].rows for report in (short, long)]
    assert [float(str(row[4])) for row in layers[1]] == [2 * float(str(row[4])) for row in layers[0]]
    assert short.value("area.multipliers") == long.value("area.multipliers") > 0
    assert [finding.check for finding in short.warnings if finding.check == "sums_in_parts"] == ["sums_in_parts"]
