"""Where the reference data is, if it is here at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data that is not part of the product."""
    folder = Path(os.environ.get("SLIPSTICK_DATA", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip("no reference data: set SLIPSTICK_DATA, or keep it in ../shared beside the checkout")
    return folder
