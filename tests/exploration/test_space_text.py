"""Spaces in one line of text: systems by pattern, formats with commas of their own, fields of a plan, errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import slipstick
from commands import ROOT
from slipstick import SlipstickError
from slipstick.core.catalogue import systems
from slipstick.datasets.images import DataSet, Images
from slipstick.exploration.space_text import read_space

BOARDS = [name for name, system in systems.items() if system.device.kind == "board"]


def test_a_star_is_every_board_and_nothing_else() -> None:
    assert list(read_space("board=*").systems) == BOARDS
    assert read_space("board=nucleo-*|pico").systems == (*(n for n in BOARDS if n.startswith("nucleo")), "pico")
    assert read_space("system=swis-8x8|pico,board=pico").systems == ("swis-8x8", "pico")


def test_commas_of_a_format_stay_in_it() -> None:
    text = "board=pico,format=int8|pool:size=64,vector=8|swis:3,group=8,workload.batch=1|2"
    assert read_space(text).plan == {"formats": "int8|pool:size=64,vector=8|swis:3,group=8"}
    assert read_space(text).fields == {"workload.batch": "1|2"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("boad=*", "no key of a space"), ("board=", "without values"), ("board=zz*", "fits no board"),
        ("format=int8,format=int4", "stands twice"), ("board=swis*", "fits no board"),
    ],
)  # fmt: skip
def test_what_is_no_space_is_refused(text: str, message: str) -> None:
    with pytest.raises(SlipstickError, match=message):
        read_space(text)


def test_a_search_over_boards_and_formats() -> None:
    frontier = slipstick.search(
        "resnet-8", space="board=pico*|nucleo-f4*|nucleo-f103,format=int8|pool:size=32",
        minimize="price,time", subject_to="price < 16 USD and time.inference < 2 s",
    )  # fmt: skip
    names = set(frontier.pareto["system"].to_list())
    assert names <= {"pico", "pico-2", "pico-2-riscv", "nucleo-f411", "nucleo-f446"}  # an arena of 34 KiB, 20 of memory
    assert frontier.best().value("memory.arena") == 34816  # the firmware's
    prices = [systems.entry(name).price for name in names]
    assert max(price or 0 for price in prices) < 16


def test_a_space_and_a_plan_must_not_meet() -> None:
    with pytest.raises(SlipstickError, match="stands twice"):
        slipstick.search("resnet-8", space="board=pico,format=int8", plan="formats=int4", minimize="time")


def test_accuracies_from_a_table_are_a_figure(tmp_path: Path) -> None:
    table = tmp_path / "accuracies.csv"
    table.write_text("format,accuracy\nint8,0.9\npool: size=32,0.88\n")
    frontier = slipstick.search(
        "resnet-8", space="board=pico|nucleo-f446,format=int8|int4|pool:size=32", accuracies=table,
        minimize="price,accuracy",
    )  # fmt: skip
    rows = {(row["system"], row["plan.formats.layers"]) for row in frontier.pareto.to_dicts()}
    assert rows == {("pico", "int8")}  # the cheapest and the best; int4 is not in the table
    assert frontier.best().value("accuracy.top1") == 0.9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "no table of accuracies"), ("format,accuracy\nint8,much\n", "no number"),
        ("format,accuracy\nint8,87\n", "no share"), ("format,accuracy\nint4,0.5\n", "no accuracy in the table"),
    ],
)  # fmt: skip
def test_a_wrong_table_of_accuracies_is_one_error(text: str, message: str, tmp_path: Path) -> None:
    table = tmp_path / "accuracies.csv"
    table.write_text(text)
    with pytest.raises(SlipstickError, match=message):
        slipstick.estimate("resnet-8", "pico", accuracies=str(table))


@pytest.mark.parametrize(
    ("space", "subject_to", "message"),
    [
        ("board=pico,format=int8", "price < 15", r"a value without its unit; got '15'; allowed: such as 15 USD"),
        ("board=pico,format=int8", "time.inference < 200 and price < 15 USD", "got '200'; allowed: such as 200 ms"),
        ("board=pico,format=int8", "energy.inference < 5 ms", "a unit of time, not of energy"),
        ("board=pico,format=int8", "accuracy > 0.8", r"is not known without measuring; .*allowed: a data set"),
        ("board=pico,format=int8|intx", "", "'intx'"),
        ("board=pico,format=int8", "price 15 USD", "not a comparison"),
    ],
)  # fmt: skip
def test_a_condition_or_format_that_is_none_is_one_error(space: str, subject_to: str, message: str) -> None:
    with pytest.raises(SlipstickError, match=message):
        slipstick.search("resnet-8", space=space, subject_to=subject_to)


def test_kinds_of_devices_are_keys_of_a_space() -> None:
    arrays = [name for name, system in systems.items() if system.device.kind == "array"]
    assert list(read_space("array=*,format=int8").systems) == arrays


def test_boards_are_weighed_by_price_latency_energy_and_memory() -> None:
    frontier = slipstick.search(
        "resnet-8", space="board=*,format=int8|int4|pool:size=64|swis:3",
        subject_to="price < 15 USD and time.inference < 200 ms",
    )  # fmt: skip
    assert [goal.path for goal in frontier.objectives] == [
        "price", "time.inference", "energy.inference", "memory.peak", "memory.flash",
    ]  # fmt: skip
    for row in frontier.points.to_dicts():
        assert row["price"] < 15
        assert row["time.inference"] < 0.2
    best = {row["plan.formats.layers"] for row in frontier.pareto.to_dicts()}
    assert "pool:size=64" in best  # the least flash
    assert [goal.path for goal in slipstick.search("mobilenet-v2", "swis-8x8").objectives] == ["time.sample"]


def test_accuracies_are_measured_on_a_data_set() -> None:
    pytest.importorskip("tflite")
    pytest.importorskip("numba")
    images = Images(np.random.default_rng(0).integers(0, 256, (40, 9, 8, 3)).astype(np.uint8), np.arange(40) % 5)
    data = DataSet("drawn", images, images, ("a", "b", "c", "d", "e"))
    small = str(ROOT / "examples" / "data" / "small.tflite")
    space = "board=pico*|nucleo-f446,format=int8|int4|round:1|pool:size=64"
    frontier = slipstick.search(small, space=space, data=data)
    assert "left out, as accuracy cannot be measured: pool:size=64 (keeps no whole numbers" in frontier.method
    assert "accuracy.top1" in [goal.path for goal in frontier.objectives]
    rows = frontier.points.to_dicts()
    assert {row["plan.formats.layers"] for row in rows} == {"int8", "int4", "round:1"}
    for row in rows:
        wanted = slipstick.measure(small, data, row["plan.formats.layers"])["accuracy.top1"]
        assert row["accuracy.top1"] == wanted.value
    assert frontier.best("accuracy")["accuracy.top1"].how == "measured"
    assert "Metric(" not in str(frontier)
    with pytest.raises(SlipstickError, match="measured on a network with weights, and this one has sizes alone"):
        slipstick.search("resnet-8", space=space, data=data)
    with pytest.raises(SlipstickError, match="accuracies: stands beside a data set"):
        slipstick.search(small, space=space, data=data, accuracies={"int8": 0.5})
