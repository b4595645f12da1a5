"""slipstick: how a neural network will run on hardware that you do not have yet."""

from typing import TYPE_CHECKING

from slipstick.core.lazy import lazy_names
from slipstick.core.version import __version__ as __version__

if TYPE_CHECKING:
    import builtins

    from slipstick.compress.adapt_options import CalibrationImages as CalibrationImages
    from slipstick.compress.adapt_options import Retraining as Retraining
    from slipstick.compress.adapt_options import ShiftSchedule as ShiftSchedule
    from slipstick.core.errors import SlipstickError as SlipstickError
    from slipstick.core.plan import Plan as Plan
    from slipstick.core.system import System as System
    from slipstick.core.workload import Workload as Workload
    from slipstick.engines.question import find_network as network  # noqa: F401
    from slipstick.engines.question import find_system as system  # noqa: F401
    from slipstick.exploration.space import Space as Space
    from slipstick.report.report import Report as Report
    from slipstick.trained.open import open_network as open_network
    from slipstick.verbs.adapt import adapt as adapt
    from slipstick.verbs.calibrate import calibrate as calibrate
    from slipstick.verbs.cite import cite as cite
    from slipstick.verbs.compare import compare as compare
    from slipstick.verbs.epochs import epochs as epochs
    from slipstick.verbs.estimate import estimate as estimate
    from slipstick.verbs.hybrid import hybrid as hybrid
    from slipstick.verbs.list_ import list_

    list = list_  # `import ... as list` would not be exported
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
    "CalibrationImages": "compress.adapt_options",
    "Plan": "core.plan",
    "Report": "report.report",
    "Retraining": "compress.adapt_options",
    "ShiftSchedule": "compress.adapt_options",
    "SlipstickError": "core.errors",
    "Space": "exploration.space",
    "System": "core.system",
    "Workload": "core.workload",
    "adapt": "verbs.adapt",
    "calibrate": "verbs.calibrate",
    "cite": "verbs.cite",
    "compare": "verbs.compare",
    "epochs": "verbs.epochs",
    "estimate": "verbs.estimate",
    "hybrid": "verbs.hybrid",
    "list": "verbs.list_:list_",
    "measure": "verbs.measure",
    "network": "engines.question:find_network",
    "open_network": "trained.open",
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
