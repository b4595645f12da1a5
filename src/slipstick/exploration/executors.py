"""Executors by name: Ray on this machine or a cluster, or an executor that the user provides."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from slipstick.core.errors import SlipstickError


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
