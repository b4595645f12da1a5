"""Arrays that took long to make, kept in the user's cache folder under the checksum of what they were made from."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def cache_folder() -> Path:
    """Return SLIPSTICK_CACHE, or `slipstick` in the user's cache folder."""
    named = os.environ.get("SLIPSTICK_CACHE")
    return Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slipstick"


def cached(name: str, source: Path, shape: tuple[int, ...], make: Callable[[], NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return what `make` made from the file `source`: bytes of `shape`, mapped from the cache after the first time.

    Where the folder cannot be written, the array is made each time. A damaged file in it is made anew.
    """
    path = cache_folder() / f"{name}-{checksum(source)[:16]}.npy"
    found = _mapped(path)
    if found is not None and found.shape == shape:
        return found
    made = make()
    with contextlib.suppress(OSError):
        _write(path, made)
    return made


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _mapped(path: Path) -> NDArray[np.uint8] | None:
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found if isinstance(found, np.ndarray) and found.dtype == np.uint8 else None


def _write(path: Path, array: NDArray[np.uint8]) -> None:
    """Write whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            np.save(file, array, allow_pickle=False)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
