"""Where the reference data is, if it is here at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared_data import SHARED, present


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data that is not part of the product."""
    return present(SHARED)
