"""A stream gives, for each new row, what the whole network gives for the last rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tflite")
pytest.importorskip("numba")

from edge.small_networks import CHANNELS, ROWS, WIDTH, sound_network
from slipstick.core.catalogue import resolve_system
from slipstick.core.errors import SlipstickError
from slipstick.edge.emulator import Machine
from slipstick.edge.firmware.compiler import _tool_core
from slipstick.edge.firmware.firmware_build import build_firmware
from slipstick.edge.firmware.golden import _hashed_codes, _runner_outputs
from slipstick.edge.firmware.measured_run import _firmware_image, run_firmware
from slipstick.trained.integer.integer_network import IntegerNetwork

FRAME = WIDTH * CHANNELS


@pytest.mark.parametrize("board", ["nucleo-f446", "esp32-c3-devkitm"])
def test_each_new_row_gives_the_output_of_the_last_rows(board: str) -> None:
    pytest.importorskip("ziglang")
    pytest.importorskip("unicorn")
    system = resolve_system(board)
    whole, stream = (build_firmware(sound_network(), system, stream=stream) for stream in (False, True))
    tool = _tool_core(stream.target.core)
    assert tool is not None
    machine = Machine(_firmware_image(stream, tool))
    assert machine.image.symbols["state"][1] == stream.state
    rows = _hashed_codes(7, (ROWS + 6) * FRAME).reshape(-1, FRAME)
    outputs = []
    sink = machine.reserve(5)
    for row in rows:
        assert machine.call("network_run", machine.place(row), sink) == 0
        outputs.append(np.frombuffer(machine.read(sink, 5), np.int8))
    windows = np.stack([rows[at : at + ROWS].ravel() for at in range(7)])
    expected = _runner_outputs(whole.network, windows)
    assert (np.stack(outputs[ROWS - 1 :]) == expected).all()
    assert len(np.unique(expected)) > 10


def test_a_stream_costs_less_and_is_compared() -> None:
    pytest.importorskip("ziglang")
    pytest.importorskip("unicorn")
    system = resolve_system("nucleo-f446")
    whole, stream = (run_firmware(build_firmware(sound_network(), system, stream=s)) for s in (False, True))
    assert stream.compared["runner"] == whole.compared["runner"] == 10
    assert stream.instructions < whole.instructions / 2
    assert len(stream.by_layer) > len(whole.by_layer)  # copies into the state


@pytest.mark.parametrize("first", [{"stride": (2, 1)}, {"padding": "same"}])
def test_rows_that_do_not_go_one_by_one_are_refused(first: dict[str, object]) -> None:
    network = sound_network()
    conv = network.operators[0]
    changed = replace(conv, options=replace(conv.options, **first))  # type: ignore[arg-type]
    height = {"stride": 5, "padding": ROWS}[next(iter(first))]
    output = replace(network.tensors[conv.output], shape=(1, height, WIDTH - ("stride" in first), 8))
    tensors = tuple(output if place == conv.output else t for place, t in enumerate(network.tensors))
    other = IntegerNetwork("other", tensors, (changed,), network.input, conv.output)
    with pytest.raises(SlipstickError, match=r"operators\.0\.conv: has a stride or a padding along rows"):
        build_firmware(other, resolve_system("pico"), stream=True)
