"""Every network of the catalogue, and one of each way to describe one, pass the shipped suite."""

from __future__ import annotations

from commands import ROOT
from slipstick.networks import presets
from slipstick.testing import NetworkSuite


class TestPresets(NetworkSuite):
    networks = tuple(presets.names())


class TestFiles(NetworkSuite):
    networks = (
        ROOT / "examples" / "configs" / "Qwen--Qwen3-8B" / "config.json",
        ROOT / "examples" / "data" / "small.tflite",
        {"name": "thin", "graph": "resnet", "block": "basic", "blocks": [1, 1, 1, 1]},
    )
