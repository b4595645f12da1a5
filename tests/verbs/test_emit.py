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

from slipstick import emit, measure
from slipstick.core.errors import SlipstickError
from slipstick.report.report import Report

Cli = Callable[..., Result]
SMALL = ROOT / "examples" / "data" / "small.tflite"


def test_the_report_knows_flash_and_arena_without_a_compiler() -> None:
    report = emit(SMALL, "nucleo-f446")
    assert report["arena.size"].how == "counted"
    assert report.value("flash.predicted") == sum(
        report.value(f"flash.{part}") for part in ("weights", "structs", "code")
    )
    assert Report.from_json(report.json()) == report
    assert report.breakdowns["layers"].rows[0][1] == "conv"


def test_a_run_compares_and_counts(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("ziglang")
    pytest.importorskip("unicorn")
    done = cli("emit", SMALL, "--board", "nucleo-f446", "--out", tmp_path / "out", "--run", "--json")
    assert done.code == 0, done.err
    metrics = json.loads(done.out)["metrics"]
    assert metrics["arena"]["linked"]["value"] == metrics["arena"]["size"]["value"]
    assert metrics["equal"]["runner"]["value"] > 0
    counts = [row[6] for row in json.loads(done.out)["breakdowns"]["layers"]["rows"]]
    total = metrics["instructions"]["total"]["value"]
    assert 0 < total - sum(counts) < 0.05 * total
    counted = measure(SMALL, board="nucleo-f446")
    assert counted.value("instructions.total") == total
    assert (tmp_path / "out" / "src" / "network.c").is_file()


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (("nothing.tflite", "--board", "nucleo-f446"), "no such file"),
        ((SMALL, "--board", "nucleo-f447"), "did you mean 'nucleo-f4"),
        ((SMALL, "--board", "h100"), "is no board"),
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
    assert packed.value("flash.weights") < 0.9 * plain.value("flash.weights")  # biases and scalings stay
    assert packed.value("equal.runner") == plain.value("equal.runner")
    assert [row[2] for row in packed.breakdowns["layers"].rows if row[1] == "dense"] == ["nn_dense_swis"]
