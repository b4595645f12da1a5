"""Where the files of a data set lie, and what to say when they lie nowhere."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from slipstick.core.errors import SlipstickError

VARIABLE = "SLIPSTICK_DATA"
SYSTEM = Path("/usr/share/datasets")  # where Debian's packages put data sets


def roots(root: str | Path | None = None) -> list[Path]:
    """Return the folders to look in: of `root`, else of SLIPSTICK_DATA, with their `data`; then the system's.

    SLIPSTICK_DATA may also name the folder `reference` beside `data`, as for ``slipstick validate``.
    """
    named = root if root is not None else os.environ.get(VARIABLE)
    if not named:
        return [SYSTEM]
    folder = Path(named).expanduser()
    folder = folder.parent if folder.name == "reference" else folder
    return [folder, folder / "data", SYSTEM]


def find(name: str, places: Iterable[str], *, root: str | Path | None, how: str) -> Path:
    """Return the first of the files or folders `places` that is in one of the `roots`.

    Errors
    ------
    SlipstickError saying what was looked for, in which folders, and `how` to get it.
    """
    places, folders = tuple(places), roots(root)
    for folder in folders:
        for place in places:
            if (folder / place).exists():
                return folder / place
    looked = ", ".join(str(folder) for folder in folders)
    unset = "" if root is not None or os.environ.get(VARIABLE) else f" ({VARIABLE} is not set)"
    raise SlipstickError(f"no {' or '.join(places)} in {looked}{unset}; {how}", path=f"data set {name}")
