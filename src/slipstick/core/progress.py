"""Progress callback of long work: a bar on a terminal, or the user's own."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int, str], None]  # called with (steps done, steps in all, label)
