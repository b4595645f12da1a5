"""Every row of the table of engines passes the shipped suite."""

from __future__ import annotations

from typing import ClassVar

from slipstick.core.catalogue import resolve_system
from slipstick.core.system import System
from slipstick.engines.table import ENGINES, Engine
from slipstick.testing import EngineSuite


class TestEngines(EngineSuite):
    rows = ENGINES
    systems: ClassVar = {"array": "swis-8x8"}
    options: ClassVar = {"place": {"time_limit": 1.0}}
    axes: ClassVar = {
        "parallel.tp": (1, 2, 4),
        "parallel.pp": (1, 2),
        "parallel.microbatch": (1, 2),
        "parallel.zero": (0, 1),
        "parallel.recompute": ("none", "full"),
        "serving.prefill_devices": (0, 1, "auto"),
        "workload.batch": (1, 2, 6),
        "workload.output": (1, 8),
    }

    @classmethod
    def system(cls, engine: Engine) -> System:
        small = engine.verb == "place"  # two of eight devices: quick to prove
        return resolve_system("dgx1-v100:2") if small else super().system(engine)
