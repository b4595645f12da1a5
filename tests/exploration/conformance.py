"""What a search asks of an executor. A third party runs it on its own: ``check_executor(executor)``."""

from __future__ import annotations

from concurrent.futures import Executor, wait

import pytest

from slipstick.core.errors import SlipstickError
from slipstick.exploration import chunks
from slipstick.exploration.search_options import SearchOptions
from slipstick.exploration.space import Space
from slipstick.verbs.search import search

SPACE = Space.of(system="h100-sxm:16..64", plan="tp=1..8,pp=1..8,microbatch=1|2|4,recompute=none|full")
CHUNK = 24  # points: several chunks for each worker


def add(a: int, b: int = 0) -> int:
    return a + b


def fail(text: str) -> None:
    raise SlipstickError(text, path="there", value=1)


def results_come_back(executor: Executor) -> None:
    futures = [executor.submit(add, n, b=n) for n in range(8)]
    wait(futures, timeout=120)
    assert [future.result() for future in futures] == [2 * n for n in range(8)]


def errors_come_back_as_they_are(executor: Executor) -> None:
    with pytest.raises(SlipstickError, match="there: broken"):
        executor.submit(fail, "broken").result(timeout=120)


def every_point_comes_once(executor: Executor) -> None:
    question: SearchOptions = {"batch": 128, "sequence": 4096}
    chunk, chunks.CHUNK = chunks.CHUNK, CHUNK
    try:
        alone = search("llama-3.1-8b", SPACE, **question).points
        assert search("llama-3.1-8b", SPACE, executor=executor, **question).points.equals(alone)
    finally:
        chunks.CHUNK = chunk
    assert alone["index"].is_unique().all()


CHECKS = [results_come_back, errors_come_back_as_they_are, every_point_comes_once]


def check_executor(executor: Executor) -> None:
    for check in CHECKS:
        check(executor)
