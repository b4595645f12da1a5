"""`simulate` on an array: every layer's corner computed exactly, in the cycles of the closed form."""

from __future__ import annotations

import numpy as np
import pytest

import slipstick
from slipstick.array import bit_true_run
from slipstick.array.bit_true_run import MAX_FILTERS, MAX_GROUPS, MAX_PIXELS, LayerRun
from slipstick.core.errors import SlipstickError
from slipstick.report.report import Report


def layers(report: Report) -> tuple[LayerRun, ...]:
    runs: tuple[LayerRun, ...] = report.detail
    return runs


@pytest.mark.parametrize(
    ("system", "plan"),
    [
        ("swis-8x8", "formats=swis:3"),
        ("swis-8x8-double", "formats=swis:4;depthwise=int8"),
        ("swis-8x8", "formats=swis:2.5"),
    ],
)
def test_every_layer_is_exact_and_takes_the_cycles_of_the_closed_form(system: str, plan: str) -> None:
    report = slipstick.simulate("mobilenet-v2", system, plan)
    assert report.value("agreement.outputs") == 1.0
    assert report.value("agreement.cycles") == 1.0
    assert report["cycles.simulated"].how == "simulated"
    assert len(layers(report)) == len(report.breakdowns["layers"].rows) == 53
    for run in layers(report):
        product = run.cost.product
        assert run.cycles == run.closed_cycles > 0, product.name
        assert run.pixels == min(product.pixels, MAX_PIXELS)
        assert run.filters == min(product.filters, MAX_FILTERS)
        assert run.groups == min(-(-product.reduction // 4), MAX_GROUPS)
        assert run.outputs == run.exact == run.pixels * run.filters


def test_what_is_left_out_is_said() -> None:
    report = slipstick.simulate("resnet-18", "swis-8x8", "formats=swis:3")
    runs = layers(report)
    share = sum(run.steps for run in runs) / sum(run.cost.steps * run.cost.product.count for run in runs)
    assert report.value("work.share") == pytest.approx(share)
    assert 0.0 < share < 0.01
    assert f"{MAX_PIXELS} pixels" in report.title
    closed = slipstick.estimate("resnet-18", "swis-8x8", "formats=swis:3")
    assert report.value("cycles.network") == closed.value("cycles.step")


def test_fewer_shifts_take_fewer_cycles_and_the_same_seed_gives_the_same_report() -> None:
    few, many = (slipstick.simulate("resnet-8", "swis-8x8", f"formats=swis:{n}") for n in (2, 4))
    assert few.value("cycles.simulated") < many.value("cycles.simulated")
    assert few == slipstick.simulate("resnet-8", "swis-8x8", "formats=swis:2")


def test_a_wrong_product_would_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """The share of exact outputs is counted, not assumed."""
    right = bit_true_run._simulate_layer

    def wrong(*arguments: object, **options: object) -> object:
        result = right(*arguments, **options)  # type: ignore[arg-type]
        result.outputs[0, 0] += 1
        return result

    monkeypatch.setattr(bit_true_run, "_simulate_layer", wrong)
    report = slipstick.simulate("resnet-8", "swis-8x8", "formats=swis:3")
    missed = len(layers(report)) / sum(run.outputs for run in layers(report))
    assert report.value("agreement.outputs") == pytest.approx(1 - missed)
    assert np.isclose(report.breakdowns["layers"].rows[0][8], 1 - 1 / layers(report)[0].outputs)


@pytest.mark.parametrize(
    ("system", "asked", "said"),
    [
        ("stripes-8x8", {}, "not a SWIS element"),
        ("swis-8x8", {"set": {"system.device.dataflow": "ws"}}, "output stationary"),
        ("swis-8x8", {"phase": "train"}, "phase: not a phase"),
        ("swis-8x8", {"efficiency": 0.5}, "efficiency: not an option of `simulate`"),
        ("swis-8x8:2", {}, "system.devices: more devices"),
    ],
)
def test_what_cannot_be_simulated_is_said(system: str, asked: dict[str, object], said: str) -> None:
    with pytest.raises(SlipstickError, match=said):
        slipstick.simulate("resnet-8", system, **asked)  # type: ignore[arg-type]
