"""`emit`, and `measure` on a board: what users ask, and one error for each thing that is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from commands import ROOT, Result
from trained.tflite_writer import small

pytest.importorskip("tflite")
pytest.importorskip("numba")

from slipstick import emit, estimate, measure
from slipstick.core.errors import SlipstickError
from slipstick.report.report import Report

Cli = Callable[..., Result]
SMALL = ROOT / "examples" / "data" / "small.tflite"


def test_the_report_knows_flash_and_arena_without_a_compiler() -> None:
    report = emit(SMALL, "nucleo-f446")
    assert report["memory.arena"].how == "counted"
    assert report.value("memory.flash") == sum(
        report.value(f"memory.{part}") for part in ("weights", "structs", "code")
    )
    assert Report.from_json(report.json()) == report
    assert report.breakdowns["layers"].rows[0][1] == "conv"


def test_a_run_compares_and_counts(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("ziglang")
    pytest.importorskip("unicorn")
    done = cli("emit", SMALL, "--board", "nucleo-f446", "--out", tmp_path / "out", "--run", "--json")
    assert done.code == 0, done.err
    metrics = json.loads(done.out)["metrics"]
    assert metrics["memory"]["linked_arena"]["value"] == metrics["memory"]["arena"]["value"]
    assert metrics["equal"]["runner"]["value"] > 0
    counts = [row[6] for row in json.loads(done.out)["breakdowns"]["layers"]["rows"]]
    total = metrics["work"]["instructions"]["value"]
    assert 0 < total - sum(counts) < 0.05 * total
    counted = measure(SMALL, board="nucleo-f446")
    assert counted.value("work.instructions") == total
    assert (tmp_path / "out" / "src" / "network.c").is_file()


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (("nothing.tflite", "--board", "nucleo-f446"), "no such file"),
        ((SMALL, "--board", "nucleo-f447"), "did you mean 'nucleo-f4"),
        ((SMALL, "--board", "h100"), "which `emit` does not answer for"),
        ((SMALL, "--board", "nucleo-f446", "--out", SMALL), "not a folder"),
        ((SMALL, "--board", "nucleo-f446", "--out", ROOT / "docs"), "holds files already"),
        ((SMALL, "--board", "esp-eye", "--run"), "no compiler and emulator by pip for xtensa-lx6"),
    ],
)
def test_each_fault_is_one_message(cli: Cli, tokens: tuple[object, ...], words: str) -> None:
    done = cli("emit", *tokens)
    assert done.code == 2
    assert done.out == ""
    assert words in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_a_network_in_real_numbers_needs_calibration_data(cli: Cli, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(SlipstickError, match=r"quantising needs calibration data.*--data NAME"):
        emit(torch.nn.Linear(4, 2), "nucleo-f446", tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_fault_behind_the_folder_leaves_nothing(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "net.tflite").write_bytes(small("int8"))
    done = cli(
        "emit", tmp_path / "net.tflite", "--board", "nucleo-f446", "--out", tmp_path / "a" / "b", "--html", tmp_path
    )
    assert done.code == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.tflite"]


def test_weights_of_shared_shifts_are_stored_packed() -> None:
    pytest.importorskip("ziglang")
    pytest.importorskip("unicorn")
    plain, packed = emit(SMALL, "pico", run=True), emit(SMALL, "pico", formats="swis:2;depthwise=int8", run=True)
    assert packed.value("memory.weights") < 0.9 * plain.value("memory.weights")  # biases and scalings stay
    assert packed.value("equal.runner") == plain.value("equal.runner")
    assert [row[2] for row in packed.breakdowns["layers"].rows if row[1] == "dense"] == ["nn_dense_swis"]


def test_estimate_and_measure_are_subtracted(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("ziglang")
    pytest.importorskip("unicorn")
    duty = {
        "base": "nucleo-f446",
        "name": "duty",
        "device": {"period": "60 s", "battery": "7.5 Wh"},
        "source": "assumed",
    }
    (tmp_path / "duty.yaml").write_text(json.dumps(duty), "utf-8")
    estimated = estimate(SMALL, tmp_path / "duty.yaml")
    measured = measure(SMALL, board=tmp_path / "duty.yaml")
    rows = {row.path: row for row in estimated.diff(measured).rows}
    assert {"time.inference", "throughput.samples", "energy.inference", "battery.power", "battery.life"} <= rows.keys()
    assert {
        "work.macs",
        "work.instructions",
        "memory.peak",
        "memory.flash",
        "memory.code",
        "price.board",
    } <= rows.keys()
    assert rows["work.macs"].difference == 0
    ratio = rows["time.inference"].ratio
    assert ratio is not None
    assert rows["energy.inference"].ratio == pytest.approx(ratio)
    assert (rows["battery.life"].difference < 0) == (ratio > 1)
    time = measured["time.inference"]
    assert (time.low or 0.0) < time.value < (time.high or 0.0)
    for name, report in (("e", estimated), ("m", measured)):
        (tmp_path / f"{name}.json").write_text(report.json(), "utf-8")
    done = cli("compare", tmp_path / "e.json", tmp_path / "m.json")
    assert done.code == 0, done.err
    assert "memory stack" in done.out
    assert f"({ratio:.2f} x)" in done.out


def test_a_network_in_real_numbers_is_quantised_on_data() -> None:
    pytest.importorskip("ziglang")
    pytest.importorskip("unicorn")
    pytest.importorskip("torch")
    from slipstick.datasets import data_set
    from slipstick.trained.torch import module

    digits = data_set("digits")
    net = module("mlp", digits)
    report = measure(net, digits, "int4:axis=0", images=50, board="pico")
    assert report.value("equal.runner") > 0
    assert report.value("quantised.sqnr") > 25
    assert report.value("accuracy.change") == report.value("accuracy.top1") - report.value("accuracy.real")
    assert report.inputs["data"] == "digits"
    assert len(report.detail) == 50
    assert [row[2] for row in report.breakdowns["layers"].rows] == ["nn_dense_int4"] * 2
    assert Report.from_json(report.json()) == report
    plain = emit(net, "pico", data=digits)
    assert plain.value("memory.weights") > 1.5 * report.value("memory.weights")
