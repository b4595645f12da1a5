"""Ray executor: chunks of a search on a cluster's machines, run again if a machine is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from types import TracebackType
from typing import Any

from slipstick.core.extras import require

_RETRIES = 16  # times that a task is started again on another machine


class RayExecutor(Executor):
    """Executor that runs calls as Ray tasks of one CPU each; the task of a lost machine is run again elsewhere.

    Parameters
    ----------
    address : ``ray://host:port`` of a cluster, ``auto`` for the one that this machine is part of, None for a local one.

    Errors
    ------
    SlipstickError if Ray is not installed. What a task raises comes out of its future.
    """

    def __init__(self, address: str | None = None) -> None:
        self._ray = require("ray", "ray")
        self._own = not self._ray.is_initialized()
        if self._own:
            self._ray.init(address=address, include_dashboard=False, log_to_driver=False, configure_logging=False)
        self._run = self._ray.remote(max_retries=_RETRIES, num_cpus=1)(_call)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Submit a call to the cluster and return its future."""
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        reference = self._run.remote(fn, args, kwargs)

        def fetch() -> None:
            try:
                future.set_result(self._ray.get(reference))
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=fetch, daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Disconnect from the cluster, if this executor connected to it."""
        if self._own and self._ray.is_initialized():
            self._ray.shutdown()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        self.shutdown()
        return None


def _call(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return fn(*args, **kwargs)
