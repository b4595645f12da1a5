"""Check of golden vectors: every file says the same, and the reference computes what they say.

Run in the folder of the vectors: ``python reference.py``. It needs numpy alone, prints a line for each array, and exits
with 1 where a value differs.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np


def read_hex(path: pathlib.Path, array: Any) -> Any:
    """Return the values of a file for $readmemh: two's complement where they are signed, one a line."""
    lines = [line for line in path.read_text("ascii").splitlines() if not line.startswith("//")]
    words = np.array([int(line, 16) for line in lines], object)
    if array["signed"]:
        words = np.where(words >= 2 ** (array["bits"] - 1), words - 2 ** array["bits"], words)
    if array["packed"]:  # a stream a line, its first cycle in the lowest bit
        words = np.array([[word >> cycle & 1 for cycle in range(array["bits"])] for word in words], object)
    return words.ravel()


def read_csv(path: pathlib.Path, array: Any) -> Any:
    """Return the last column of a CSV file: the values, or the bits of a stream."""
    cells = [line.rpartition(",")[2] for line in path.read_text("ascii").splitlines()[1:]]
    return np.array([list(cell) for cell in cells] if array["packed"] else cells).astype(float).ravel()


def reader(layer: Any) -> Callable[[int, int, int, int], Any]:
    """Return the function that gives, of a filter's tap, which padded inputs all outputs read: [images, rows, columns].

    Parameters
    ----------
    layer : with `weights` [filters, channels / groups, rows, columns] and the shape of its sums.
    """
    filters, channels = layer["weights"].shape[:2]
    (down, right), (row_gap, column_gap) = layer["stride"], layer["dilation"]
    rows, columns = layer["shape"][2:]

    def read(n: int, channel: int, row: int, column: int) -> Any:
        top, left = row * row_gap, column * column_gap
        vertical = slice(top, top + (rows - 1) * down + 1, down)
        horizontal = slice(left, left + (columns - 1) * right + 1, right)
        return slice(None), n // (filters // layer["groups"]) * channels + channel, vertical, horizontal

    return read


def loaded(root: pathlib.Path, layer: Any) -> Any:
    """Return a layer of layers.json with its arrays and padded inputs, as the reference takes it."""
    arrays = dict(np.load(root / layer["folder"] / "vectors.npz"))
    if layer["products_in"]:
        arrays["products"] = np.load(root / layer["products_in"] / "vectors.npz")["products"]
    wide = {name: values.astype(np.int64) if values.dtype.kind in "iu" else values for name, values in arrays.items()}
    full = {**layer, **layer["arithmetic"], **wide, "shape": arrays["sums"].shape}
    full["padded"] = np.pad(full["inputs"], ((0, 0), (0, 0), *layer["padding"]))
    return full | {"read": reader(full)}


def check(root: pathlib.Path, expected: Callable[[Any], Any]) -> int:
    """Print how many values of every file agree; return 1 where one does not, else 0.

    Parameters
    ----------
    expected : from a layer to its computed arrays by name.
    """
    wrong = 0
    for layer in json.loads((root / "layers.json").read_text("ascii"))["layers"]:
        folder, values = root / layer["folder"], np.load(root / layer["folder"] / "vectors.npz")
        computed = expected(loaded(root, layer))
        for name, array in layer["arrays"].items():
            own = values[name].ravel()
            others = {".csv": read_csv(folder / f"{name}.csv", array)}
            if array["bits"]:
                others[".hex"] = read_hex(folder / f"{name}.hex", array)
            if name in computed:
                others[" computed"] = computed[name].ravel()
            for kind, other in others.items():
                same = int((own == other).sum()) if own.shape == other.shape else 0
                wrong += own.size - same if own.shape == other.shape else max(own.size, 1)
                print(f"{layer['folder']} {name}{kind}: {same} of {own.size} agree")
    print("all agree" if not wrong else f"{wrong} values differ")
    return int(wrong > 0)
