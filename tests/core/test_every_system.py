"""Every system of the catalogue and every kind of device pass the shipped suites."""

from __future__ import annotations

from slipstick.core.catalogue import systems
from slipstick.core.device import device_kinds
from slipstick.testing import DeviceSuite, SystemSuite


class TestDevices(DeviceSuite):
    kinds = tuple(device_kinds().values())


class TestSystems(SystemSuite):
    systems = tuple(systems.names())
