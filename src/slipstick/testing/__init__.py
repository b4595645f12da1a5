"""Conformance suites: pytest classes that a package inherits for its own members of a noun; our own tests run the same.

A suite has a test method for each truth; whoever inherits it says which members are tried::

    # tests/test_crossbar.py of a package of its own
    from slipstick.testing import DeviceSuite, SystemSuite
    from slipstick_crossbar.device import Crossbar

    class TestCrossbar(DeviceSuite):
        kinds = (Crossbar,)

    class TestSystems(SystemSuite):
        systems = ("crossbar-256",)

The page "add your own, from a package of your own" of the documentation shows all of it on an example package.
"""

from typing import TYPE_CHECKING

from slipstick.core.extras import require
from slipstick.core.lazy import lazy_names

if TYPE_CHECKING:
    from slipstick.testing.arithmetic_suite import ArithmeticSuite as ArithmeticSuite
    from slipstick.testing.device_suite import DeviceSuite as DeviceSuite
    from slipstick.testing.encoding_suite import EncodingSuite as EncodingSuite
    from slipstick.testing.engine_suite import EngineSuite as EngineSuite
    from slipstick.testing.executor_suite import ExecutorSuite as ExecutorSuite
    from slipstick.testing.network_suite import NetworkSuite as NetworkSuite
    from slipstick.testing.solver_suite import SolverSuite as SolverSuite
    from slipstick.testing.system_suite import SystemSuite as SystemSuite
    from slipstick.testing.topology_suite import TopologySuite as TopologySuite
    from slipstick.testing.trained_network_suite import TrainedNetworkSuite as TrainedNetworkSuite

_PUBLIC = {
    "ArithmeticSuite": "arithmetic_suite",
    "DeviceSuite": "device_suite",
    "EncodingSuite": "encoding_suite",
    "EngineSuite": "engine_suite",
    "ExecutorSuite": "executor_suite",
    "NetworkSuite": "network_suite",
    "SolverSuite": "solver_suite",
    "SystemSuite": "system_suite",
    "TopologySuite": "topology_suite",
    "TrainedNetworkSuite": "trained_network_suite",
}

# a failing assert of a suite then shows its values, as one of a test file does
require("pytest", "testing").register_assert_rewrite(*(f"{__name__}.{module}" for module in _PUBLIC.values()))

__all__ = sorted(_PUBLIC)
__getattr__ = lazy_names(__name__, _PUBLIC)
