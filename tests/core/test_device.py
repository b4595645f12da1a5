"""The kinds of devices: one union that a third party's kind joins, one clear error for what does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import pytest
from pydantic import Field

from slipstick.core import device as devices
from slipstick.core.catalogue import resolve_system, systems
from slipstick.core.device import Device, register_device
from slipstick.core.device_kinds import Accelerator, Array
from slipstick.core.errors import SlipstickError, SpecErrors
from slipstick.core.spec import leaves, override, validate
from slipstick.core.system import System
from slipstick.report.metric import canonical

MEMORY = {"ram": {"capacity": "1 GiB"}}


class Crossbar(Device):
    """An analogue crossbar, as a third party would write it."""

    kind: Literal["crossbar"] = "crossbar"
    lines: int = Field(gt=0, description="Word lines")

    def check(self, system: System) -> Iterator[str]:
        if "ram" not in system.memory:
            yield "a crossbar needs ram"


@pytest.fixture
def crossbar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_KINDS", dict(devices._KINDS))
    register_device(Crossbar)


@pytest.mark.usefixtures("crossbar")
def test_a_third_partys_kind_needs_nothing_but_its_class() -> None:
    system = resolve_system({"name": "toy", "device": {"kind": "crossbar", "lines": 64}, "memory": MEMORY})
    assert system.device_as(Crossbar).lines == 64
    assert leaves(system)["device.lines"] == 64
    assert canonical(system)["device"] == {"kind": "crossbar", "lines": 64}
    assert override(system, {"device.lines": 32}, root="system").device_as(Crossbar).lines == 32
    assert resolve_system(canonical(system)) == system
    with pytest.raises(SlipstickError, match="a crossbar needs ram"):
        resolve_system({"name": "toy", "device": system.device, "memory": {"rom": MEMORY["ram"]}})
    with pytest.raises(SlipstickError, match=r"device\.lines: out of range; got 0; allowed: a whole number from 1"):
        resolve_system({"name": "toy", "device": {"kind": "crossbar", "lines": 0}, "memory": MEMORY})


def test_two_classes_of_one_kind_and_a_class_without_one_are_refused() -> None:
    class Other(Device):
        kind: Literal["array"] = "array"

    with pytest.raises(SlipstickError, match="registered already"):
        register_device(Other)
    with pytest.raises(SlipstickError, match="needs its kind"):
        register_device(Device)


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({"device": {"cores": 3}}, ["device.kind: is missing; allowed: accelerator, array"]),
        ({"device": {"kind": "arrray"}}, ["device.kind: no such kind of device; got 'arrray'; did you mean 'array'?"]),
        ({"device": 3}, ["device: does not fit; got 3"]),
        (
            {"device": {"kind": "array", "clock": "3 V", "row": 8, "columns": 8, "element": "serial"}, "year": "x"},
            ["year: ", "device.clock: a unit of", "device.rows: is missing", "device.row: no such field; got 'row'"],
        ),
        ({"compute": {"cores": 3}}, ["`compute:` is now written `device: {kind: accelerator, cores: ..., clock: ..."]),
        ({"array": {"rows": 3}}, ["`array:` is now written `device: {kind: array, clock: ..., rows: ..."]),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_field_by_field(changes: dict[str, Any], lines: list[str]) -> None:
    with pytest.raises(SpecErrors) as caught:
        validate(System, {"name": "toy", "memory": MEMORY, **changes})
    messages = [str(error) for error in caught.value.errors]
    assert len(messages) == len(lines)
    for line in lines:
        assert sum(line in message for message in messages) == 1, messages


def test_an_array_needs_its_memories() -> None:
    array = resolve_system("swis-8x8")
    short = {name: memory for name, memory in array.memory.items() if name != "weights"}
    with pytest.raises(SlipstickError, match="weights missing"):
        validate(System, {**dict(array), "memory": short})
    with pytest.raises(SlipstickError, match="the largest of all"):
        validate(System, {**dict(array), "memory": {k: v for k, v in array.memory.items() if k != "dram"}})


def test_another_kind_replaces_the_bases_device() -> None:
    found = resolve_system({"base": "swis-8x8", "name": "chip", "device": {
        "kind": "accelerator", "cores": 1, "clock": "1 GHz", "matrix": {"int8": "1 TOP/s"}, "vector": {}}})  # fmt: skip
    assert found.device_as(Accelerator).rate_of("int8") == 1e12
    with pytest.raises(SlipstickError, match=r"system\.device\.kind: chip is no array; got 'accelerator'"):
        found.device_as(Array)


def test_no_system_of_the_catalogue_says_zero_for_what_it_does_not_know() -> None:
    for name, system in systems.items():
        zeros = [path for path, value in leaves(system).items() if type(value) is float and value == 0.0]
        assert all(system.sources.get(path) for path in zeros), (name, zeros)


@pytest.mark.parametrize("path", ["memory.hbm.energy", "device.energy"])
def test_an_unknown_energy_follows_from_the_power_limit_and_is_no_figure_without_one(path: str) -> None:
    from slipstick import estimate

    asked: dict[str, Any] = {"batch": 8, "sequence": 1024}
    known = estimate("llama-3.1-8b", "h100:8", "tp=8", **asked)
    derived = estimate("llama-3.1-8b", "h100:8", "tp=8", set={f"system.{path}": None}, **asked)
    nothing = {"system.memory.hbm.energy": None, "system.memory.hbm.technology": "", "system.power": None}
    unknown = estimate("llama-3.1-8b", "h100:8", "tp=8", set={f"system.{path}": None, **nothing}, **asked)
    assert derived.value("energy.step") == pytest.approx(known.value("energy.step"), rel=1e-2)
    assert [key for key in unknown.flat() if key.startswith(("energy", "cost", "carbon"))] == []
    assert [finding.path for finding in unknown.warnings] == ["system.power"]
    assert unknown.value("time.step") == derived.value("time.step") == known.value("time.step")


def test_unknown_parts_are_left_out_of_the_energy_or_derived() -> None:
    from slipstick import estimate

    asked: dict[str, Any] = {"batch": 8, "sequence": 1024}
    changes = dict.fromkeys(("system.overhead_power", "system.idle_power", "system.network.nvlink.energy"))
    for phase in ("train", "prefill"):
        report = estimate("llama-3.1-8b", "h100:8", "tp=8", phase=phase, set=changes, **asked)
        parts = {key: metric.value for key, metric in report.flat().items() if key.startswith("energy.parts.")}
        assert sorted(parts) == [f"energy.parts.{name}" for name in ("chip", "compute", "idle", "memory")]
        total = report["energy.step" if phase == "train" else "energy.pass"]
        assert total.value == pytest.approx(sum(parts.values()))
        assert total.note == "devices; of their hosts unknown; idle power derived from the power limit"


def test_an_unknown_price_is_no_cost_and_a_rent_is_one() -> None:
    from slipstick import estimate

    free = estimate("llama-3.1-8b", "h100:8", "tp=8", set={"system.price": None})
    rented = estimate("llama-3.1-8b", "h100:8", "tp=8", set={"system.price": None, "system.rent": "2 USD"})
    assert "cost.million_tokens" not in free
    tokens = rented.value("throughput.tokens")
    assert rented.value("cost.million_tokens") == pytest.approx(8 * 2 / 3600 / tokens * 1e6)
