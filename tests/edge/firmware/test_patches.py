"""A first stage in tiles computes the same bytes in a smaller arena."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tflite")
pytest.importorskip("numba")

from edge.small_networks import residual_network
from slipstick.core.catalogue import resolve_system
from slipstick.core.errors import SlipstickError
from slipstick.edge.firmware.firmware_build import build_firmware
from slipstick.edge.firmware.measured_run import run_firmware


def test_tiles_compute_the_same_bytes_in_a_smaller_arena() -> None:
    pytest.importorskip("ziglang")
    pytest.importorskip("unicorn")
    network, system = residual_network(), resolve_system("nucleo-f446")
    whole, tiled = (build_firmware(network, system, patches=patches) for patches in (False, True))
    assert tiled.arena.size < whole.arena.size
    assert {use.call.layer.kind for use in tiled.uses} >= {"copy", "conv", "depthwise", "add", "dense"}
    assert (tiled.vectors.outputs == whole.vectors.outputs).all()
    assert len(np.unique(whole.vectors.outputs)) > 4
    run = run_firmware(tiled)  # compares every byte with the runner of the whole network
    assert run.arena == tiled.arena.size
    assert tiled.code is not None
    assert abs(tiled.flash - run.flash) <= 0.02 * run.flash


def test_where_patches_save_nothing_the_network_stays_as_it_is() -> None:
    network = residual_network(3)
    whole, tiled = (build_firmware(network, resolve_system("pico"), patches=patches) for patches in (False, True))
    assert whole.arena.size == tiled.arena.size
    assert len(whole.uses) == len(tiled.uses)


def test_an_arena_too_large_says_what_patches_need() -> None:
    system = resolve_system("nucleo-f446")
    sram = system.memory["sram"].model_copy(update={"capacity": 16_000})
    board = system.model_copy(update={"memory": {**system.memory, "sram": sram}})
    needed = build_firmware(residual_network(64), system, patches=True, arena=16_200).arena.size
    with pytest.raises(SlipstickError, match=f"the arena needs .*; with patches {needed:,} B, more than the sram"):
        build_firmware(residual_network(64), board)
    with pytest.raises(SlipstickError, match=f"arena: the arena needs .*; with patches {needed:,} B.*allowed: from"):
        build_firmware(residual_network(64), system, arena=16_000)
