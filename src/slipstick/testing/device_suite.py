"""Conformance suite of kinds of devices: tests that every class of the union `System.device` must pass, run by pytest.

A package inherits it once for all of its kinds::

    class TestCrossbar(DeviceSuite):
        kinds = (Crossbar,)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import pytest

from slipstick.core.catalogue import systems
from slipstick.core.device import Device, device_kinds
from slipstick.core.errors import SlipstickError
from slipstick.core.spec import validate
from slipstick.core.system import System
from slipstick.engines.table import engines
from slipstick.testing.members import one_case_each


class DeviceSuite:
    """Tests of every class in `kinds`: its place in the union of devices, its described fields, its engine."""

    kinds: ClassVar[Sequence[type[Device]]] = ()

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Give each test one case for every kind of device."""
        one_case_each(metafunc, "kind", self.kinds, lambda kind: str(kind.model_fields["kind"].default))

    def test_its_kind_tells_it_apart(self, kind: type[Device]) -> None:
        """The default of `kind` is registered, by decorator or entry point, for this class."""
        assert device_kinds()[_name(kind)] is kind

    def test_every_field_is_described(self, kind: type[Device]) -> None:
        """Each field has a description of several words, which `show`, forms and docs print."""
        for name, field in kind.model_fields.items():
            assert len((field.description or "describes itself").split()) >= 2, name
            assert field.description or name == "kind", name

    def test_the_json_schema_of_systems_lists_it(self, kind: type[Device]) -> None:
        """Editors that complete YAML by the JSON schema of System know the kind and all of its fields."""
        schema = System.model_json_schema()
        members = schema["properties"]["device"]["oneOf"]
        fields = [schema["$defs"][m["$ref"].rpartition("/")[2]] if "$ref" in m else m for m in members]
        (own,) = (member for member in fields if member["properties"]["kind"]["const"] == _name(kind))
        assert set(own["properties"]) == set(kind.model_fields)

    def test_what_does_not_fit_is_named(self, kind: type[Device]) -> None:
        """A field that the kind does not have, and one that it misses, are named by their path."""
        with pytest.raises(SlipstickError, match=r"device\.no_such_field: no such field"):
            self._built({"kind": _name(kind), "no_such_field": 1})
        needed = [name for name, field in kind.model_fields.items() if field.is_required()]
        for name in needed:
            with pytest.raises(SlipstickError, match=rf"device\.{name}: is missing"):
                self._built({"kind": _name(kind)})

    def test_a_system_has_it(self, kind: type[Device]) -> None:
        """At least one system of the catalogue has such a device, frozen, and it misses nothing in its system."""
        having = [system for _, system in systems.items() if type(system.device) is kind]
        assert having
        for system in having:
            assert list(system.device.check(system)) == []
            assert system.device_as(kind) is system.device
            with pytest.raises(ValueError, match="frozen"):
                setattr(system.device, "kind", "another")  # noqa: B010  a type checker refuses it as well

    def test_its_rates_are_positive_or_unknown(self, kind: type[Device]) -> None:
        """The rate of products in a number format is above 0; None in a format that it does not multiply."""
        for _, system in systems.items():
            if type(system.device) is kind:
                assert system.device.rate_of("no such format") is None
                rates = [system.device.rate_of(text) for text in ("fp32", "bf16", "fp16", "fp8", "int8")]
                assert all(rate is None or rate > 0 for rate in rates)

    def test_an_engine_answers_for_it(self, kind: type[Device]) -> None:
        """The table of engines has an entry of `estimate` for this kind of device."""
        assert [row for row in engines() if row.verb == "estimate" and row.device == _name(kind)]

    def _built(self, device: dict[str, Any]) -> System:
        memory = {"ram": {"capacity": "1 GiB"}}
        return validate(System, {"name": "toy", "device": device, "memory": memory})


def _name(kind: type[Device]) -> str:
    return str(kind.model_fields["kind"].default)
