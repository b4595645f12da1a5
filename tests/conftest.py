"""What every test may use."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from commands import Result
from shared_data import REFERENCE, present
from slipstick.cli import run

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """The command line inside this process: quick, and a traceback would be the test's own."""

    def call(*tokens: object) -> Result:
        code = run([str(token) for token in tokens])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of reference CSV files, which are not part of the product."""
    return present(REFERENCE)
