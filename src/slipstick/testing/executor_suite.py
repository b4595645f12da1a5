"""Conformance suite of executors: what a search requires of a `concurrent.futures.Executor`, run by pytest.

A package inherits it and gives its executor::

    class TestCluster(ExecutorSuite):
        @pytest.fixture(scope="class")
        @classmethod
        def executor(cls):
            with ClusterExecutor() as executor:
                yield executor
"""

from __future__ import annotations

from concurrent.futures import Executor, wait

import pytest

from slipstick.core.errors import SlipstickError
from slipstick.exploration import chunks
from slipstick.exploration.search_options import SearchOptions
from slipstick.exploration.space import Space
from slipstick.verbs.search import search

_PATIENCE = 120  # seconds until an answer must be here
_CHUNK = 24  # points: several chunks for each worker
_SPACE = "tp=1..8,pp=1..8,microbatch=1|2|4,recompute=none|full"


class ExecutorSuite:
    """Tests of an executor: results and errors return unchanged, each point of a search exactly once."""

    @pytest.fixture(scope="class")
    @classmethod
    def executor(cls) -> Executor:
        """Return the executor under test; a subclass overrides it."""
        raise NotImplementedError("override the fixture `executor`")

    def test_results_come_back(self, executor: Executor) -> None:
        """Each future has the result of its own call, with positional and named arguments."""
        futures = [executor.submit(_add, number, other=number) for number in range(8)]
        wait(futures, timeout=_PATIENCE)
        assert [future.result() for future in futures] == [2 * number for number in range(8)]

    def test_errors_come_back_as_they_are(self, executor: Executor) -> None:
        """Errors of a call come out of its future: the same class, the same message."""
        with pytest.raises(SlipstickError, match="there: broken"):
            executor.submit(_fail, "broken").result(timeout=_PATIENCE)

    def test_every_point_comes_once(self, executor: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
        """A search over the executor has the very points of a search in this process, in the same order."""
        monkeypatch.setattr(chunks, "CHUNK", _CHUNK)
        space = Space.of(system="h100-sxm:16..64", plan=_SPACE)
        question: SearchOptions = {"batch": 128, "sequence": 4096}
        alone = search("llama-3.1-8b", space, **question).points
        question["executor"] = executor
        assert search("llama-3.1-8b", space, **question).points.equals(alone)
        assert alone["index"].is_unique().all()
        assert len(alone) > _CHUNK


def _add(number: int, other: int = 0) -> int:
    return number + other


def _fail(text: str) -> None:
    raise SlipstickError(text, path="there", value=1)
