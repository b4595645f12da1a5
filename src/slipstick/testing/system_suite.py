"""Conformance suite of systems: tests that every System must pass, of the catalogue or of a file, run by pytest.

A package inherits it once for all of its systems::

    class TestSystems(SystemSuite):
        systems = ("crossbar-256", "my-folder/other.yaml")
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import pytest

from slipstick.core.catalogue import resolve_system
from slipstick.core.errors import SlipstickError
from slipstick.core.spec import leaves, override
from slipstick.core.system import System
from slipstick.engines.catalogues import show_table
from slipstick.engines.table import rows_of
from slipstick.report.metric import canonical
from slipstick.testing.members import one_case_each


class SystemSuite:
    """Tests that every system must pass: plausible values, a source per number, an engine that accepts it."""

    systems: ClassVar[Sequence[str]] = ()

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Give each test one case for every system."""
        one_case_each(metafunc, "name", self.systems)

    def test_its_data_build_it_again(self, name: str) -> None:
        """A report keeps a system as plain data, and the data are the same system again."""
        system = resolve_system(name)
        assert isinstance(system, System)
        assert resolve_system(canonical(system)) == system

    def test_every_number_has_a_source(self, name: str) -> None:
        """Every number of the system has a source."""
        system = resolve_system(name)
        for path in _numbers(system):
            assert path == "devices" or system.source_of(path), path

    def test_unknown_is_not_zero(self, name: str) -> None:
        """A quantity that nobody knows is None; a zero has a source that says so of this number."""
        system = resolve_system(name)
        for path, value in _numbers(system).items():
            assert value != 0 or path.startswith("calibration") or system.sources.get(path), path

    def test_more_devices_change_nothing_else(self, name: str) -> None:
        """``name:8`` is the same system with eight devices."""
        system, many = resolve_system(name), resolve_system(name).scaled(8)
        assert many.devices == 8
        assert many.scaled(system.devices) == system
        if not name.endswith((".yaml", ".yml")):
            assert resolve_system(f"{name}:8") == many

    def test_every_number_can_be_overridden(self, name: str) -> None:
        """``--set system.PATH=VALUE`` reaches each number: its own value changes nothing, another does."""
        system = resolve_system(name)
        for path, value in _numbers(system).items():
            assert override(system, {path: value}) == system
            doubled = override(system, {path: value * 2}) if path != "devices" and not _tier_size(path) else None
            assert doubled is None or leaves(doubled)[path] == value * 2
        with pytest.raises(SlipstickError, match=r"system\.no_such_field"):
            override(system, {"no_such_field": 1}, root="system")

    def test_show_prints_its_constants_with_descriptions(self, name: str) -> None:
        """``slipstick show`` prints every number of the device and its memories, each with its description."""
        _, table = show_table(name)
        rows = {str(row[0]): row for row in table.rows}
        for path in _numbers(resolve_system(name)):
            if path.startswith(("device.", "memory.")) and leaves(resolve_system(name))[path]:
                assert rows[path][1]
                assert rows[path][3], path

    def test_an_engine_answers_for_it(self, name: str) -> None:
        """The table of engines has an entry of `estimate` for its kind of device."""
        assert rows_of("estimate", resolve_system(name).device.kind)


def _numbers(system: System) -> dict[str, float]:
    return {path: value for path, value in leaves(system).items() if type(value) in (int, float) and path != "year"}


def _tier_size(path: str) -> bool:
    return path.endswith(".domain")  # of network tiers, which stay in their order
