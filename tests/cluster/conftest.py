"""What the tests of the cluster model share."""

from __future__ import annotations

import pytest

from slipstick.core.catalogue import resolve_system
from slipstick.core.system import System
from slipstick.core.workload import Workload
from slipstick.networks.find_network import network


@pytest.fixture(scope="session")
def gpt22b() -> Workload:
    """The 22B model of Korthikanti et al., on a batch that many plans divide."""
    return Workload(network=network("GPT-22B"), batch=64, sequence=2048)


@pytest.fixture(scope="session")
def a100s() -> System:
    """64 A100s in nodes of 8."""
    return resolve_system("a100-sxm-80gb:64")
