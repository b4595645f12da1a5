"""`estimate`: bounds that no machine beats, figures that agree with each other, defaults said out loud, strictness."""

from __future__ import annotations

from typing import Any

import pytest

import slipstick
from slipstick.core.device_kinds import Accelerator
from slipstick.core.errors import SlipstickError

SYSTEMS = ("h100-sxm-80gb:8", "a100-sxm-80gb:8", "mi300x:8")


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("network", ["llama-3.1-8b", "gpt-7.5b"])
def test_training_takes_at_least_six_operations_a_parameter_and_token(network: str, system: str) -> None:
    """Forward 2 and backward 4 FLOP a weight and token (Narayanan et al. 2104.04473), at no more than the peak rate."""
    report = slipstick.estimate(network, system, "tp=8", batch=8, sequence=2048)
    assert isinstance(report, slipstick.Report)
    device = slipstick.system(system).device_as(Accelerator)
    weights = slipstick.network(network)
    least = 6 * (weights.parameters - weights.vocabulary * weights.hidden) * 8 * 2048 / (8 * device.matrix["bf16"])
    assert report.value("time.step") > least
    assert 0.05 < least / report.value("time.step") < report.value("efficiency.mfu") * 1.3


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_token_is_read_no_faster_than_the_weights_stream(system: str) -> None:
    """Decoding one sequence reads every weight once: bytes over the bandwidth of all devices is a lower bound."""
    report = slipstick.estimate("llama-3.1-8b", system, "tp=8", phase="decode", batch=1, sequence=512)
    weights, memory = slipstick.network("llama-3.1-8b"), slipstick.system(system).main_memory
    read = 2 * (weights.parameters - weights.vocabulary * weights.hidden)  # an embedding is looked up
    assert memory.bandwidth is not None
    assert report.value("time.step") > read / 8 / memory.bandwidth


@pytest.mark.parametrize(
    ("workload", "system", "options"),
    [
        ("llama-3.1-8b", "h100-sxm-80gb:8", {"batch": 16}),
        ("resnet-50", "h100-sxm-80gb:8", {"batch": 256}),
        ("resnet-18", "swis-8x8", {"batch": 4}),
    ],
)
def test_figures_agree_with_each_other(workload: str, system: str, options: dict[str, int]) -> None:
    """Parts sum to their totals, the rate is batch over time, and text and HTML show the bottleneck."""
    report = slipstick.estimate(workload, system, **options)  # type: ignore[arg-type]
    flat = {path: metric.value for path, metric in report.flat().items()}
    assert flat["throughput.samples"] * flat["time.step"] == pytest.approx(options["batch"])
    for group, total in (("time", "time.step"), ("energy", "energy.step"), ("memory", "memory.peak")):
        parts = [value for path, value in flat.items() if path.startswith(f"{group}.parts.")]
        assert not parts or sum(parts) == pytest.approx(flat[total])
    assert report.bottleneck
    assert report.bottleneck in " ".join(report.table().split())


def test_what_the_user_left_open_is_said() -> None:
    rows = {row[0]: row[1:] for row in slipstick.estimate("llama-3.1-8b", "h100:8").breakdowns["question"].rows}
    assert rows["batch"] == (8, "default")
    assert rows["plan tp"][1] == "auto"
    given = slipstick.estimate("llama-3.1-8b", "h100:8", "tp=4", batch=16).breakdowns["question"].rows
    assert {row[0]: row[2] for row in given}["plan tp"] == "given"


def test_what_no_planner_chooses_is_said_to_be_assumed_or_off() -> None:
    """Effective values, never `auto`, and an origin that is true: software is assumed, options of memory are off."""
    rows = {
        row[0]: row[1:]
        for row in slipstick.estimate("llama-3.1-8b", "h100:8", "matmul=fp8").breakdowns["question"].rows
    }
    assert all(value != "auto" for value, _ in rows.values())
    assert rows["plan matmul"] == ("fp8", "given")
    assert rows["plan weights"] == ("bf16", "as activations")  # training keeps them as activations, whatever multiplies
    assert rows["plan head"] == ("bf16", "as activations")
    assert rows["plan gradients"] == ("fp32", "assumed")
    assert rows["plan fused"] == ("true", "assumed")
    assert rows["plan dp_tier"] == ("by rank order", "default")
    assert {rows[f"plan offload_{name}"] for name in ("weights", "activations", "optimizer")} == {
        ("false", "off unless given")
    }
    options = {"phase": "decode", "batch": 8}
    served = slipstick.estimate("llama-3.1-8b", "h100:8", "matmul=fp8,kv_cache=fp8", **options)  # type: ignore[arg-type]
    rows = {row[0]: row[1:] for row in served.breakdowns["question"].rows}
    assert rows["plan weights"] == ("fp8", "as matmul")
    assert rows["plan kv_cache"] == ("fp8", "given")
    assert not {"plan offload_weights", "plan zero", "plan recompute", "plan dp_overlap"} & rows.keys(), "of training"
    with pytest.raises(SlipstickError, match="does not read it for a decoder"):
        slipstick.estimate("llama-3.1-8b", "h100:8", "zero=3", **options)  # type: ignore[arg-type]
    assert rows["plan acceptance"] == (0.7, "assumed")
    assert rows["plan draft_tokens"] == (0, "off unless given")
    off = slipstick.estimate("llama-3.1-8b", "h100:8", "others=off,tp=8", batch=8).breakdowns["question"].rows
    assert {row[0]: row[2] for row in off}["plan zero"] == "others=off"


def test_where_nothing_fits_offloading_that_does_is_named() -> None:
    report = slipstick.estimate("llama-3.1-70b", "h100-sxm-80gb:8", batch=8)
    cure = report.warnings[-1].message.rpartition(": ")[2]
    assert cure == "offload_optimizer=true"
    assert not slipstick.estimate("llama-3.1-70b", "h100-sxm-80gb:8", cure, batch=8).warnings
    none = slipstick.estimate("llama-3.1-70b", "h100-sxm-80gb:4", batch=8)  # its gradients alone do not fit
    assert "offload" not in none.warnings[-1].message


def test_strict_refuses_findings_and_nothing_else() -> None:
    asked = ("llama-3.1-70b", "h100-sxm-80gb", "tp=1")
    assert [finding.check for finding in slipstick.estimate(*asked).warnings] == ["memory_fits", "plan_fits"]
    with pytest.raises(SlipstickError, match="findings and strict is set"):
        slipstick.estimate(*asked, strict=True)
    fitting = ("resnet-18", "swis-8x8")
    assert slipstick.estimate(*fitting, strict=True) == slipstick.estimate(*fitting)


def test_a_run_larger_than_any_measured_one_says_so() -> None:
    small, large = (
        slipstick.estimate("llama-3.1-8b", f"dgx-h100:{devices}", batch=2048, sequence=8192) for devices in (1024, 2048)
    )
    assert "scale_beyond_measurements" not in [finding.check for finding in small.warnings]
    (finding,) = [finding for finding in large.warnings if finding.check == "scale_beyond_measurements"]
    assert "2,048 devices" in finding.message
    assert "1,024" in finding.message


def test_what_cannot_be_asked_is_refused() -> None:
    with pytest.raises(SlipstickError, match=r"did you mean 'llama-3\.1-8b'"):
        slipstick.estimate("llama-3.1-8", "h100")
    with pytest.raises(SlipstickError, match="did you mean"):
        slipstick.estimate("llama-3.1-8b", "h100-smx")
    with pytest.raises(SlipstickError, match=r"plan\.parallel\.tp"):
        slipstick.estimate("llama-3.1-8b", "h100:64", "tp=64")


@pytest.mark.parametrize(
    ("network", "system", "plan", "options"),
    [
        ("llama-3.1-8b", "h100-sxm:16", None, {"batch": 64}),
        ("llama-3.1-70b", "h100-sxm:64", "matmul=fp8", {"batch": 64}),
        ("llama-3.1-70b", "h100-sxm:64", "others=off,tp=8,pp=auto,zero=1", {"batch": 64}),
        ("mixtral-8x7b", "h100-sxm:32", None, {"batch": 64}),
        ("deepseek-v3", "h200-sxm:8", "tp=8,kv_cache=fp8", {"phase": "decode", "batch": 64}),
        ("llama-3.1-70b", "h100-sxm:16", "tp=4,prefill_devices=auto", {"phase": "decode", "batch": 64}),
    ],
)
def test_the_printed_plan_pasted_gives_the_same_figures(
    network: str, system: str, plan: str | None, options: dict[str, Any]
) -> None:
    chosen = slipstick.estimate(network, system, plan, **options)
    (line,) = [line for line in chosen.table(2000).splitlines() if line.startswith("the same plan: --plan ")]
    pasted = line.removeprefix("the same plan: --plan ")
    again = slipstick.estimate(network, system, pasted, **options)
    assert again.plan_text == ""  # nothing was left to choose
    assert {path: metric.value for path, metric in again.flat().items()} == {
        path: metric.value for path, metric in chosen.flat().items()
    }
    assert f"<code>--plan {pasted}</code>" in chosen.html()
