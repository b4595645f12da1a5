"""What each figure of a report rests on, and the error band of devices that nobody measured."""

from __future__ import annotations

import json
from typing import Any

import pytest

import slipstick
from slipstick.cluster.constants.error_bands import _ErrorBand, error_bands
from slipstick.cluster.constants.model_constants import _ModelConstants, model_constants
from slipstick.cluster.kernels.chip import Chip
from slipstick.cluster.kernels.figure_origins import calibration_text
from slipstick.cluster.kernels.gemm import _gemm
from slipstick.core.catalogue import Entry, resolve_system, systems
from slipstick.report.report import Metric, Report

PLAN = "others=off,tp=8"
QUESTIONS: list[tuple[str, dict[str, Any]]] = [
    ("train", {"plan": PLAN, "batch": 8, "training_tokens": 1e9}),
    ("prefill", {"plan": PLAN, "batch": 2}),
    ("decode", {"plan": PLAN, "batch": 2}),
]


def estimate(system: str, phase: str, **options: Any) -> Report:
    return slipstick.estimate("llama-3.1-8b", system, phase=phase, **options)


@pytest.mark.parametrize(("phase", "options"), QUESTIONS)
@pytest.mark.parametrize("system", ["h100-sxm-80gb:8", "mi300x:8"])
def test_every_figure_says_what_it_rests_on(system: str, phase: str, options: dict[str, Any]) -> None:
    report = estimate(system, phase, **options)
    for path, metric in report.flat().items():
        assert metric.source, path
        if path.startswith(("energy.", "cost.", "run.energy", "run.cost", "memory.")):
            assert "kernels calibrated" not in metric.source, path
    assert report["memory.peak"].how == "counted"
    assert report["memory.capacity"].how == "given"
    assert report["memory.reserve"].source != report["memory.peak"].source
    assert report["throughput.tokens"].source == report["efficiency.mfu"].source
    assert "idle_power: " in report["energy.token"].source
    assert "price: " in report["cost.million_tokens"].source


def test_times_of_a_measured_device_name_the_rows_behind_its_kernels_and_count_what_is_assumed() -> None:
    source = estimate("h100-sxm-80gb:8", "train", plan=PLAN)["time.step"].source
    assert "hopper kernels calibrated on gemm_measured.csv" in source
    assert "assumed" in source
    assert "nvlink4 calibrated, infiniband not calibrated" in source


def test_a_format_that_nobody_measured_on_a_measured_generation_is_named() -> None:
    def source(form: str) -> str:
        return estimate("h100-sxm-80gb:8", "prefill", plan=f"{PLAN},matmul={form}")["time.first_token"].source

    assert "no int8 product" in source("int8")
    assert "no fp8 product" not in source("fp8")


def test_a_price_or_rent_that_the_user_sets_is_no_longer_the_catalogue_s() -> None:
    priced = estimate("h100-sxm-80gb", "prefill", set={"system.price": "20000 USD"})["cost.million_tokens"]
    rented = estimate("h100-sxm-80gb", "prefill", set={"system.rent": "2.5 USD"})["cost.million_tokens"]
    assert "price: set by the user" in priced.source
    assert "rent: set by the user" in rented.source
    assert "price" not in rented.source


def test_measured_devices_have_no_band_and_no_mark() -> None:
    report = estimate("h100-sxm-80gb:8", "train", plan=PLAN)
    assert report.calibration == ""
    assert all(metric.low is None for metric in report.flat().values())
    assert "uncalibrated" not in str(report)
    assert "uncalibrated" not in report.html()


@pytest.mark.parametrize(("phase", "options"), QUESTIONS)
def test_unmeasured_devices_are_marked_and_their_times_rates_and_costs_have_the_band(
    phase: str, options: dict[str, Any]
) -> None:
    report = estimate("mi300x:8", phase, **options)
    band = error_bands.entry(phase)
    step = report["time.first_token" if phase == "prefill" else "time.step"]
    assert (step.low, step.high) == band.around(step.value, rate=False)
    rate, cost = report["throughput.tokens"], report["cost.million_tokens"]
    assert (rate.low, rate.high) == band.around(rate.value, rate=True)
    assert (cost.low, cost.high) == band.around(cost.value, rate=False)
    assert report["efficiency.mfu"].high is not None
    for path in ("memory.peak", "memory.capacity", "energy.token"):
        assert report[path].low is None
    assert not any(metric.low for path, metric in report.flat().items() if ".parts." in path)
    assert "uncalibrated" in str(report)
    assert f"({step.band_text})" in str(report)
    assert step.band_text in report.html()
    leaf = json.loads(report.json())["metrics"]["throughput"]["tokens"]
    assert (leaf["low"], leaf["high"]) == (rate.low, rate.high)
    assert Report.from_json(report.json()) == report


def test_a_share_ends_at_one() -> None:
    report = slipstick.estimate("llama-3.1-8b", "mi300x", phase="decode", batch=1)
    for metric in report.flat().values():
        if metric.unit == "fraction" and metric.high is not None:
            assert metric.value <= metric.high <= max(1.0, metric.value)


def test_the_first_token_of_served_requests_has_the_band_of_prompts() -> None:
    first = estimate("mi300x:8", "decode", plan=PLAN)["time.first_token"]
    assert (first.low, first.high) == error_bands.entry("prefill").around(first.value, rate=False)


def test_operator_graphs_of_unmeasured_devices_are_marked_too() -> None:
    report = slipstick.estimate("resnet-50", "mi300x", phase="infer")
    assert report.calibration == "uncalibrated"
    assert "none calibrated" in report["time.step"].source
    trained = slipstick.estimate("resnet-50", "h100-sxm-80gb:8", phase="train", batch=64)
    assert all(metric.source for metric in trained.flat().values())


def test_a_user_s_own_measurements_take_the_mark_away() -> None:
    system = resolve_system("mi300x")
    own = system.model_copy(update={"calibration": system.calibration.model_copy(update={"source": "my rows"})})
    assert calibration_text(own, "train") == ""
    assert "scaled to measured rows: my rows" in estimate(own, "train")["time.step"].source  # type: ignore[arg-type]


def test_comparison_and_search_mark_the_unmeasured_device() -> None:
    compared = slipstick.compare(
        estimate("h100-sxm-80gb:8", "train", plan=PLAN), estimate("mi300x:8", "train", plan=PLAN)
    )
    assert json.loads(compared.json())["calibration"] == ["", "uncalibrated"]
    assert "uncalibrated" in str(compared)
    assert "uncalibrated" in compared.html()
    found = slipstick.search(
        "llama-3.1-8b", "h100-sxm-80gb:8", "mi300x:8", plan="others=off,tp=1|8", minimize=["time", "price"]
    )
    marks = {point["system"]: point["calibration"] for point in json.loads(found.json())["frontier"]}
    assert any("uncalibrated" in mark for mark in marks.values())
    assert all(("uncalibrated" in mark) == ("mi300x" in system) for system, mark in marks.items())
    assert "uncalibrated" in str(found)
    assert "uncalibrated" in found.html()


def test_systems_are_marked_by_their_generation_alone() -> None:
    marked = {name for name, system in systems.items() if calibration_text(system, "train")}
    assert {"mi300x", "gaudi3", "tpu-v5p", "v100-sxm2-32gb"} <= marked
    assert not marked & {"dgx-h100", "a100-sxm-80gb", "l40s", "gb200-nvl72", "swis-8x8"}


@pytest.mark.parametrize(
    "fields", [{"low": 1.0}, {"high": 1.0}, {"low": 2.0, "high": 3.0}, {"low": float("nan"), "high": 3.0}]
)
def test_a_band_has_two_ends_with_the_value_between_them(fields: dict[str, float]) -> None:
    with pytest.raises(slipstick.SlipstickError, match="band"):
        Metric(1.0, "s", "estimated", **fields)


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        (Metric(12.3e-3, "s", "estimated", low=9.1e-3, high=16.04e-3), "12.3 ms (9.1 to 16)"),
        (Metric(900e-6, "s", "estimated", low=800e-6, high=1.2e-3), "900 us (800 us to 1.2 ms)"),
        (Metric(0.5, "fraction", "estimated", low=0.25, high=0.75), "50 % (25 to 75)"),
        (Metric(3.0, "", "estimated", low=2.0, high=4.0), "3 (2 to 4)"),
        (Metric(3.0, "s", "estimated"), "3 s"),
    ],
)
def test_a_figure_is_printed_with_its_band(metric: Metric, text: str) -> None:
    assert metric.text == text


@pytest.mark.parametrize("kind", error_bands.names())
def test_every_band_holds_the_estimate_and_says_where_it_is_from(kind: str) -> None:
    band: _ErrorBand = error_bands.entry(kind)
    assert band.low < band.high
    assert band.source.startswith("calculated: ")
    low, high = band.around(10.0, rate=True)
    assert low <= 10.0 <= high


def test_every_model_constant_has_its_reason() -> None:
    constants = model_constants.entry("cluster")
    names = set(_ModelConstants.model_fields) - set(Entry.model_fields)
    assert set(constants.sources) == names
    assert all(
        s.startswith(("assumed", "by hand", "calibrated", "counted", "derived", "published"))
        for s in constants.sources.values()
    )


OWN = {
    "name": "own",
    "device": {
        "kind": "accelerator",
        "cores": 64,
        "clock": "1.2 GHz",
        "matrix": {"fp32": "20 TFLOP/s", "bf16": "200 TFLOP/s", "fp8": "400 TFLOP/s", "nvfp4": "800 TFLOP/s"},
        "vector": {"fp32": "10 TFLOP/s"},
    },
    "memory": {"hbm": {"capacity": "64 GiB", "bandwidth": "1.6 TB/s"}},
}


def test_every_format_of_a_device_of_one_s_own_takes_its_rate_from_the_data_sheet() -> None:
    """A long prompt is bound by compute: each format reaches about the same share of its own rate."""
    shares = []
    for form in ("bf16", "fp8", "nvfp4"):
        chip = Chip.of(resolve_system(OWN))
        size = 16384
        time = float(_gemm((size, size, size), format=form, chip=chip).time)
        shares.append(2.0 * size**3 / time / chip.peak[form])
    assert max(shares) / min(shares) < 1.35
    assert all(0.5 <= share <= 0.95 for share in shares)


def test_a_device_without_16_bit_products_computes_attention_at_its_next_wider_rate() -> None:
    narrow = {**OWN, "device": {**OWN["device"], "matrix": {"fp32": "20 TFLOP/s", "int8": "400 TOP/s"}}}  # type: ignore[dict-item]
    report = slipstick.estimate("llama-3.1-8b", narrow, "others=off,matmul=int8,activations=fp32", phase="prefill")
    assert report["time.first_token"].value > 0
    assert Chip.of(resolve_system(narrow)).attention_peak == 20e12


def test_waits_of_a_queue_have_no_band_and_its_rate_is_the_user_s() -> None:
    report = estimate("mi300x:8", "decode", plan=PLAN, rate="5/s")
    assert report["load.rate"].how == "given"
    assert report["time.per_token"].low is not None
    for path in ("time.queue.mean", "time.queue.p99", "load.copies", "cost.device_hour"):
        assert report[path].low is None


def test_the_best_points_of_a_search_are_marked_too() -> None:
    found = slipstick.search("llama-3.1-8b", "mi300x:8", plan="others=off,tp=1|8", minimize="time")
    assert all(point["calibration"].startswith("uncalibrated: ") for point in json.loads(found.json())["top"])
    assert "calibration" in [column.name for column in found.top().columns]
    measured = slipstick.search("llama-3.1-8b", "h100-sxm-80gb:8", plan="others=off,tp=1|8", minimize="time")
    assert "calibration" not in [column.name for column in measured.top().columns]


def test_the_picture_of_a_serving_search_marks_the_unmeasured_device() -> None:
    found = slipstick.search(
        "llama-3.1-8b", "h100-sxm-80gb:8", "mi300x:8", phase="decode", batch=16, plan="others=off,tp=4|8",
        minimize="time.per_token",
    )  # fmt: skip
    picture = found.pictures()["serving"]
    assert "mi300x:8 (uncalibrated)" in picture
    assert "h100-sxm-80gb:8 (uncalibrated)" not in picture
