"""Parquet files of points, written atomically, so that a killed run leaves no partial file."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars


def _write_parquet(table: polars.DataFrame, path: str | Path) -> None:
    """Write a table to a parquet file atomically, through a temporary file in the same folder."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        table.write_parquet(temporary)
        os.chmod(temporary, 0o644)  # as open() would have made it
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
