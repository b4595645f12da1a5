"""slipstick: how a neural network will run on hardware that you do not have yet."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# public name -> (module, name there): imported when it is first asked for, so that `import slipstick` costs nothing
_PUBLIC = {
    "Plan": ("core.plan", "Plan"),
    "Report": ("report.report", "Report"),
    "SlipstickError": ("core.errors", "SlipstickError"),
    "System": ("core.system", "System"),
    "Workload": ("core.workload", "Workload"),
    "adapt": ("verbs.adapt", "adapt"),
    "epochs": ("verbs.epochs", "epochs"),
    "calibrate": ("verbs.truth", "calibrate"),
    "compare": ("verbs.answers", "compare"),
    "estimate": ("verbs.answers", "estimate"),
    "list": ("verbs.listing", "list_names"),
    "network": ("engines.question", "find_network"),
    "measure": ("verbs.measure", "measure"),
    "ops": ("verbs.answers", "ops"),
    "placement": ("verbs.place", "place"),
    "Space": ("exploration.space", "Space"),
    "show": ("verbs.listing", "show"),
    "simulate": ("verbs.simulate", "simulate"),
    "system": ("engines.question", "find_system"),
    "train": ("verbs.train", "train"),
    "validate": ("verbs.truth", "validate"),
}

__all__ = sorted(_PUBLIC.keys() - {"list"})  # not `list`: `from slipstick import *` must not hide Python's own


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _PUBLIC[name]
    return getattr(import_module(f"{__name__}.{module}"), attribute)


def __dir__() -> "list[str]":
    return sorted([*globals(), *_PUBLIC])
