"""Distinct rows of integer columns, so that a sweep times each distinct kernel once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from slipstick.core.arrays import IntArray


def _distinct(columns: Sequence[NDArray[np.generic]]) -> tuple[IntArray, IntArray]:
    """Return (index of the first row of each distinct kind, kind of each row) of equally long integer columns.

    Columns are packed into one integer, because one sort of integers is many times faster than a sort of rows.

    Examples
    --------
    >>> first, kind = _distinct([np.array([8, 1, 8]), np.array([True, False, True])])
    >>> first.tolist(), kind.tolist()
    ([1, 0], [1, 0, 1])
    """
    code = np.zeros(len(columns[0]), dtype=np.int64)
    room = 1
    for column in columns:
        values = column.astype(np.int64)
        low = int(values.min())
        span = int(values.max()) - low + 1
        room *= span
        if room >= 2**62:
            values = np.unique(values, return_inverse=True)[1]
            code = np.unique(code, return_inverse=True)[1]
            low, span = 0, int(values.max()) + 1
            room = (int(code.max()) + 1) * span
        code = code * span + (values - low)
    _, first, kind = np.unique(code, return_index=True, return_inverse=True)
    return first, kind
