"""What a report of an array says, computed again from its layers; findings where their limits are passed."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from slipstick import estimate
from slipstick.array.bit_true_run import LayerRun
from slipstick.array.dram_traffic import _DramTraffic
from slipstick.array.encoded_weights import on_array
from slipstick.array.energy_sensitivity import energy_ratio, sensitivity
from slipstick.array.estimate import ArrayRun
from slipstick.array.findings import _findings
from slipstick.array.layer_cost import LayerCost
from slipstick.array.matrix_products import Product
from slipstick.array.weight_formats import _planned_weights, _StoredWeights, _weights_as_encoded
from slipstick.core.catalogue import resolve_system
from slipstick.core.device_kinds import SRAMS, Array
from slipstick.core.errors import SlipstickError
from slipstick.core.spec import override
from slipstick.core.workload import Phase, Workload
from slipstick.formats import encoding_of
from slipstick.networks import network
from slipstick.report.checks import CHECKS, Facts
from slipstick.report.report import Finding, Report

ASKED = [("alexnet", "swis-8x8", "formats=swis:3", 3), ("resnet-18", "stripes-8x8", "formats=int4;last=swis:2", 2),
         ("mobilenet-v2", "int8-8x8", "formats=int8", 1)]  # fmt: skip


@pytest.fixture(scope="module", params=ASKED, ids=lambda asked: asked[0])
def answered(request: pytest.FixtureRequest) -> tuple[Report, ArrayRun, int]:
    name, system, plan, batch = request.param
    report = estimate(name, system, plan, batch=batch, set={"system.memory.dram.bandwidth": "2 GB/s"})
    return report, report.detail, batch


def test_cycles_time_and_rates(answered: tuple[Report, ArrayRun, int]) -> None:
    report, run, batch = answered
    copies = [layer for layer in run.layers for _ in range(layer.product.count)]
    moves = sum(move.elements * move.count for move in run.moves) / (2e9 / 5e8)
    layers = sum(max(float(layer.cycles), layer.memory_cycles) for layer in copies)
    inside = sum(min(float(layer.cycles), layer.total_cycles) for layer in copies)
    assert run.array is run.system.device
    assert run.move_cycles == pytest.approx(moves)
    assert report.value("cycles.step") == pytest.approx(layers + moves)
    assert report.value("cycles.parts.compute") == pytest.approx(inside)
    assert report.value("cycles.parts.waiting_for_dram") == pytest.approx(layers + moves - inside)
    assert report.value("time.step") == pytest.approx((layers + moves) / 5e8)
    assert report.value("time.parts.compute") == pytest.approx(inside / 5e8)
    assert report.value("time.sample") == pytest.approx((layers + moves) / 5e8 / batch)
    assert report.value("throughput.samples") == pytest.approx(batch * 5e8 / (layers + moves))
    busy = sum(layer.busy for layer in copies)
    share = busy / (layers + moves + len(run.layers)) / 64
    assert report.value("efficiency.utilisation") == pytest.approx(share)
    assert 0 < share < 1


def test_checks_are_told_the_bounds_of_array_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    facts: dict[str, float] = {}

    def spy(told: Facts) -> tuple[Finding, ...]:
        facts.update(told)
        return ()

    monkeypatch.setitem(CHECKS, "spy", spy)
    report = estimate("alexnet", "swis-8x8", "formats=swis:3", set={"system.memory.dram.bandwidth": "2 GB/s"})
    busy = sum(layer.busy * layer.product.count for layer in report.detail.layers)
    assert facts["roofline.compute"] == pytest.approx(busy / 64 / 5e8)
    assert facts["roofline.dram"] == pytest.approx(report.value("dram.bytes") / 2e9)
    assert max(facts["roofline.compute"], facts["roofline.dram"]) <= report.value("time.step")


def test_work_memory_and_bytes(answered: tuple[Report, ArrayRun, int]) -> None:
    report, run, _ = answered
    products = [layer.product for layer in run.layers]
    macs = sum(p.pixels * p.reduction * p.filters * p.groups * p.count for p in products)
    assert report.value("work.macs") == macs
    steps = sum(layer.steps * layer.product.count for layer in run.layers)
    positions = sum(layer.shifts * layer.product.count for layer in run.layers)
    assert report.value("work.shifts") == pytest.approx(positions / steps)
    weights = sum(layer.stored.nbytes for layer in run.layers)
    live = max(p.inputs + p.outputs + p.shortcuts for p in products)
    assert report.value("memory.weights") == report.value("memory.parts.weights") == weights
    assert report.value("memory.parts.activations") == live
    assert report.value("memory.peak") == weights + live
    assert report.value("memory.capacity") == 2**30
    assert report.value("memory.weights_int8") == sum(p.reduction * p.filters * p.groups for p in products)
    moved = {
        part: sum(getattr(layer.traffic, part) * layer.product.count for layer in run.layers)
        for part in ("inputs", "weights", "outputs", "shortcuts")
    }
    moved["other"] = sum(move.elements * move.count for move in run.moves)
    for part, value in moved.items():
        if value:
            assert report.value(f"dram.parts.{part}") == pytest.approx(value), part
    assert report.value("dram.bytes") == pytest.approx(sum(moved.values()))
    for name in SRAMS:
        inside = sum(layer.sram[name] * layer.product.count for layer in run.layers)
        assert run.sram(name) == report.value(f"sram.parts.{name}") == pytest.approx(inside)
    assert report.value("sram.bytes") == pytest.approx(sum(run.sram(name) for name in SRAMS))


def test_energy_is_events_times_the_table(answered: tuple[Report, ArrayRun, int]) -> None:
    report, run, batch = answered
    joules = {"and": 0.0005, "shift": 0.05, "add8": 0.03, "add16": 0.05, "add32": 0.1, "multiply8": 0.2,
              "multiply2": 0.0125, "register": 0.003, "dram": 30.5}  # fmt: skip
    events: dict[str, float] = {"dram": sum(8.0 * move.elements * move.count for move in run.moves)}
    for layer in run.layers:
        for name, number in layer.events.items():
            events[name] = events.get(name, 0.0) + number * layer.product.count
    assert run.events == pytest.approx(events, rel=1e-12)
    assert events["dram"] == pytest.approx(8 * report.value("dram.bytes"))
    parts = {name: number * joules[name] * 1e-12 for name, number in events.items()}
    # 64, 128 and 64 KiB, of the five doublings from 32 KiB (20 pJ) to 1 MiB (100 pJ) for eight bytes
    each = {"inputs": 20 * 5**0.2, "weights": 20 * 5**0.4, "outputs": 20 * 5**0.2}
    parts |= {f"sram {name}": run.sram(name) * each[name] / 8 * 1e-12 for name in SRAMS}
    assert run.spent() == pytest.approx(parts)
    assert report.value("energy.step") == pytest.approx(sum(parts.values()))
    assert report.value("energy.sample") == pytest.approx(sum(parts.values()) / batch)
    assert report.value("energy.on_chip") == pytest.approx(sum(parts.values()) - parts["dram"])
    assert report.value("energy.parts.sram_weights") == pytest.approx(parts["sram weights"])
    doubled = run.spent({name: 2 * value for name, value in run.coefficients.items()})
    assert doubled == pytest.approx({name: 2 * value for name, value in parts.items()})


def test_rows_are_the_layers_and_add_up(answered: tuple[Report, ArrayRun, int]) -> None:
    report, run, _ = answered
    table = report.breakdowns["ops"]
    names = [column.name for column in table.columns]
    rows = [dict(zip(names, row, strict=True)) for row in table.rows]
    move_joules = sum(8.0 * move.elements * move.count for move in run.moves) * 30.5e-12
    assert sum(row["energy"] for row in rows) + move_joules == pytest.approx(report.value("energy.step"))
    assert sum(row["cycles"] for row in rows) + run.move_cycles == pytest.approx(report.value("cycles.step"))
    assert sum(row["MACs"] for row in rows) == report.value("work.macs")
    moved = sum(move.elements * move.count for move in run.moves)
    assert sum(row["DRAM"] for row in rows) + moved == pytest.approx(report.value("dram.bytes"))
    for row, layer in zip(rows, run.layers, strict=True):
        assert row["time"] == pytest.approx(row["cycles"] / 5e8)
        assert row["shifts"] == pytest.approx(layer.shifts / layer.steps)
        assert (row["op"], row["kind"], row["bound"]) == (layer.product.name, layer.product.kind, layer.bound)
        assert row["used"] == pytest.approx(layer.busy / (layer.total_cycles + 1) / 64)


def test_the_bottleneck_is_the_kind_and_bound_with_most_cycles(answered: tuple[Report, ArrayRun, int]) -> None:
    report, run, _ = answered
    shares = {("moves", "DRAM"): run.move_cycles}
    for layer in run.layers:
        key = f"{layer.product.kind} layers", layer.bound
        shares[key] = shares.get(key, 0.0) + max(float(layer.cycles), layer.memory_cycles) * layer.product.count
    kind, bound = max(shares, key=lambda key: shares[key])
    percent = round(100 * shares[kind, bound] / sum(shares.values()))
    assert report.bottleneck == f"{kind}, bound by {bound}: {percent} % of the cycles"


def layer(kind: str, cycles: float, busy: float, order: str = "weights stay", count: int = 1) -> LayerCost:
    """Return a layer of so many cycles of an array of 8 by 8, `busy` of its elements' cycles at work."""
    product = Product(kind, kind, 1, 8, 8, 8, 8, count=count)  # type: ignore[arg-type]
    array = Array(clock=5e8, rows=8, columns=8, element="single-shift", group=4)
    traffic = _DramTraffic(1.0, 1.0, 1.0, 0.0, order)
    stored = _StoredWeights("int8", np.full(8, 8), 64.0)
    return LayerCost(product, stored, int(cycles), busy, 8.0, 1.0, traffic, dict.fromkeys(SRAMS, 1.0), 0.0, array)


def checks(*layers: LayerCost) -> list[tuple[str, str]]:
    return [(finding.check, finding.message) for finding in _findings(layers, resolve_system("swis-8x8"))]


def test_kinds_that_leave_the_array_idle_are_found_above_a_quarter_of_the_cycles_and_below_half_use() -> None:
    busy = layer("conv", 700, 700 * 64.0)
    idle = layer("depthwise", 150, 150 * 16.0, count=2)
    assert checks(busy, idle) == [("array_idle", "depthwise layers take 30 % of the cycles at 25 % utilisation")]
    assert checks(layer("conv", 900, 900 * 64.0), idle) == [], "a quarter of the cycles is no remark"
    assert checks(layer("conv", 899, 899 * 64.0), idle) != []
    assert checks(busy, layer("depthwise", 300, 300 * 32.0)) == [], "nor is half of the array"
    assert checks(busy, layer("depthwise", 300, 300 * 31.9)) != []


@pytest.mark.parametrize("used", [0.013, 0.166, 0.334, 0.488, 0.495])
@pytest.mark.parametrize("cycles", [400, 666, 704, 2000, 9000])
def test_findings_say_percent(cycles: int, used: float) -> None:
    [(_, message)] = checks(layer("conv", 1000, 1000 * 64.0), layer("depthwise", cycles, cycles * 64 * used))
    share = round(100 * cycles / (1000 + cycles))
    assert message == f"depthwise layers take {share} % of the cycles at {round(100 * used)} % utilisation"


def test_layers_that_keep_nothing_are_counted_and_the_first_is_named() -> None:
    full = [layer(kind, 100, 6400.0, order) for kind, order in (("conv", "inputs stay"), ("linear", "streamed"))]
    message = "1 layers keep nothing in the memories, the first is linear: operands pass many times"
    assert checks(*full) == [("nothing_stays", message)]
    assert checks(full[0]) == []
    more = layer("pointwise", 100, 6400.0, "streamed")
    assert "2 layers keep nothing in the memories, the first is linear" in checks(*full, more)[0][1]


def test_formats_that_elements_cannot_use_are_named_once_each() -> None:
    report = estimate("resnet-18", "stripes-8x8", "formats=swis:3;last=swis:2;first=int8")
    [finding] = [finding for finding in report.warnings if finding.check == "format_decoded"]
    assert finding.message.startswith("serial elements cannot use swis:2, swis:3: weights are packed in DRAM")


def test_one_coefficient_at_a_time_moves_the_ratio_and_the_widest_stands_first() -> None:
    slow, fast = (estimate("alexnet", name, "formats=int4").detail for name in ("stripes-8x8", "bitfusion-8x8"))
    table = sensitivity(slow, fast)
    widths = [abs(row[3] - row[1]) for row in table.rows]
    assert widths == sorted(widths, reverse=True)
    for name, halved, now, doubled in table.rows:
        for factor, ratio in ((0.5, halved), (1.0, now), (2.0, doubled)):
            totals = []
            for run in (slow, fast):
                spent = run.spent()
                totals.append(sum(v * (factor if key.split(" ")[0] == name else 1.0) for key, v in spent.items()))
            assert ratio == pytest.approx(totals[0] / totals[1]), (name, factor)
    without = sensitivity(slow, fast, dram=False)
    assert {row[0] for row in without.rows} == {row[0] for row in table.rows} - {"dram"}
    on_chip = [sum(v for key, v in run.spent().items() if key != "dram") for run in (slow, fast)]
    assert energy_ratio(slow, fast, dram=False) == pytest.approx(on_chip[0] / on_chip[1])
    assert without.rows[0][2] == pytest.approx(on_chip[0] / on_chip[1])


def test_encoded_weights_stand_beside_int8() -> None:
    workload = Workload(network=network("alexnet"), phase=Phase.INFER, sequence=1)
    metrics = on_array(workload, resolve_system("swis-8x8"), {})
    assert metrics["speedup"].value == 1.0
    for name, unit in (("cycles", "cycle"), ("time", "s"), ("energy", "J")):
        assert metrics[name].value == metrics[f"{name}_int8"].value > 0
        assert metrics[name].unit == metrics[f"{name}_int8"].unit == unit
    plain = estimate("alexnet", "swis-8x8", "formats=int8")
    assert metrics["cycles"].value == plain.value("cycles.step")
    assert metrics["energy"].value == pytest.approx(plain.value("energy.step"))
    assert metrics["time"].value == pytest.approx(plain.value("time.step"))


def product(kind: str, filters: int, groups: int = 1) -> Product:
    return Product("x", kind, 4, 9, filters, 36, 4 * filters * groups, groups, taps=9)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("element", "text", "filters", "groups", "shifts"),
    [  # an array of 4 columns: the folds of a product of 10 filters are of 4, 4 and 2
        ("single-shift", "round:2.5", 10, 1, [3] * 8 + [2] * 2),  # 2 of 3 folds, rounded up
        ("single-shift", "round:2.333333", 10, 1, [3] * 4 + [2] * 6),  # a third of 3 folds
        ("single-shift", "round:2.34", 10, 1, [3] * 8 + [2] * 2),  # a little more than a third
        ("single-shift", "round:3.0", 10, 1, [3] * 10),
        ("single-shift", "round:0.5", 10, 1, [1] * 10),  # no fewer than one
        ("single-shift", "round:2.9", 3, 1, [3] * 3),
        ("double-shift", "round:2.5", 10, 1, [4] * 4 + [2] * 6),  # even ones, a quarter of the way
        ("double-shift", "round:1.5", 10, 1, [2] * 8 + [1] * 2),
        ("double-shift", "round:4.0", 10, 1, [4] * 10),
        ("single-shift", "round:2.5", 1, 7, [3] * 4 + [2] * 3),  # depth-wise filters are alone in the array
        ("single-shift", "swis:bits=6,shifts=2,group=3", 10, 1, [2] * 10),
    ],
)
def test_averages_are_whole_folds_of_the_next_numbers(
    element: str, text: str, filters: int, groups: int, shifts: list[int]
) -> None:
    array = Array(clock=5e8, rows=4, columns=4, element=element, group=3)  # type: ignore[arg-type]
    one = product("conv" if groups == 1 else "depthwise", filters, groups)
    [stored] = _planned_weights(text, [one], array)
    assert stored.shifts.tolist() == shifts
    assert (stored.format, stored.decoded) == (text, False)
    if text.startswith("round"):  # a sign and the positions of each weight, filters of one number packed together
        counts = [(shifts.count(n), n) for n in sorted(set(shifts))]
        rows = filters if groups > 1 else 1
        packed = sum(-(-number * rows * 9 * (1 + n) // 8) + 4 * number * rows for number, n in counts)
        assert stored.nbytes == packed


def test_encoded_weights_have_the_filters_and_the_number_of_the_products() -> None:
    array = Array(clock=5e8, rows=4, columns=4, element="single-shift", group=2)
    plain, grouped = product("conv", 4), product("depthwise", 2, 3)
    shifts = np.array([3, 1, 2, 2])
    encoded = encoding_of("round:3").encode(np.ones((4, 9)), {"shifts": shifts})
    [stored, other] = _weights_as_encoded({"x": encoded}, [plain, dataclasses.replace(grouped, name="y")], array)
    assert (stored.shifts.tolist(), stored.nbytes, stored.decoded) == ([1, 2, 2, 3], encoded.nbytes, False)
    assert (other.format, other.shifts.tolist()) == ("int8", [8] * 3), "others are int8"
    six = encoding_of("round:3").encode(np.ones((6, 9)), {"shifts": np.array([1, 4, 2, 2, 3, 1])})
    [stored] = _weights_as_encoded({"x": six}, [grouped], array)
    assert stored.shifts.tolist() == [2, 3, 4], "the filters of one group run together"
    pool = encoding_of("pool:4,3").encode(np.ones((4, 9)))
    [stored] = _weights_as_encoded({"x": pool}, [plain], array)
    assert (stored.shifts.tolist(), stored.decoded) == ([8] * 4, True)
    for shape in ((9, 4), (4, 8), (5, 9), (2, 18)):
        with pytest.raises(SlipstickError, match=r"x: weights of another shape.*4 filters, 36 weights"):
            _weights_as_encoded({"x": encoding_of("round:3").encode(np.ones(shape))}, [plain], array)
    with pytest.raises(SlipstickError, match=r"weights: no such product; got 'z'; .*allowed: x"):
        _weights_as_encoded({"z": encoded}, [plain], array)


def test_the_corners_that_are_simulated_are_named_and_counted() -> None:
    from slipstick import simulate

    report = simulate("resnet-8", "swis-8x8", "formats=swis:3")
    assert report.title.endswith("corners of at most 16 pixels, 8 filters and 8 groups")
    runs: tuple[LayerRun, ...] = report.detail
    rows = report.breakdowns["layers"].rows
    for run, row in zip(runs, rows, strict=True):
        p = run.cost.product
        assert run.steps == run.pixels * run.filters * run.groups
        whole = p.pixels * p.filters * p.groups * -(-p.reduction // 4)
        assert run.cost.steps == whole
        assert row[3:9] == (run.pixels, run.filters, run.groups, run.cycles, run.closed_cycles, 1.0)
        assert row[9] == pytest.approx(run.steps / (whole * p.count))
    assert report.value("cycles.simulated") == sum(run.cycles for run in runs)
    assert report.value("cycles.closed_form") == sum(run.closed_cycles for run in runs)
    assert re.search("seed 0", report["cycles.simulated"].source)
    largest = max(runs, key=lambda run: run.cost.product.pixels)
    assert largest.pixels == 16
    assert max(run.groups for run in runs) == max(run.filters for run in runs) == 8


def test_a_memorys_own_energy_goes_before_the_tables() -> None:
    system = override(resolve_system("swis-8x8"), {"memory.inputs.energy": "2 pJ/bit"})
    run = estimate("alexnet", system).detail
    assert run.coefficients["sram inputs"] == pytest.approx(16e-12)
    assert run.coefficients["sram weights"] == pytest.approx(20 * 5**0.4 / 8 * 1e-12)
    assert dataclasses.replace(run, moves=()).move_cycles == 0
