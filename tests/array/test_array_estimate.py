"""`estimate` on arrays: bounds, sums and conservation over networks and elements; formats layer by layer; refusals."""

from __future__ import annotations

import numpy as np
import pytest

from slipstick import compare, estimate, ops
from slipstick.array.dram_traffic import compulsory
from slipstick.array.energy_sensitivity import energy_ratio, sensitivity
from slipstick.array.estimate import _array_run
from slipstick.array.format_steps import _array_arithmetic, _weight_steps
from slipstick.array.layer_cost import _layer_cost
from slipstick.array.layer_cycles import _layer_pass
from slipstick.array.matrix_products import Product, only_products, products_of
from slipstick.array.systolic import _systolic_pass
from slipstick.array.weight_formats import _planned_weights, _StoredWeights
from slipstick.core.catalogue import resolve_system, systems
from slipstick.core.device_kinds import Array, Element
from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Plan
from slipstick.core.spec import override
from slipstick.core.workload import Phase, Workload
from slipstick.formats import format_of
from slipstick.networks import network
from slipstick.report.report import Report

ARRAYS = [name for name, system in systems.items() if isinstance(system.device, Array)]
NETWORKS = ["mobilenet-v2", "resnet-18", "resnet-50", "vgg-16", "alexnet"]
# of one image of 224x224: sums of pixels x reduction x filters by hand-checked tables (torchvision's definitions)
MACS = {"mobilenet-v2": 300_774_272, "resnet-18": 1_814_073_344, "resnet-50": 4_089_184_256, "vgg-16": 15_470_264_320,
        "alexnet": 714_188_480}  # fmt: skip


def products(name: str) -> list[Product]:
    return only_products(products_of(network(name).ops(Phase.INFER, 1, 1, 1)))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("system", ARRAYS)
def test_a_report_keeps_its_bounds(name: str, system: str) -> None:
    report = estimate(name, system, "formats=int4")
    machine = resolve_system(system)
    assert not report.errors, report.errors
    array, done = (
        machine.device_as(Array),
        _array_run(Workload(network=network(name), phase=Phase.INFER, sequence=1), machine, Plan.of("formats=int4")),
    )
    assert report.value("work.macs") == MACS[name]
    lanes = array.rows * array.columns * array.group
    assert report.value("cycles.step") >= MACS[name] / lanes
    assert report.value("memory.weights_int8") == sum(product.weights for product in products(name))
    for one in done.layers:
        floor = compulsory(one.product, one.stored.nbytes)
        assert one.traffic.inputs >= floor.inputs
        assert one.traffic.weights >= floor.weights
        assert one.traffic.outputs == floor.outputs
        assert one.total_cycles == max(one.cycles, one.memory_cycles)
    assert report.value("time.step") == pytest.approx(report.value("cycles.step") / machine.device_as(Array).clock)
    assert report.value("energy.step") > report.value("energy.on_chip") > 0
    assert Report.from_json(report.json()) == report
    assert "<html" in report.html()


def test_what_the_issue_asks_for_works_on_the_command_line() -> None:
    table = ops("mobilenet-v2", "swis-8x8", "formats=int3").breakdowns["ops"]
    assert len(table.rows) == len(products("mobilenet-v2")) == 53
    named = [column.name for column in table.columns]
    assert {row[named.index("bound")] for row in table.rows} <= {"compute", "DRAM"}
    both = compare(*(estimate("resnet-18", name, "formats=int8") for name in ("stripes-8x8", "int8-8x8")))
    assert len(both.rows["cycles.step"]) == 2


def test_serial_elements_gain_at_most_the_ratio_of_their_cycles() -> None:
    slow, fast = (
        estimate("resnet-18", "swis-8x8", f"formats=int{bits}").value("cycles.parts.compute") for bits in (8, 2)
    )
    assert 1 < slow / fast < 8 / 2
    single, double = (estimate("vgg-16", name, "formats=int4") for name in ("swis-8x8", "swis-8x8-double"))
    assert 1 < single.value("cycles.step") / double.value("cycles.step") < 2


def test_only_groups_of_one_are_the_plain_array() -> None:
    for dataflow in ("os", "ws", "is"):
        for sizes in ((64, 576, 64, 8, 8), (100, 27, 20, 16, 4), (1, 512, 1000, 4, 16)):
            ours = _layer_pass(
                *sizes[:3], 8, Array(clock=5e8, rows=sizes[3], columns=sizes[4], element="parallel", dataflow=dataflow)
            )
            assert ours.cycles == _systolic_pass(*sizes, dataflow).cycles
            assert (ours.inputs, ours.weights, ours.outputs) == tuple(
                getattr(_systolic_pass(*sizes, dataflow), part) for part in ("inputs", "weights", "outputs")
            )


@pytest.mark.parametrize("dataflow", ["os", "ws", "is"])
def test_bit_serial_cycles_as_a_walk_over_the_folds_counts_them(dataflow: str) -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        p, k, f, r, c, group = (int(rng.integers(1, top)) for top in (40, 60, 30, 9, 9, 5))
        shifts = rng.integers(1, 9, f)
        steps, total = -(-k // group), 0
        for left in range(0, c * -(-(p if dataflow == "is" else f) // c), c):
            slowest = int(shifts[left : left + c].max(initial=0))
            for _ in range(0, {"os": p}.get(dataflow, steps), r):
                total += (
                    {"os": steps * slowest, "ws": p * slowest + r, "is": int(shifts.sum()) + r}[dataflow] + r + c - 2
                )
        array = Array(clock=5e8, rows=r, columns=c, group=group, element="single-shift", dataflow=dataflow)
        ours = _layer_pass(p, k, f, shifts, array)
        assert int(ours.cycles) == total - 1
        assert 0 < ours.utilisation <= 1


def test_patterns_choose_formats_and_the_last_that_fits_decides() -> None:
    found = products("mobilenet-v2")
    array = Array(clock=5e8, rows=8, columns=8, element="single-shift", group=4)
    texts = [each.format for each in _planned_weights("int3;depthwise=int8;features.1.*=int5;last=int6", found, array)]
    for product, text in zip(found, texts, strict=True):
        if product.name.startswith("features.1."):
            assert text == "int5"
        elif product is found[-1]:
            assert text == "int6"
        else:
            assert text == ("int8" if product.kind == "depthwise" else "int3")
    with_argument = _planned_weights("int3:axis=0;symmetric=false;first=int8", found, array)
    assert [each.format for each in with_argument[:2]] == ["int8", "int3:axis=0;symmetric=false"]


@pytest.mark.parametrize("element", ["single-shift", "double-shift"])
@pytest.mark.parametrize("asked", [2.5, 3.0, 3.25])
def test_scheduled_shifts_are_the_average_from_above_in_whole_folds(element: str, asked: float) -> None:
    array = Array(clock=5e8, rows=8, columns=8, element=element, group=4)  # type: ignore[arg-type]
    step = 2 if element == "double-shift" else 1
    for filters in (256, 100, 12):
        [wide] = _planned_weights(f"int:{asked}", [Product("x", "conv", 64, 576, filters, 4096, 16384, taps=9)], array)
        assert asked <= wide.shifts.mean() <= asked + step * 2 * 8 / filters  # a fold, and one that is not full
        assert all(len(set(wide.shifts[left : left + 8])) == 1 for left in range(0, filters, 8))
        assert element == "single-shift" or not (wide.shifts % 2).any()


def test_energy_is_linear_in_every_coefficient() -> None:
    done = _array_run(
        Workload(network=network("resnet-18"), phase=Phase.INFER, sequence=1),
        resolve_system("swis-8x8"),
        Plan.of("formats=int3"),
    )
    before = done.spent()
    assert set(before) == set(done.coefficients) & set(before)
    for name, value in done.coefficients.items():
        after = done.spent({**done.coefficients, name: 2 * value})
        gained = sum(after.values()) - sum(before.values())
        assert gained == pytest.approx(before.get(name, 0.0), rel=1e-6, abs=1e-15)


def test_a_memory_of_ones_own_energy_goes_before_the_table() -> None:
    changes = {"system.memory.dram.energy": "4 pJ/bit"}
    cheap, dear = (estimate("resnet-18", "swis-8x8", "formats=int3", set=some) for some in (changes, None))
    assert cheap.value("energy.parts.dram") == pytest.approx(cheap.value("dram.bytes") * 32e-12)
    assert cheap.value("energy.on_chip") == pytest.approx(dear.value("energy.on_chip"))


def test_more_bandwidth_is_never_slower_and_moves_as_much() -> None:
    reports = [
        estimate("alexnet", "swis-8x8-double", "formats=int2", set={"system.memory.dram.bandwidth": f"{rate} GB/s"})
        for rate in (1, 4, 16, 64)
    ]
    times = [report.value("time.step") for report in reports]
    assert times == sorted(times, reverse=True)
    assert times[0] > times[-1]
    assert len({report.value("dram.bytes") for report in reports}) == 1
    assert "DRAM" in reports[0].bottleneck


def test_a_batch_is_as_many_images() -> None:
    one, four = (estimate("resnet-18", "swis-8x8", "formats=int3", batch=batch) for batch in (1, 4))
    assert four.value("work.macs") == 4 * one.value("work.macs")
    assert four.value("memory.weights") == one.value("memory.weights")
    assert 3 < four.value("time.step") / one.value("time.step") <= 4.001
    assert four.value("dram.parts.weights") < 4 * one.value("dram.parts.weights") + 1


@pytest.mark.parametrize(
    ("workload", "system", "asked", "message"),
    [
        ("llama-3.1-8b", "swis-8x8", {}, "operator graphs"),
        ("resnet-18", "swis-8x8:2", {}, "system.devices: more devices"),
        ("resnet-18", "swis-8x8", {"phase": "train"}, "phase: not a phase"),
        ("resnet-18", "swis-8x8", {"plan": "tp=2"}, "plan.parallel.tp: `estimate` does not read it"),
        ("resnet-18", "swis-8x8", {"plan": "formats=bf16"}, "not of whole numbers"),
        ("resnet-18", "swis-8x8", {"plan": "formats=int16"}, "wider than the array"),
        ("resnet-18", "swis-8x8", {"plan": "formats=int8;depthwis=int4"}, "did you mean 'depthwise'"),
        ("resnet-18", "swis-8x8", {"set": {"system.node": "7nm"}}, "technology node"),
        (
            "resnet-18",
            "h100",
            {"plan": "formats=int8", "phase": "infer"},
            "plan.formats.layers: `estimate` does not read it",
        ),
        ("gnmt", "swis-8x8", {"sequence": 20}, "an array multiplies by weights"),
    ],
)
def test_what_an_array_does_not_do_is_refused(workload: str, system: str, asked: dict, message: str) -> None:
    with pytest.raises(SlipstickError, match=message):
        estimate(workload, system, **asked)


def test_sensitivity_is_what_changed_coefficients_give() -> None:
    slow, fast = (estimate("resnet-18", name, "formats=int3").detail for name in ("stripes-8x8", "swis-8x8"))
    table = sensitivity(slow, fast)
    named = {row[0]: row[1:] for row in table.rows}
    assert set(named) == {"and", "add8", "shift", "add32", "register", "sram", "dram"}
    now = energy_ratio(slow, fast)
    for name, (halved, same, doubled) in named.items():
        assert same == now
        assert min(halved, doubled) <= now <= max(halved, doubled), name
    twice = {name: 2 * value for name, value in fast.coefficients.items() if name == "dram"}
    by_hand = [sum(run.spent({**run.coefficients, **twice}).values()) for run in (slow, fast)]
    assert named["dram"][2] == pytest.approx(by_hand[0] / by_hand[1])
    without = energy_ratio(slow, fast, dram=False, coefficient="dram", factor=7.0)
    assert without == pytest.approx(energy_ratio(slow, fast, dram=False))


def test_a_chip_is_no_array() -> None:
    with pytest.raises(SlipstickError, match="is no array"):
        _array_run(
            Workload(network=network("resnet-18"), phase=Phase.INFER, sequence=1), resolve_system("h100"), Plan()
        )


@pytest.mark.parametrize("dataflow", ["os", "ws", "is"])
def test_folds_that_overlap_take_what_their_streams_take(dataflow: str) -> None:
    """Beside the filling, which then counts once a layer: fewer cycles, the same words and work."""
    changes = {"system.device.dataflow": dataflow}
    apart, joined = (
        estimate("mobilenet-v2", "swis-8x8", "formats=int3", set={**changes, "system.device.overlap": overlap}).detail
        for overlap in (False, True)
    )
    for one, other in zip(apart.layers, joined.layers, strict=True):
        assert one.busy / 64 - 1 <= other.cycles <= one.cycles
        assert (one.busy, one.sram, one.events) == (other.busy, other.sram, other.events)
        assert other.utilisation <= 1


def test_the_command_of_the_issue() -> None:
    """SWIS on its array: the cycles of 3 shifts, packed weights; other elements turn the weights back first."""
    swis, plain = (estimate("mobilenet-v2", "swis-8x8", f"formats={text}") for text in ("swis:3", "int3"))
    assert swis.value("cycles.parts.compute") == plain.value("cycles.parts.compute")
    assert swis.value("work.shifts") == 3
    stored, weights = swis.value("memory.weights"), swis.value("memory.weights_int8")
    least = weights * 22 / 32  # of a group of 4: signs, masks of 3 shifts, and 6 bits for one of 35 sets
    assert least < stored < least * 1.06, "scales, and groups that a row does not fill"
    serial = [estimate("mobilenet-v2", "stripes-8x8", f"formats={text}") for text in ("swis:3", "int8")]
    assert serial[0].value("cycles.parts.compute") == serial[1].value("cycles.parts.compute")
    assert [finding.check for finding in serial[0].warnings] == ["format_decoded", "array_idle"]
    assert serial[0].value("dram.parts.weights") == stored


def test_what_elements_make_of_a_format() -> None:
    single, serial, bricks, plain = (
        resolve_system(name).device_as(Array) for name in ("swis-8x8", "stripes-8x8", "bitfusion-8x8", "int8-8x8")
    )
    assert single
    assert serial
    assert bricks
    assert plain
    expected = {
        "int8": [(8, True), (8, True), (8, True), (8, True)], "int4": [(4, True), (4, True), (4, True), (8, False)],
        "swis:3": [(3, True), (8, False), (8, False), (8, False)],
        "swis:2;group=8;consecutive=true": [(2, True), (8, False), (8, False), (8, False)],
        "swis:shifts=3;alpha=0.5": [(3, True), (8, False), (8, False), (8, False)],
        "truncate:3": [(3, True), (3, True), (3, True), (8, False)],
        "round:bits=5": [(5, True), (5, True), (5, True), (8, False)],
    }  # fmt: skip
    for text, wanted in expected.items():
        assert [_weight_steps(format_of(text), array) for array in (single, serial, bricks, plain)] == wanted, text
    for text, message in {
        "swis:3;group=2": "lanes share",
        "swis:9": "1 to 7",
        "swis:3;size=4": "no such argument",
    }.items():
        with pytest.raises(SlipstickError, match=message):
            _weight_steps(format_of(text), single)


@pytest.mark.parametrize("element", ["single-shift", "double-shift", "serial", "bit-fusion", "parallel"])
def test_events_as_a_walk_over_groups_counts_them(element: Element) -> None:
    """One element after the other, group by group and cycle by cycle, with shifts of each filter."""
    group, shifts, pixels, reduction = 4, [1, 2, 3, 5, 5], 6, 18
    product = Product("x", "conv", pixels, reduction, len(shifts), 96, 30, taps=9)
    system = override(resolve_system("swis-8x8"), {"device.element": element})
    storage = 77.0
    counted: dict[str, float] = dict.fromkeys(("and", "add8", "add16", "add32", "shift", "multiply2", "multiply8"), 0)
    counted["register"] = 0.0
    for _ in range(pixels):
        for count in shifts:
            for _ in range(-(-reduction // group)):
                cycles = int(_array_arithmetic(system.device_as(Array)).cycles(count))
                counted["register"] += 8 * group + 32 * cycles + 8 * group * storage / product.weights
                left = count
                for _ in range(cycles):
                    counted["add32"] += 1
                    if element == "parallel":
                        counted["multiply8"] += group
                        counted["add16"] += group - 1
                        continue
                    if element == "bit-fusion":
                        counted["multiply2"] += group
                        counted["add8"] += group - 1
                        counted["shift"] += 1
                        continue
                    taken = min(left, 2 if element == "double-shift" else 1)
                    left -= taken
                    counted["and"] += 8 * group * taken
                    counted["add8"] += (group - 1) * taken
                    counted["shift"] += 0 if element == "serial" else taken
                    counted["add16"] += element == "double-shift"
                assert left == 0 or element in ("bit-fusion", "parallel")
    found = dict(_layer_cost(product, _StoredWeights("x", np.array(shifts), storage), system).events)
    assert found.pop("dram") == 8 * (96 + 30 + storage)
    assert found == pytest.approx({name: value for name, value in counted.items() if value})
