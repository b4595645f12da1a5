"""Calls of `adapt` with its options by name, and torch modules held in formats: for tests of both."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import slipstick
from slipstick.compress.adapt_options import CalibrationImages, Retraining, ShiftSchedule
from slipstick.compress.layer_formats import _shared_sides, layer_formats
from slipstick.core.format import Format
from slipstick.report.report import Report
from slipstick.trained import open_network

GROUPS = {"calibration": CalibrationImages, "schedule": ShiftSchedule, "retraining": Retraining}


def adapt(network: Any, formats: str, data: Any, **options: Any) -> Report:
    """Call the verb with options of all three groups side by side; `normal` tells how bytes become inputs."""
    if "normal" in options:
        network = open_network(network, data, normal=options.pop("normal"))
    arguments: dict[str, Any] = {}
    for group, kind in GROUPS.items():
        names = {field.name for field in fields(kind)} & options.keys()
        arguments[group] = kind(**{name: options.pop(name) for name in names})
    return slipstick.adapt(network, formats, data, **arguments, **options)


def hold(net: Any, forms: dict[str, Format], *, sides: dict[str, Any] | None = None, policy: Any = "step") -> None:
    """Attach formats to a torch module in place, pools fitted to its weights as they are now."""
    from slipstick.trained.torch.torch_network import TorchNetwork
    from slipstick.training.parametrization import attach

    attach(net, forms, sides=_shared_sides(TorchNetwork("net", net), forms) | (sides or {}), policy=policy)


def attach_text(net: Any, formats: str, *, budget: int | None = None, policy: Any = "step") -> dict[str, Format]:
    """Hold a torch module in the formats that a line of text gives its layers."""
    from slipstick.trained.torch.torch_network import TorchNetwork

    forms = layer_formats(TorchNetwork("net", net), formats, budget=budget)
    hold(net, forms, policy=policy)
    return forms
