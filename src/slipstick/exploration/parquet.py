"""Parquet files of points, written atomically, so that a killed run leaves no partial file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from slipstick.core.errors import SlipstickError
from slipstick.core.files import replacing

if TYPE_CHECKING:
    import polars


def _write_parquet(table: polars.DataFrame, path: str | Path) -> None:
    """Write a table to a parquet file atomically, through a temporary file in the same folder."""
    from polars.exceptions import ComputeError

    with replacing(path) as temporary:
        try:
            table.write_parquet(temporary)
        except ComputeError as error:  # how polars reports a full disk
            raise SlipstickError(f"cannot be written: {error}", path=str(path)) from None
