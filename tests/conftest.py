"""What every test may use."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
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
def training_seed() -> int:
    """The seed of every network that a test trains: SLIPSTICK_TEST_SEED, 0 by default. Any must pass."""
    return int(os.environ.get("SLIPSTICK_TEST_SEED") or 0)


@pytest.fixture(autouse=True)
def _seeded(training_seed: int) -> None:
    """Where torch is loaded, weights that a test draws don't depend on the tests before it."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(training_seed)


@pytest.fixture(scope="session", autouse=True)
def _bf16_as_asked() -> Iterator[None]:
    """With SLIPSTICK_TEST_BF16=0 training takes this for a processor without products in bf16, as most are."""
    if os.environ.get("SLIPSTICK_TEST_BF16") != "0":
        yield
        return
    from slipstick.training import evaluation

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "_BF16_PRODUCTS", ())
        yield


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of reference CSV files, which are not part of the product."""
    return present(REFERENCE)
