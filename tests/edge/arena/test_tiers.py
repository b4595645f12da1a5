"""Memory tiers: nothing overlaps, nothing is above its capacity, the busiest tensors are in the fastest memory."""

from __future__ import annotations

import random

import pytest

from slipstick.core.errors import SlipstickError
from slipstick.edge.arena.liveness import ArenaBlock
from slipstick.edge.arena.memory_tiers import MemoryTier, place_in_tiers

FAST, SLOW = MemoryTier("sram", 128, 0.0), MemoryTier("psram", 10_000, 1e-7)


@pytest.mark.parametrize("seed", range(20))
def test_places_do_not_overlap_and_fit(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311
    blocks = []
    for number in range(12):
        first = rng.randrange(8)
        blocks.append(ArenaBlock(f"b{number}", 4 * rng.randint(1, 16), first, rng.randrange(first, 8), number))
    places = place_in_tiers(blocks, [2.0 * block.size for block in blocks], (FAST, SLOW))
    for number, place in enumerate(places):
        tier = {"sram": FAST, "psram": SLOW}[place.tier]
        assert 0 <= place.offset <= tier.capacity - place.block.size
        assert place.stall == pytest.approx(place.traffic * tier.stall)
        for other in places[:number]:
            if other.tier == place.tier and other.block.meets(place.block):
                low, high = sorted((other, place), key=lambda place: place.offset)
                assert low.offset + low.block.size <= high.offset


def test_the_busiest_block_for_its_room_is_fast_and_a_move_is_priced() -> None:
    blocks = [ArenaBlock("idle", 100, 0, 9, 0), ArenaBlock("busy", 100, 0, 1, 1)]
    idle, busy = place_in_tiers(blocks, [200.0, 400.0], (SLOW, FAST))
    assert (idle.tier, busy.tier) == ("psram", "sram")
    assert idle.saved == pytest.approx(200.0 * 1e-7)
    assert busy.saved == 0.0


def test_a_block_without_a_home_is_an_error() -> None:
    with pytest.raises(SlipstickError, match="fits in no memory"):
        place_in_tiers([ArenaBlock("huge", 20_000, 0, 1, 0)], [1.0], (FAST, SLOW))
