"""Progress callback of long work: called with (steps_done, steps_total, label)."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int, str], None]  # (steps_done, steps_total, label)
