"""Boards: the kind is found without an import, a board of one's own, wrong ones are refused, every board answers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import slipstick
from commands import ROOT
from slipstick import SlipstickError
from slipstick.core.catalogue import systems
from slipstick.edge.board import Board, sensor_parts
from slipstick.edge.core_table import cores
from slipstick.edge.latency.kernel_mixes import mix_for

SMALL = str(ROOT / "examples" / "data" / "small.tflite")
BOARDS = [name for name, system in systems.items() if system.device.kind == "board"]
OWN = """
name: my-board
device: {kind: board, core: cortex-m4, clock: 80 MHz, sensors: {eye: {kind: camera, capture: 20 ms, power: 0.1 W}}}
memory:
  sram: {capacity: 64 KiB, bandwidth: 320 MB/s}
  flash: {capacity: 256 KiB}
power: 20 mW
idle_power: 10 uW
price: 3 USD
source: "assumed: for a test"
"""


def test_the_kind_is_found_without_an_import() -> None:
    code = "from slipstick.core.catalogue import resolve_system as r; print(r('esp-eye').device.kind)"
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert asked.stdout.strip() == "board"


@pytest.mark.parametrize("name", BOARDS)
def test_every_board_has_a_core_kernels_and_an_answer(name: str) -> None:
    system = systems.entry(name)
    board = system.device_as(Board)
    core = cores.entry(board.core)
    assert mix_for("slipstick", core).shares
    assert system.power
    assert system.idle_power
    assert system.price
    report = slipstick.estimate(SMALL, name)
    assert 0 < report.value("time.inference") < 1
    assert report.value("energy.inference") == pytest.approx(report.value("time.inference") * system.power)


@pytest.mark.parametrize("core", [name for name, _ in cores.items()])
def test_a_core_has_cycles_of_every_class_that_a_mix_uses(core: str) -> None:
    entry = cores.entry(core)
    assert set(mix_for("slipstick", entry).shares) <= set(entry.cycles)
    assert all(cycles > 0 for cycles in entry.cycles.values())


def test_sensors_beside_a_board_have_sources() -> None:
    for _, part in sensor_parts.items():
        assert part.sensor.pins
        assert part.source_of("sensor.price")
    assert sensor_parts.entry("r503").sensor.capture == 0.2


def test_a_board_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "my-board.yaml"
    path.write_text(OWN)
    report = slipstick.estimate(SMALL, str(path))
    faster = slipstick.estimate(SMALL, str(path), set=["system.device.clock=160 MHz"])
    assert report.value("time.inference") == pytest.approx(2 * faster.value("time.inference"))
    changes = ["system.device.sense=[eye]", "system.device.period=10 s", "system.device.battery=7.5 Wh"]
    sensing = slipstick.estimate(SMALL, str(path), set=changes)
    time = sensing.value("time.inference")
    assert sensing.value("time.response") == pytest.approx(time + 0.02)
    power = (0.02 * (time + 0.02) + 10e-6 * (10 - time - 0.02) + 0.1 * 0.02) / 10
    assert sensing.value("battery.power") == pytest.approx(power)
    assert sensing.value("battery.life") == pytest.approx(27_000 / power)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"memory": {"sram": {"capacity": "64 KiB"}}}, "flash"),
        ({"device": {"kind": "board", "core": "cortex-m4", "clock": "1 MHz", "sense": ["ear"]}}, "ear"),
        ({"device": {"kind": "board", "core": "cortex-m4", "clok": "1 MHz"}}, "clok"),
    ],
)
def test_a_wrong_board_is_one_error(change: dict[str, object], message: str) -> None:
    spec = {
        "name": "b",
        "device": {"kind": "board", "core": "cortex-m4", "clock": "1 MHz"},
        "memory": {"sram": {"capacity": "64 KiB"}, "flash": {"capacity": "1 MiB"}},
    }
    with pytest.raises(SlipstickError, match=message):
        slipstick.system({**spec, **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("system.device.core=cortex-m99", "no such core"),
        ("system.device.kernels=nobody", "no such library of kernels"),
        ("system.device.kernels=esp-nn", "has no kernels for cortex-m4"),
        ("system.memory.flash.capacity=1 KiB", "of flash"),
        ("system.memory.sram.capacity=16 B", "for tensors"),
        ("plan.formats=nothing", "format"),
    ],
)
def test_what_does_not_fit_is_refused(change: str, message: str) -> None:
    with pytest.raises(SlipstickError, match=message):
        slipstick.estimate(SMALL, "nucleo-f446", set=[change])


def test_a_stranger_s_image_of_gigabytes_is_refused_before_its_windows_are_placed(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    sides, helper = 60_000, onnx.helper  # windows of the layer would be an array of 27 GiB
    values = [
        helper.make_tensor_value_info(name, 1, shape) for name, shape in (("x", [1, 3, sides, sides]), ("y", None))
    ]
    weights = helper.make_tensor("w", 1, [8, 3, 3, 3], [0.1] * 216)
    node = helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[3, 3], pads=[1] * 4)
    graph = helper.make_graph([node], "g", values[:1], values[1:], [weights])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), tmp_path / "huge.onnx")
    with pytest.raises(SlipstickError, match="GiB for tensors"):
        slipstick.estimate(tmp_path / "huge.onnx", "nucleo-f446")


def test_a_decoder_is_refused() -> None:
    with pytest.raises(SlipstickError, match="runs operator graphs"):
        slipstick.estimate("llama-3.1-8b", "esp-eye")
