"""Energy and area of an array's parts, from the numbers of the table by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from slipstick.array.parts import _element_area, _element_events, _energies, _sram_energy
from slipstick.core.device_kinds import Array, Element
from slipstick.core.errors import SlipstickError
from slipstick.formats.arithmetic.operation_costs import _multiplier_area, _operation_energy, element_parts
from slipstick.tech import technology_tables

# square micrometres of the table
AND, SHIFT, ADD8, ADD16, ADD32, MULTIPLY8, MULTIPLY2, REGISTER = 1.064, 93, 36, 67, 137, 282, 17.6, 4.522

# with three lanes: gates of three weights by 8 bits of activations, a tree of two adders, and what stands behind it
PARTS: dict[Element, dict[str, int]] = {
    "single-shift": {"and": 24, "add8": 2, "shift": 1, "add32": 1},
    "double-shift": {"and": 48, "add8": 4, "shift": 2, "add16": 1, "add32": 1},
    "serial": {"and": 24, "add8": 2, "add32": 1},
    "bit-fusion": {"multiply2": 3, "add8": 2, "shift": 1, "add32": 1},
    "parallel": {"multiply8": 3, "add16": 2, "add32": 1},
}
BITS: dict[Element, int] = {"single-shift": 2, "double-shift": 3, "serial": 1, "bit-fusion": 2, "parallel": 8}
AREAS = {
    "and": AND, "shift": SHIFT, "add8": ADD8, "add16": ADD16, "add32": ADD32, "multiply8": MULTIPLY8,
    "multiply2": MULTIPLY2,
}  # fmt: skip


@pytest.mark.parametrize("element", list(PARTS))
def test_parts_and_areas_of_an_element_of_three_lanes(element: Element) -> None:
    assert dict(element_parts(element, 3)) == PARTS[element]
    array = Array(clock=5e8, rows=8, columns=8, element=element, group=3)
    wanted = {name: count * AREAS[name] * 1e-12 for name, count in PARTS[element].items()}
    wanted["register"] = (3 * (8 + BITS[element]) + 32) * REGISTER * 1e-12  # of activations, weights and a sum
    assert _element_area(array) == pytest.approx(wanted)
    assert _element_area(array, "45nm") == _element_area(array)
    alone = {"single-shift": 8 * AND + SHIFT + ADD32, "double-shift": 16 * AND + 2 * SHIFT + ADD16 + ADD32,
             "serial": 8 * AND + ADD32, "bit-fusion": MULTIPLY2 + SHIFT + ADD32,
             "parallel": MULTIPLY8 + ADD32}  # fmt: skip
    assert _multiplier_area(element) == pytest.approx(alone[element] * 1e-12)


@pytest.mark.parametrize("element", list(PARTS))
def test_events_of_ten_groups(element: Element) -> None:
    """Ten groups of three lanes take 14 cycles and 20 positions; 90 bits of weights enter."""
    tree = {"and": 3 * 8 * 20, "add8": 2 * 20}
    wanted: dict[Element, dict[str, int]] = {
        "single-shift": {**tree, "shift": 20, "add32": 14},
        "double-shift": {**tree, "shift": 20, "add16": 14, "add32": 14},
        "serial": {**tree, "add32": 14},
        "bit-fusion": {"multiply2": 3 * 14, "add8": 2 * 14, "shift": 14, "add32": 14},
        "parallel": {"multiply8": 3 * 14, "add16": 2 * 14, "add32": 14},
    }
    registers = 10 * 3 * 8 + 90 + 14 * 32
    assert _element_events(element, 3, 10, 14, 20, 90) == {**wanted[element], "register": registers}


def test_energies_of_the_table_and_of_another_node() -> None:
    assert {name: value * 1e12 for name, value in _energies().items()} == pytest.approx(
        {"and": 0.0005, "shift": 0.05, "add8": 0.03, "add16": 0.05, "add32": 0.1, "multiply8": 0.2, "multiply2": 0.0125,
         "register": 0.003, "dram": 30.5}
    )  # fmt: skip
    assert _energies("45nm") == _energies()
    assert _operation_energy("int32_add")[0] == pytest.approx(0.1e-12)
    for name in ("7nm", "5 miles"):  # data/tech has no node of the table's age to compare with
        with pytest.raises(SlipstickError, match="technology node"):
            _energies(name)


def test_another_node_scales_logic_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were both nodes known: power and area in the ratio of the nodes, the DRAM's pins as they are."""
    known = {"45nm": SimpleNamespace(power=8.0, area=6.0), "22nm": SimpleNamespace(power=2.0, area=1.5)}
    monkeypatch.setattr(technology_tables, "nodes", SimpleNamespace(entry=known.__getitem__))
    for name, value in _energies("22nm").items():
        assert value == pytest.approx(_energies()[name] * (1.0 if name == "dram" else 0.25)), name
    assert _sram_energy(32 * 1024, "22nm") == pytest.approx(_sram_energy(32 * 1024) / 4)
    array = Array(clock=5e8, rows=8, columns=8, element="serial", group=3)
    for name, area in _element_area(array, "22nm").items():
        assert area == pytest.approx(_element_area(array)[name] / 4), name


def test_a_memorys_energy_lies_between_the_sizes_of_the_table_by_powers() -> None:
    """10, 20 and 100 pJ for eight bytes at 8 KiB, 32 KiB and 1 MiB; no size is cheaper or dearer than the ends."""
    sizes = {0: 10, 1: 10, 2**13: 10, 2**14: math.sqrt(10 * 20), 2**15: 20, 2**20: 100, 2**30: 100}
    sizes[2**17] = 20 * 5 ** (2 / 5)  # two of the five doublings from 32 KiB to 1 MiB
    for size, picojoules in sizes.items():
        assert _sram_energy(size) * 1e12 == pytest.approx(picojoules / 8), size
