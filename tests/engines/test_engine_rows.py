"""Every row of the table of engines passes the shipped suite."""

from __future__ import annotations

from importlib.util import find_spec
from typing import ClassVar

import numpy as np

from commands import ROOT
from slipstick.core.catalogue import resolve_system
from slipstick.core.system import THIS_MACHINE, System
from slipstick.datasets.images import DataSet, Images
from slipstick.engines.question import WEIGHTED
from slipstick.engines.table import ENGINES, Engine
from slipstick.testing import EngineSuite

_TOOLS = all(find_spec(name) for name in ("tflite", "numba", "ziglang", "unicorn"))  # of networks with weights
# golden vectors take a network in real numbers, which no file of the repository is: tests/verbs/test_emit_vectors.py
_OF_REAL_NUMBERS = ("emit", "dot-product")


def _pictures() -> DataSet:
    """Return drawn pictures of the size that small.tflite takes."""
    images = Images(np.random.default_rng(0).integers(0, 256, (8, 9, 8, 3)).astype(np.uint8), np.arange(8) % 5)
    return DataSet("pictures", images, images, ("a", "b", "c", "d", "e"))


class TestEngines(EngineSuite):
    rows = tuple(
        engine
        for engine in ENGINES
        if (_TOOLS or WEIGHTED not in engine.networks) and (engine.verb, engine.device) != _OF_REAL_NUMBERS
    )
    systems: ClassVar = {"array": "swis-8x8", "board": "nucleo-f446", "host": THIS_MACHINE}
    networks: ClassVar = {**EngineSuite.networks, "trained": str(ROOT / "examples" / "data" / "small.tflite")}
    options: ClassVar = {"place": {"time_limit": 1.0}, "measure host": {"data": _pictures()}}
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
