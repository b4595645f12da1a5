"""Reader of npz files: sizes are checked before memory is taken, and nothing in the file is executed."""

from __future__ import annotations

import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from slipstick.core.errors import SlipstickError

_MAX_ARRAY_BYTES = 2**30
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    tokenize.TokenError,
    EOFError,
    NotImplementedError,  # a compression that zipfile does not know
    RuntimeError,  # an encrypted entry
    SyntaxError,
    OverflowError,
    ValueError,
)


def _read_npz(path: str | Path, array_kinds: Mapping[str, tuple[str, int]]) -> dict[str, NDArray[Any]]:
    """Return the arrays of an npz file that `array_kinds` names, each with its dtype and number of dimensions.

    Errors
    ------
    SlipstickError for a missing array, another dtype or number of dimensions, an array of more than 1 GiB, a header
    that disagrees with its length, or a file that is no zip file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return {name: _array(archive, name, *kind, where=f"{path}: {name}") for name, kind in array_kinds.items()}
    except BROKEN as error:
        raise SlipstickError(f"not a usable npz file: {error}", path=str(path)) from None
    except OSError as error:
        raise SlipstickError(error.strerror or "cannot be read", path=str(path)) from None


def _array(archive: zipfile.ZipFile, name: str, dtype: str, dimensions: int, *, where: str) -> NDArray[Any]:
    try:
        entry = archive.getinfo(f"{name}.npy")
    except KeyError:
        names = [other.removesuffix(".npy") for other in archive.namelist()]
        raise SlipstickError("no such array", path=where, allowed=names or "an npz file with arrays") from None
    with archive.open(entry) as file:
        shape, stored, fortran = _header(file)
        if stored != np.dtype(dtype) or len(shape) != dimensions or fortran:
            raise SlipstickError(f"{stored} of shape {shape}", path=where, allowed=f"{dtype}, {dimensions} dimensions")
        size = math.prod(shape) * stored.itemsize
        if size > _MAX_ARRAY_BYTES:
            raise SlipstickError(f"{size} bytes is too large", path=where, allowed=f"at most {_MAX_ARRAY_BYTES} bytes")
        raw = file.read(size + 1)
    if len(raw) != size:
        raise SlipstickError(f"its header says {size} bytes, the array holds another number", path=where)
    return np.frombuffer(raw, stored).reshape(shape)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"npy version {version}")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("an array of Python objects")
    if any(size < 0 for size in shape):
        raise ValueError(f"shape {shape}")
    return shape, dtype, fortran
