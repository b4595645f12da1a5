"""What mypy and editors see of `slipstick`: checked by mypy with the rest (``files`` in pyproject.toml), never run."""

from __future__ import annotations

from typing import assert_type

import slipstick
from slipstick.exploration.frontier import Frontier
from slipstick.report.comparison import Comparison


def public_types() -> None:
    """Fail where a verb's answer is Any: `assert_type` accepts nothing but the very type."""
    report = slipstick.estimate("llama-3.1-8b", "h100-sxm-80gb:8", "tp=8", batch=8, set={"plan.pp": 1})
    assert_type(report, slipstick.Report)
    assert_type(slipstick.simulate("resnet-50", "dgx1-v100", efficiency=0.5), slipstick.Report)
    assert_type(slipstick.place("resnet-18", "dgx1-v100:2", forwarding="store"), slipstick.Report)
    assert_type(slipstick.correlate(64, 5), slipstick.Report)
    assert_type(slipstick.hybrid("inception-v3", "dgx1-v100:2..8", critical_batch=64.0), slipstick.Report)
    assert_type(slipstick.ops("llama-3.1-8b", phase="decode"), slipstick.Report)
    assert_type(slipstick.validate("swis"), slipstick.Report)
    assert_type(slipstick.calibrate("rows.csv"), slipstick.Report)
    assert_type(slipstick.cite(report), slipstick.Report)
    assert_type(slipstick.list("systems"), slipstick.Report)
    assert_type(slipstick.show("h100-sxm-80gb"), slipstick.Report)
    assert_type(slipstick.adapt("net.onnx", "swis:3", "digits"), slipstick.Report)
    assert_type(slipstick.measure("net.onnx", "digits"), slipstick.Report)
    assert_type(slipstick.emit("net.tflite", "nucleo-f446"), slipstick.Report)
    assert_type(slipstick.train("mlp", "digits"), slipstick.Report)
    assert_type(slipstick.epochs("mlp"), slipstick.Report)
    assert_type(slipstick.compare(report, report), Comparison)
    assert_type(slipstick.search("llama-3.1-8b", "h100-sxm:8", minimize="time"), Frontier)
    slipstick.estimate("llama-3.1-8b", "h100-sxm-80gb:8", bacth=8)  # type: ignore[call-arg]
