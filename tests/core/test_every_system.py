"""Every system of the catalogue and every kind of device pass the shipped suites."""

from __future__ import annotations

import pytest

import slipstick
from slipstick.core.catalogue import systems
from slipstick.core.device import device_kinds
from slipstick.core.errors import SlipstickError
from slipstick.core.system import THIS_MACHINE
from slipstick.engines.table import engines
from slipstick.testing import DeviceSuite, SystemSuite


class TestDevices(DeviceSuite):
    kinds = tuple(kind for kind in device_kinds().values() if kind.stated)


def test_the_machine_at_hand_states_nothing_and_measures() -> None:
    assert [name for name, kind in device_kinds().items() if not kind.stated] == ["host"]
    assert {row.verb for row in engines() if row.device == "host"} == {"measure"}
    assert (THIS_MACHINE.memory, THIS_MACHINE.power, THIS_MACHINE.price) == ({}, None, None)
    with pytest.raises(SlipstickError, match="this machine is a host, which `estimate` does not answer for"):
        slipstick.estimate("resnet-8", THIS_MACHINE)


class TestSystems(SystemSuite):
    systems = tuple(systems.names())
