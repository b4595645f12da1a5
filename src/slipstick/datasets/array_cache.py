"""Disk cache of arrays that take long to compute, keyed by the checksum of their source file."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def _cache_folder() -> Path:
    """Return the cache folder: SLIPSTICK_CACHE, or `slipstick` in the user's cache folder."""
    named = os.environ.get("SLIPSTICK_CACHE")
    return Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slipstick"


def _cached(
    name: str, source: Path, shape: tuple[int, ...], make: Callable[[], NDArray[np.uint8]]
) -> NDArray[np.uint8]:
    """Return the array that `make` computes from the file `source`, memory-mapped from the cache if stored.

    Where the folder cannot be written, the array is made each time. A damaged file in it is replaced.

    Parameters
    ----------
    shape : of the array of bytes.
    """
    path = _cache_folder() / f"{name}-{_checksum(source)[:16]}.npy"
    stored = _mapped(path)
    if stored is not None and stored.shape == shape:
        return stored
    array = make()
    with contextlib.suppress(OSError):
        _write(path, array)
    return array


def _checksum(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _mapped(path: Path) -> NDArray[np.uint8] | None:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return array if isinstance(array, np.ndarray) and array.dtype == np.uint8 else None


def _write(path: Path, array: NDArray[np.uint8]) -> None:
    """Write the array to the cache atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            np.save(file, array, allow_pickle=False)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
