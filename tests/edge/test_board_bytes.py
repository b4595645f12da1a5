"""Flash and arena of an estimate are those of the firmware, before anything is compiled."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("tflite")
pytest.importorskip("numba")

import slipstick
from commands import ROOT
from edge.firmware.test_arena_plan import branching_network
from shared_data import SHARED
from slipstick.core.catalogue import resolve_system
from slipstick.edge.firmware.firmware_build import build_firmware
from slipstick.edge.kernel_outline import _sides
from slipstick.trained.integer.integer_graph import _integer_graph
from slipstick.trained.tflite.tflite_file import read_tflite

TINY, MOBILE = SHARED / "data" / "mlperf_tiny_models", SHARED / "data" / "mobilenet_tflite"
FILES = {  # file -> how far flash and arena may be off
    ROOT / "examples" / "data" / "small.tflite": (0.12, 0.25),  # a toy; graphs have no call for a padding
    TINY / "vww_96_int8.tflite": (0.02, 0.0),
    TINY / "ad01_int8.tflite": (0.02, 0.0),
    TINY / "kws_ref_model.tflite": (0.02, 0.0),
    TINY / "str_ww_ref_model.tflite": (0.02, 0.0),
    TINY / "pretrainedResnet_quant.tflite": (0.02, 0.0),
    MOBILE / "mobilenet_v1_0.25_128_quant.tflite": (0.08, 0.05),  # weights with a zero point, which no estimate knows
}
BOARDS = ("nucleo-h743", "nucleo-f207", "esp32-c3-devkitm")


@pytest.mark.parametrize("path", [path for path in FILES if path.exists()], ids=lambda path: path.stem)
def test_flash_and_arena_are_those_of_the_firmware(path: Path) -> None:
    network, (flash, arena) = read_tflite(path), FILES[path]
    for board in BOARDS:
        firmware, report = build_firmware(network, resolve_system(board)), slipstick.estimate(path, board)
        assert report.value("memory.flash") == pytest.approx(firmware.flash, rel=flash), board
        assert report.value("memory.arena") == pytest.approx(firmware.arena.size, rel=arena), board


def test_branches_take_the_order_of_the_smaller_arena() -> None:
    network = branching_network()
    report = slipstick.estimate(_integer_graph(network), "nucleo-f446")
    firmware = build_firmware(network, resolve_system("nucleo-f446"))
    assert report.value("memory.arena") == pytest.approx(firmware.arena.size, rel=0.02)


def test_kernels_of_others_have_no_scratch_of_ours() -> None:
    board = resolve_system("nucleo-f446")
    other = board.model_copy(update={"device": board.device.model_copy(update={"kernels": "cmsis-nn"})})
    ours, theirs = (slipstick.estimate("resnet-14", system) for system in (board, other))
    assert "memory.structs" not in theirs.metrics
    assert theirs.value("memory.arena") > ours.value("memory.arena")


@pytest.mark.parametrize(("pixels", "sides"), [(1, (1, 1)), (36, (6, 6)), (125, (25, 5)), (7, (7, 1))])
def test_images_are_as_square_as_their_pixels_allow(pixels: int, sides: tuple[int, int]) -> None:
    assert _sides(pixels) == sides
