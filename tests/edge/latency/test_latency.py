"""Latency of boards: closed forms by hand, calibrations as the rows give them, one board left out, formats, tiers."""

from __future__ import annotations

from statistics import median

import pytest

import slipstick
from commands import ROOT
from slipstick.edge.core_table import cores
from slipstick.edge.latency.board_cycles import _FlashPath
from slipstick.edge.latency.kernel_mixes import _cycles_per_instruction, _layer_instructions, kernel_mixes, mix_for
from slipstick.edge.latency.layer_work import LayerWork, _work_of
from slipstick.edge.latency.measured_time import measured_time
from slipstick.edge.latency.published_latency import fitted_calibration, latency_rows, left_out
from slipstick.formats import format_of

SMALL = str(ROOT / "examples" / "data" / "small.tflite")
CONV = LayerWork("conv", "conv", 2_359_296.0, 8192.0, 8192.0, 32, 288, 9)


def test_instructions_of_a_layer_by_hand() -> None:
    mix = mix_for("cmsis-nn", cores.entry("cortex-m4"))
    assert _layer_instructions(CONV, mix, format_of("int8").encoding) == pytest.approx(
        1.736 * 2_359_296 + 91.3 * 8192 + 200
    )
    counted = 4_543_905  # of arm_convolve_s8 in the emulator
    assert _layer_instructions(CONV, mix, format_of("int8").encoding) == pytest.approx(counted, rel=0.08)


@pytest.mark.parametrize(
    ("core", "channels", "counted"),
    [
        ("cortex-m4", 32, 825_430), ("cortex-m4", 64, 2_391_886), ("cortex-m3", 32, 1_060_080),
        ("cortex-m3", 64, 2_834_488), ("esp32-c3", 32, 1_930_430), ("esp32-c3", 64, 5_019_903),
        ("cortex-m0plus", 64, 11_664_087),
    ],
)  # fmt: skip
def test_pools_are_as_counted(core: str, channels: int, counted: float) -> None:
    """The closed form of pools is within 8 % of the counts that it was derived from."""
    elements = 256.0 * channels
    work = LayerWork("conv", "conv", elements * 9 * channels, elements, elements, channels, 9 * channels, 9)
    mix = mix_for("slipstick", cores.entry(core))
    pool = format_of("pool:size=64").encoding
    assert _layer_instructions(work, mix, pool) == pytest.approx(counted, rel=0.08)


@pytest.mark.parametrize(("core", "counted"), [("cortex-m4", 629_175), ("cortex-m3", 853_183)])
def test_pools_of_stride_2_are_counted_at_their_input_pixels(core: str, counted: float) -> None:
    work = LayerWork("conv", "conv", 64.0 * 64 * 288, 64.0 * 64, 256.0 * 32, 64, 288, 9)  # 16x16x32 to 8x8x64
    pool = format_of("pool:size=64").encoding
    assert _layer_instructions(work, mix_for("slipstick", cores.entry(core)), pool) == pytest.approx(counted, rel=0.08)


def test_cycles_follow_the_table_of_the_core() -> None:
    assert _cycles_per_instruction({"load": 1.0, "simd": 1.0}, cores.entry("cortex-m4")) == pytest.approx(1.25)
    assert _cycles_per_instruction({"alu": 1.0}, cores.entry("cortex-m7")) == pytest.approx(1 / 1.55)


def test_merged_operations_are_one_call() -> None:
    works = _work_of(slipstick.network("mobilenet-v2").ops(slipstick.Phase.INFER, 1, 1, 1))
    kinds = [work.kind for work in works]
    assert (kinds.count("depthwise"), kinds.count("add"), kinds.count("dense"), kinds.count("pool")) == (17, 10, 1, 1)
    assert sum(work.macs for work in works) == 300_774_272


@pytest.mark.parametrize("name", kernel_mixes.names())
def test_calibrations_are_what_the_rows_give(name: str) -> None:
    mix = kernel_mixes.entry(name)
    fit = fitted_calibration(mix)
    if fit is None:
        assert "stand-in" in mix.source_of("calibration")
    else:
        assert (mix.calibration, mix.low, mix.high) == pytest.approx(fit, abs=6e-4)
    assert mix.low <= 1 <= mix.high


def test_one_board_left_out_is_within_a_quarter() -> None:
    predictions = left_out()
    held_out = [prediction for prediction in predictions if prediction.boards]
    assert len(held_out) >= 50
    assert len({prediction.row.board for prediction in held_out}) >= 9
    assert median(abs(prediction.error) for prediction in held_out) <= 0.25
    assert median(abs(prediction.error) for prediction in predictions) <= 0.25


def test_rows_of_a_board_do_not_predict_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that is ten times slower changes the predictions of other boards alone."""
    before = {prediction.row.name: prediction.predicted for prediction in left_out()}
    slow = {
        name: row.model_copy(update={"time": row.time * 10 if row.board == "DISCO_F746NG" else row.time})
        for name, row in latency_rows.items()
    }
    monkeypatch.setattr(latency_rows, "items", lambda: iter(slow.items()))
    after = {prediction.row.name: prediction.predicted for prediction in left_out()}
    own = [name for name, row in slow.items() if row.board == "DISCO_F746NG"]
    assert own
    assert all(after[name] == before[name] for name in own)
    assert after["u585-plumerai-vww"] > before["u585-plumerai-vww"]


def test_a_flash_outside_is_waited_for_if_the_cache_is_small() -> None:
    assert _FlashPath(1e6, None).stall(5000.0, 10.0) == 0.0
    assert _FlashPath(1e6, 8192.0).stall(5000.0, 10.0) == pytest.approx(5e-3)
    assert _FlashPath(1e6, 1024.0).stall(5000.0, 10.0) == pytest.approx(50e-3)
    assert _FlashPath(1e6, 1024.0).stall(5000.0, 0.25) == pytest.approx(5e-3)


def test_formats_change_flash_and_time() -> None:
    reports = {text: slipstick.estimate("resnet-14", "nucleo-f446", plan=f"formats={text}") for text in (
        "int8", "int4", "pool:size=64,index_bits=6", "pool:size=256", "binary",
    )}  # fmt: skip
    flash = {text: report.value("memory.weights") for text, report in reports.items()}
    assert flash["int4"] < 0.6 * flash["int8"]
    assert flash["int8"] / flash["pool:size=64,index_bits=6"] > 4  # first and last layer stay int8
    times = {text: report.value("time.inference") for text, report in reports.items()}
    assert times["int8"] < times["int4"]
    assert flash["int8"] / flash["binary"] > 5  # a bit a weight; scales and biases stay
    assert times["pool:size=256"] <= times["int4"] == times["binary"]  # unpacked, where tables cost more
    counted = 24_425_361 / 13_594_421  # instructions of the same geometry: benchmarks/edge_kernels.py --only network
    assert times["int8"] / times["pool:size=64,index_bits=6"] == pytest.approx(counted, rel=0.08)


def test_a_network_above_the_fast_memory_waits_for_the_slow_one() -> None:
    report = slipstick.estimate("resnet-8", "esp-eye", set=["system.device.arena_limit=20 kB"])
    table = report.breakdowns["tensors"]
    places = {row[2] for row in table.rows}
    assert places == {"sram", "psram"}
    stall = sum(float(row[5]) for row in table.rows)  # type: ignore[arg-type]
    assert report.value("time.parts.waiting_for_tensors") == pytest.approx(stall)
    assert "arena" in report.pictures()


def test_a_report_of_calibrated_kernels_is_not_uncalibrated() -> None:
    report = slipstick.estimate(SMALL, "nucleo-f446", set=["system.device.kernels=cmsis-nn"])
    assert report.calibration == ""
    assert "calibrated on data/edge_rows.yaml" in report["time.inference"].source


def test_measured_instructions_take_the_cycles_of_their_classes() -> None:
    system = slipstick.system("nucleo-f446")
    mix = mix_for("slipstick", cores.entry("cortex-m4"))
    time = measured_time({"smlad": 1_000_000, "ldr": 400_000, "bne": 100_000, "ldm.w": 10_000}, system)
    cycles = 1_000_000 + 400_000 * 1.5 + 100_000 * 2.6 + 10_000 * 5
    assert time.value == pytest.approx(cycles * mix.calibration / 180e6)
    assert time.low is not None
    assert time.low < time.value


def test_weights_that_are_waited_for_are_listed_by_what_a_copy_saves() -> None:
    report = slipstick.estimate("resnet-14", "pico", set=["system.device.cache=4 KiB"])
    rows = report.breakdowns["weights in flash"].rows
    assert sum(float(row[2] or 0) for row in rows) == pytest.approx(report.value("time.parts.waiting_for_weights"))
    gains = [float(row[3] or 0) for row in rows]
    assert gains == sorted(gains, reverse=True)
    room = 264 * 1024 - report.value("memory.arena")
    assert all(row[4] == (float(row[1] or 0) <= room) for row in rows)
    assert "weights in flash" not in slipstick.estimate("resnet-14", "nucleo-f446").breakdowns
