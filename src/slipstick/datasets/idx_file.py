"""Reader of idx files, plain or gzipped: the format of MNIST and Fashion-MNIST."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray

from slipstick.core.errors import SlipstickError

_UNSIGNED_BYTE = 8  # the type code of idx's third byte
_MAX_DIMENSIONS = 4
_PIECE_BYTES = 2**20  # read at once
_MAX_ARRAY_BYTES = 2**30  # unpacked: EMNIST, the largest set in this format, has 0.6 GB


def _read_idx(path: str | Path) -> NDArray[np.uint8]:
    """Return the array of bytes in an idx file.

    Errors
    ------
    SlipstickError for another type than bytes, a header that disagrees with the length, more than 1 GiB, or a file that
    is missing or no idx file.
    """
    path = Path(path)
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            shape = _header(cast("IO[bytes]", file), str(path))
            size = math.prod(shape)
            raw = b"".join(_pieces(cast("IO[bytes]", file), size + 1))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SlipstickError(f"not a whole gzip file: {error}", path=str(path)) from None
    except OSError as error:
        raise SlipstickError(error.strerror or "cannot be read", path=str(path)) from None
    if len(raw) != size:
        length = f"more than {size}" if len(raw) > size else str(len(raw))
        raise SlipstickError(f"the header says {size} bytes, the file holds {length}", path=str(path))
    return np.frombuffer(raw, np.uint8).reshape(shape)


def _pieces(file: IO[bytes], size: int) -> Iterator[bytes]:
    """Yield the contents in pieces of at most `size` bytes, so that memory is taken only for bytes that exist."""
    while size > 0 and (piece := file.read(min(size, _PIECE_BYTES))):
        size -= len(piece)
        yield piece


def _header(file: IO[bytes], path: str) -> tuple[int, ...]:
    magic = file.read(4)
    if len(magic) != 4 or magic[:2] != b"\0\0" or not 1 <= magic[3] <= _MAX_DIMENSIONS:
        raise SlipstickError("not an idx file", path=path, value=magic.hex(" "))
    if magic[2] != _UNSIGNED_BYTE:
        raise SlipstickError(
            "the idx file does not hold unsigned bytes", path=path, value=hex(magic[2]), allowed=hex(_UNSIGNED_BYTE)
        )
    raw = file.read(4 * magic[3])
    if len(raw) != 4 * magic[3]:
        raise SlipstickError("the idx file ends within its header", path=path)
    shape = tuple(int(size) for size in np.frombuffer(raw, ">u4"))
    if math.prod(shape) > _MAX_ARRAY_BYTES:
        raise SlipstickError(
            f"{math.prod(shape)} bytes is too large", path=path, allowed=f"at most {_MAX_ARRAY_BYTES} bytes"
        )
    return shape
