"""Look-up of a data set's files in the folders where data sets are stored."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from slipstick.core.errors import SlipstickError

_VARIABLE = "SLIPSTICK_DATA"
_SYSTEM_FOLDER = Path("/usr/share/datasets")  # of Debian's packages with data sets


def _roots(root: str | Path | None = None) -> list[Path]:
    """Return the folders to search: `root`, else SLIPSTICK_DATA, each with its `data`; then the system's folders.

    SLIPSTICK_DATA may also name the folder `reference` beside `data`, as for ``slipstick validate``.
    """
    named = root if root is not None else os.environ.get(_VARIABLE)
    if not named:
        return [_SYSTEM_FOLDER]
    folder = Path(named).expanduser()
    folder = folder.parent if folder.name == "reference" else folder
    return [folder, folder / "data", _SYSTEM_FOLDER]


def _find_files(name: str, places: Iterable[str], *, root: str | Path | None, cure: str) -> Path:
    """Return the first existing file or folder of `places` below `root`, SLIPSTICK_DATA, or the system's folders.

    Parameters
    ----------
    name : of the data set, for errors.
    cure : the instruction for getting the files, for errors.

    Errors
    ------
    SlipstickError with the files, the folders that were searched, and the cure.
    """
    places, folders = tuple(places), _roots(root)
    for folder in folders:
        for place in places:
            if (folder / place).exists():
                return folder / place
    searched = ", ".join(str(folder) for folder in folders)
    unset = "" if root is not None or os.environ.get(_VARIABLE) else f" ({_VARIABLE} is not set)"
    raise SlipstickError(f"no {' or '.join(places)} in {searched}{unset}; {cure}", path=f"data set {name}")
