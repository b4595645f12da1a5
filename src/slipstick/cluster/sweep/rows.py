"""Rows of dataclasses whose fields are arrays: the same points taken from every field."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Self

from slipstick.core.arrays import IntArray


class _Rows:
    """Dataclass of equally long arrays, one row a plan or a point."""

    def take(self, index: IntArray | slice) -> Self:
        """Return the rows at `index`."""
        columns: dict[str, Any] = {field.name: getattr(self, field.name)[index] for field in fields(self)}  # type: ignore[arg-type]
        return type(self)(**columns)
