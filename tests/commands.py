"""The root of the checkout, and what one command did: for tests of the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Result:
    """Exit code, standard output and standard error of one command."""

    code: int
    out: str
    err: str
