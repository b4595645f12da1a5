"""The cost of one layer against walks that know the definitions alone: cycles, words, bytes, orders of tiles."""

from __future__ import annotations

import math

import numpy as np
import pytest

from slipstick.array.dram_traffic import _dram_traffic, _DramTraffic, compulsory
from slipstick.array.format_steps import _array_arithmetic
from slipstick.array.layer_cost import LayerCost, _bytes_a_cycle, _layer_cost, _move_bytes
from slipstick.array.matrix_products import Product, _Move
from slipstick.array.weight_formats import _StoredWeights
from slipstick.core.catalogue import resolve_system
from slipstick.core.device_kinds import Array
from slipstick.core.spec import override
from slipstick.core.system import System

RNG = np.random.default_rng(21)


def machine(**changes: object) -> System:
    return override(resolve_system("swis-8x8"), {key.replace("__", "."): value for key, value in changes.items()})


def fold_cycles(product: Product, shifts: list[int], array: Array) -> list[tuple[int, int]]:
    """Return (stream, fill) of every fold of one group, walked one after the other."""
    cycles = [int(count) for count in _array_arithmetic(array).cycles(shifts)]
    steps, folds = math.ceil(product.reduction / array.group), []
    fill = array.rows + array.columns - 2 + (0 if array.dataflow == "os" else array.rows)
    if array.dataflow == "is":
        for _ in range(0, steps, array.rows):
            for _ in range(0, product.pixels, array.columns):
                folds.append((sum(cycles), fill))
        return folds
    for left in range(0, product.filters, array.columns):
        slowest = max(cycles[left : left + array.columns])
        for _ in range(0, product.pixels if array.dataflow == "os" else steps, array.rows):
            folds.append(((steps if array.dataflow == "os" else product.pixels) * slowest, fill))
    return folds


def moved_words(product: Product, array: Array) -> tuple[int, int, int]:
    """Return the activations and weights that enter one group's array, and the sums that leave it, fold by fold."""
    pixels, filters = product.pixels, product.filters
    inputs = weights = outputs = 0
    if array.dataflow == "os":
        for top in range(0, pixels, array.rows):
            for left in range(0, filters, array.columns):
                high, wide = min(array.rows, pixels - top), min(array.columns, filters - left)
                inputs, weights = inputs + high * product.reduction, weights + wide * product.reduction
                outputs += high * wide
        return inputs, weights, outputs
    steps = math.ceil(product.reduction / array.group)
    for top in range(0, product.reduction, array.rows):
        high = min(array.rows, product.reduction - top)
        for left in range(0, filters if array.dataflow == "ws" else pixels, array.columns):
            wide = min(array.columns, (filters if array.dataflow == "ws" else pixels) - left)
            inputs += high * (pixels if array.dataflow == "ws" else wide)
            weights += high * (wide if array.dataflow == "ws" else filters)
    for _ in range(0, steps, array.rows):  # every fold of groups leaves a sum of each output
        outputs += pixels * filters
    return inputs, weights, outputs


def cases() -> list[tuple[Product, _StoredWeights, System]]:
    """Return layers of all sizes: plain and grouped, of several dataflows, elements, arrays and memories."""
    many = []
    for number in range(60):
        dataflow = ("os", "ws", "is")[number % 3]
        element = ("single-shift", "double-shift", "serial", "bit-fusion", "parallel")[number % 5]
        groups = int(RNG.integers(2, 7)) if number % 4 == 0 else 1
        pixels, reduction, filters = (int(RNG.integers(1, top)) for top in (40, 70, 30))
        product = Product(
            "x", "conv", pixels, reduction, filters, pixels * reduction * groups, pixels * filters * groups, groups,
            shortcuts=int(RNG.integers(0, 50)), count=int(RNG.integers(1, 4)),
        )  # fmt: skip
        shifts = RNG.integers(1, 9, groups if groups > 1 else filters)
        stored = _StoredWeights("x", shifts, float(RNG.integers(1, product.weights + 9)), bool(number % 2))
        changes = {
            "device.dataflow": dataflow, "device.element": element, "device.rows": int(RNG.integers(1, 9)),
            "device.columns": int(RNG.integers(1, 9)), "device.group": int(RNG.integers(1, 6)),
            "device.overlap": bool(RNG.integers(2)), "memory.dram.bandwidth": f"{RNG.integers(1, 9)} GB/s",
        }  # fmt: skip
        many.append((product, stored, override(resolve_system("swis-8x8"), changes)))
    return many


@pytest.mark.parametrize(("product", "stored", "system"), cases())
def test_a_layer_is_what_a_walk_over_its_folds_counts(product: Product, stored: _StoredWeights, system: System) -> None:
    array = system.device_as(Array)
    cost = _layer_cost(product, stored, system)
    runs = [[int(count)] * product.filters for count in stored.shifts] if product.groups > 1 else [stored.shifts]
    folds = [fold for shifts in runs for fold in fold_cycles(product, list(shifts), array)]
    fills = folds[0][1] if array.overlap else sum(fill for _, fill in folds)
    assert cost.cycles == sum(stream for stream, _ in folds) + fills - 1

    steps = product.pixels * math.ceil(product.reduction / array.group)
    single = [int(count) for shifts in runs for count in shifts]
    assert cost.steps == steps * len(single)
    assert cost.shifts == steps * sum(single)
    assert cost.busy == steps * sum(int(count) for count in _array_arithmetic(array).cycles(single))
    assert cost.effective_shifts == pytest.approx(sum(single) / len(single))
    assert cost.total_cycles == max(cost.cycles, cost.memory_cycles)
    assert cost.bound == ("DRAM" if cost.memory_cycles > cost.cycles else "compute")
    assert cost.utilisation == pytest.approx(cost.busy / ((cost.total_cycles + 1) * array.rows * array.columns))
    rate = system.main_memory.bandwidth or 0.0
    assert cost.memory_cycles == pytest.approx(cost.traffic.total / rate * array.clock)

    inputs, weights, outputs = (product.groups * words for words in moved_words(product, array))
    stored_bytes = 1.0 if stored.decoded else stored.nbytes / product.weights
    finished = product.pixels * product.filters * product.groups
    sums = finished if outputs <= finished else 4 * (outputs + outputs - finished)  # unfinished ones are read again
    assert cost.sram["inputs"] == pytest.approx(inputs + cost.traffic.inputs)
    assert cost.sram["weights"] == pytest.approx(weights * stored_bytes + cost.traffic.weights)
    assert cost.sram["outputs"] == pytest.approx(sums + cost.traffic.outputs + product.shortcuts)


def test_a_layer_as_fast_as_its_memory_is_bound_by_the_array() -> None:
    cost = _layer_cost(Product("x", "linear", 1, 8, 8, 8, 8), _StoredWeights("x", np.full(8, 3), 64.0), machine())
    same = LayerCost(**{**vars_of(cost), "memory_cycles": float(cost.cycles)})
    assert (same.bound, same.total_cycles) == ("compute", float(cost.cycles))
    slower = LayerCost(**{**vars_of(cost), "memory_cycles": cost.cycles + 1.0})
    assert (slower.bound, slower.total_cycles) == ("DRAM", cost.cycles + 1.0)


def vars_of(cost: LayerCost) -> dict[str, object]:
    return {name: getattr(cost, name) for name in LayerCost.__dataclass_fields__}


def test_a_move_takes_a_byte_an_element_and_no_bandwidth_is_no_limit() -> None:
    assert _move_bytes(_Move("pool", "pool", 37, 5)) == 37
    system = machine()
    assert _bytes_a_cycle(system) == pytest.approx(12.8e9 / 500e6)
    free = machine(memory__dram__bandwidth=None)
    assert _bytes_a_cycle(free) == math.inf
    cost = _layer_cost(Product("x", "linear", 1, 8, 8, 8, 8), _StoredWeights("x", np.full(8, 3), 64.0), free)
    assert (cost.memory_cycles, cost.bound) == (0.0, "compute")


def walked_orders(product: Product, nbytes: float, memories: tuple[float, float], rows: int, columns: int) -> dict:
    """Return the bytes of inputs and weights of one group in each order that its memories allow, tile by tile."""
    half_inputs, half_weights = memories[0] / 2, memories[1] / 2
    image, weights = product.inputs / product.groups, nbytes / product.groups
    unrolled = max(product.pixels * product.reduction, product.inputs // product.groups)
    channels = product.reduction / product.taps
    side = math.sqrt(image / product.samples / channels)
    window = min(image / product.samples, math.ceil(math.sqrt(product.taps)) * side * channels)
    orders = {}
    columns_walked = sum(1 for _ in range(0, product.filters, columns))
    rows_walked = sum(1 for _ in range(0, product.pixels, rows))
    orders["streamed"] = (columns_walked * unrolled, rows_walked * weights)
    tile = int(half_weights / (weights / product.filters))
    tile = product.filters if tile >= product.filters else tile - tile % columns
    if tile > 0:
        passes = 1 if image <= half_inputs else sum(1 for _ in range(0, product.filters, tile))
        each = image if window <= half_inputs else max(image, unrolled)
        orders["weights stay"] = (passes * each, weights)
    if image <= half_inputs:
        orders["inputs stay"] = (image, weights)
    elif half_inputs > window:
        left, bands = image, 0
        while left > 1e-9:
            left, bands = left - (half_inputs - window), bands + 1
        orders["inputs stay"] = (image, bands * weights)
    return orders


@pytest.mark.parametrize("seed", range(120))
def test_the_order_of_least_traffic_is_taken(seed: int) -> None:
    rng = np.random.default_rng(seed)
    side, kernel, channels, filters = (int(rng.integers(*span)) for span in ((3, 40), (1, 4), (1, 200), (1, 200)))
    groups = channels if seed % 4 == 0 else 1
    samples = 2 if seed % 5 == 0 else 1
    filters = channels if groups > 1 else filters
    pixels = samples * (side - kernel + 1) ** 2
    product = Product(
        "x", "conv", pixels, channels // groups * kernel**2, filters // groups, samples * side * side * channels,
        pixels * filters, groups, kernel**2, shortcuts=seed, samples=samples,
    )  # fmt: skip
    memories = float(2 ** rng.integers(6, 18)), float(2 ** rng.integers(6, 18))
    rows, columns = (int(size) for size in rng.integers(1, 17, 2))
    nbytes = product.weights * float(rng.choice([0.25, 0.5, 1.0]))
    orders = walked_orders(product, nbytes, memories, rows, columns)
    moved = _dram_traffic(product, nbytes, *memories, rows, columns)
    assert sum(orders[moved.order]) == pytest.approx(min(sum(order) for order in orders.values()))
    assert (moved.inputs, moved.weights) == pytest.approx(tuple(groups * part for part in orders[moved.order]))
    assert (moved.outputs, moved.shortcuts) == (product.outputs, seed)
    assert moved.total == pytest.approx(moved.inputs + moved.weights + moved.outputs + moved.shortcuts)


def test_what_no_order_can_avoid_is_every_operand_once() -> None:
    product = Product("x", "conv", 4, 5, 6, 70, 24, shortcuts=9)
    assert compulsory(product, 30.0) == _DramTraffic(70, 30.0, 24, 9, "all")
