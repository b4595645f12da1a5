"""slipstick: how a neural network will run on hardware that you do not have yet."""

from typing import TYPE_CHECKING

from slipstick.core.lazy import lazy_names

__version__ = "0.1.0"

if TYPE_CHECKING:
    import builtins

    from slipstick.core.errors import SlipstickError as SlipstickError
    from slipstick.core.plan import Plan as Plan
    from slipstick.core.system import System as System
    from slipstick.core.workload import Workload as Workload
    from slipstick.engines.question import find_system as system  # noqa: F401
    from slipstick.exploration.space import Space as Space
    from slipstick.networks.find_network import network as network
    from slipstick.report.report import Report as Report
    from slipstick.verbs.adapt import adapt as adapt
    from slipstick.verbs.calibrate import calibrate as calibrate
    from slipstick.verbs.cite import cite as cite
    from slipstick.verbs.compare import compare as compare
    from slipstick.verbs.epochs import measure_epochs as epochs  # noqa: F401
    from slipstick.verbs.estimate import estimate as estimate
    from slipstick.verbs.hybrid import hybrid as hybrid
    from slipstick.verbs.list_ import list_ as list
    from slipstick.verbs.measure import measure as measure
    from slipstick.verbs.ops import ops as ops
    from slipstick.verbs.place import place as place
    from slipstick.verbs.search import search as search
    from slipstick.verbs.show import show as show
    from slipstick.verbs.simulate import simulate as simulate
    from slipstick.verbs.train import train as train
    from slipstick.verbs.validate import validate as validate

# public name -> module: imported when it is first asked for, so that `import slipstick` costs nothing
_PUBLIC = {
    "Plan": "core.plan",
    "Report": "report.report",
    "SlipstickError": "core.errors",
    "Space": "exploration.space",
    "System": "core.system",
    "Workload": "core.workload",
    "adapt": "verbs.adapt",
    "calibrate": "verbs.calibrate",
    "cite": "verbs.cite",
    "compare": "verbs.compare",
    "epochs": "verbs.epochs:measure_epochs",
    "estimate": "verbs.estimate",
    "hybrid": "verbs.hybrid",
    "list": "verbs.list_:list_",
    "measure": "verbs.measure",
    "network": "networks.find_network",
    "ops": "verbs.ops",
    "place": "verbs.place",
    "search": "verbs.search",
    "show": "verbs.show",
    "simulate": "verbs.simulate",
    "system": "engines.question:find_system",
    "train": "verbs.train",
    "validate": "verbs.validate",
}

__all__ = sorted(_PUBLIC.keys() - {"list"})  # not `list`: `from slipstick import *` must not hide Python's own
__getattr__ = lazy_names(__name__, _PUBLIC)


def __dir__() -> "builtins.list[str]":
    """Return the public names."""
    return sorted([*_PUBLIC, "__version__"])
