"""Data sets: labelled images as numpy arrays, split into train and test, by name or from a user's files."""

from __future__ import annotations

from slipstick.core.lazy import lazy_names

_PUBLIC = dict.fromkeys(("DataSet", "Images", "Normal"), "images") | dict.fromkeys(
    ("data_set", "names"), "find_dataset"
)

__all__ = sorted(_PUBLIC)
__getattr__ = lazy_names(__name__, _PUBLIC)
