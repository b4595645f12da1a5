"""Executors of a search's jobs: processes of this machine, Ray here or on a cluster, or one that the user provides."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import active_children, get_context
from typing import Any, TypeVar

from slipstick.core.errors import SlipstickError

_IN_FLIGHT = 64  # jobs handed to an executor at a time

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Workers:
    """Workers that do the jobs: the user's executor, else a pool of `processes`, or this process for one."""

    executor: Executor | None = None
    processes: int = 1


def _results(
    workers: Workers, function: Callable[..., _Result], jobs: Sequence[tuple[Any, ...]]
) -> Iterator[tuple[tuple[Any, ...], _Result]]:
    """Yield (job, result) of every job as workers finish them; a job is the arguments of the function."""
    if workers.executor is not None:
        yield from _spread(workers.executor, function, jobs)
    elif workers.processes == 1 or len(jobs) < 2:
        for job in jobs:
            yield job, function(*job)
    else:
        others = set(active_children())
        with ProcessPoolExecutor(workers.processes, mp_context=get_context("spawn")) as pool:
            try:
                yield from _spread(pool, function, jobs)
            except BaseException:  # Ctrl-C above all: neither what waits nor what runs is worked off first
                pool.shutdown(wait=False, cancel_futures=True)
                for process in set(active_children()) - others:
                    process.terminate()
                raise


def _spread(
    pool: Executor, function: Callable[..., _Result], jobs: Sequence[tuple[Any, ...]]
) -> Iterator[tuple[tuple[Any, ...], _Result]]:
    """Yield jobs as the executor finishes them; only as many are submitted as keep its workers busy."""
    waiting: dict[Future[_Result], tuple[Any, ...]] = {}
    rest = iter(jobs)
    while True:
        for job in itertools.islice(rest, _IN_FLIGHT - len(waiting)):
            waiting[pool.submit(function, *job)] = job
        if not waiting:
            return
        for future in wait(waiting, return_when=FIRST_COMPLETED).done:
            yield waiting.pop(future), future.result()


@contextmanager
def _opened_executor(executor: str | Executor | None) -> Iterator[Executor | None]:
    """Yield the executor of a name, and close it afterwards; None: processes of this machine.

    Errors
    ------
    SlipstickError for another name than ``ray`` and ``ray://host:port``.
    """
    if not isinstance(executor, str) or not executor:
        yield executor or None
        return
    if executor != "ray" and not executor.startswith("ray://"):
        raise SlipstickError("no such executor", path="executor", value=executor, allowed="ray, or ray://host:port")
    from slipstick.exploration.ray_executor import RayExecutor

    with RayExecutor(None if executor == "ray" else executor) as pool:
        yield pool
