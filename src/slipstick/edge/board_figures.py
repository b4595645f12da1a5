"""Figures of a board that follow from the time of an inference: response, energy, battery life, price.

Estimated and measured times go through the same functions, so that their Reports can be compared path by path.
"""

from __future__ import annotations

from typing import Any

from slipstick.core.system import System
from slipstick.edge.board import Board
from slipstick.edge.latency.duty_cycle import _battery_life, _duty_power
from slipstick.report.metric import Metric


def board_figures(inference: Metric, system: System) -> dict[str, dict[str, Any]]:
    """Return the metrics that follow from the time of an inference, by group: time, throughput, energy, battery, price.

    `time` has the inference itself, and behind sensors (`device.sense`) their capture and the response. Energy needs
    the board's power, `battery` a period, and its life a battery: without them their metrics are missing, not zero.

    Parameters
    ----------
    inference : time of one inference [s], with its band.
    """
    board = system.device_as(Board)
    capture, joules = board.capture()
    time = {"inference": inference}
    if board.sense:
        stated = system.source_of("device.sensors")
        time |= {"capture": Metric(capture, "s", "given", stated), "response": _times(inference, 1.0, "s", capture)}
    samples = Metric(1.0 / inference.value, "sample/s", inference.how, inference.source)
    figures: dict[str, dict[str, Any]] = {"time": time, "throughput": {"samples": samples}}
    if system.power is not None:
        figures["energy"] = {"inference": _times(inference, system.power, "J")}
        figures |= _duty(inference.value, system, capture, joules)
    if system.price is not None:
        figures["price"] = {"board": Metric(system.price, "USD", "given", system.source_of("price"))}
    return figures


def _times(inference: Metric, factor: float, unit: str, delay: float = 0.0) -> Metric:
    """Return a multiple of a time with the same band, behind a delay in the result's unit."""
    low, high = (None if end is None else end * factor + delay for end in (inference.low, inference.high))
    value = inference.value * factor + delay
    return Metric(value, unit, inference.how, inference.source, inference.note, low, high)


def _duty(seconds: float, system: System, capture: float, joules: float) -> dict[str, Any]:
    """Return mean power and battery life under the board's duty cycle; nothing where it has none."""
    board = system.device_as(Board)
    if board.period is None or system.idle_power is None or system.power is None:
        return {}
    power = _duty_power(board.period, capture + seconds, system.power, system.idle_power, joules)
    source = f"active and idle power: {system.source_of('power')}; {system.source_of('idle_power')}"
    figures = {"power": Metric(power, "W", "estimated", source, "mean over the duty cycle")}
    if board.battery is not None:
        figures["life"] = Metric(_battery_life(board.battery, power), "s", "estimated", source, "losses not counted")
    return {"battery": figures}
