"""Where the data is that is not part of the product: in the folder that SLIPSTICK_DATA names, or in ../shared."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

NAMED = Path(os.environ.get("SLIPSTICK_DATA") or Path(__file__).parents[2] / "shared")
SHARED = NAMED.parent if NAMED.name == "reference" else NAMED  # either may be named, as for `slipstick validate`
REFERENCE = SHARED / "reference"


def present(path: Path) -> Path:
    """Return a file or folder of the shared data; where it is absent the test is skipped, and says what is missing."""
    if not path.exists():
        pytest.skip(f"no {path}: set SLIPSTICK_DATA, or keep the data in ../shared beside the checkout")
    return path
