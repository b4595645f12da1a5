"""Files of golden vectors: NPZ, hex for $readmemh and CSV of each array, layers.json, README, and the reference.

Names of files are the package's own: names of layers and formats stand in layers.json, and in the README without
special characters.
"""

from __future__ import annotations

import ast
import io
import itertools
import json
import re
from collections.abc import Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.core.errors import SlipstickError
from slipstick.core.version import __version__

if TYPE_CHECKING:
    from slipstick.array.golden.golden_layer import GoldenLayer, VectorArray
    from slipstick.core.arrays import AnyArray

_MAX_VALUES = 2**20  # of all arrays: about 50 MB of text
_REFERENCES = {
    "stochastic": "stochastic_reference", "approximate": "table_reference", "analog": "analog_reference",
}  # fmt: skip
_SHOWN = 60  # characters of a layer's name in the README
_PRODUCTS = "products"  # array of a multiplier, written once for all layers that have it
_ABOUT = {
    "inputs": "inputs of the layer, without padding",
    "weights": "weights",
    "sums": "expected result: counts, codes or sums of products, before any scale",
    "outputs": "which outputs are traced: image, filter, row, column",
    "input_streams": "streams that the traced outputs' inputs become; the first cycle is the lowest bit",
    "weight_streams": "streams of their weights",
    "positive": "products of positive sign counted in each cycle",
    "negative": "products of negative sign counted in each cycle",
    "inputs_numbers": "random numbers that levels of inputs are compared with",
    "weights_numbers": "random numbers that levels of weights are compared with",
    "inputs_draws": "draws of streams with exactly as many ones as the level, of inputs",
    "weights_draws": "the same of weights",
    "drawn_taps": "tap that the multiplexer lets through",
    "products": "table of the multiplier: a row for each bit pattern of an input",
    "tap_products": "products of all taps of the traced outputs, with their signs",
    "thresholds": "least magnitude of a sum that has this code or a higher one, from code 1 up",
    "partial_sums": "sums of single arrays before their converter, of the traced outputs",
    "codes": "codes of these sums",
}


def vector_files(layers: Sequence[GoldenLayer], family: str, title: str) -> dict[str, bytes]:
    """Return the files of a folder of golden vectors: relative name -> content.

    Errors
    ------
    SlipstickError for more than 2**20 values.
    """
    files: dict[str, bytes] = {"reference.py": _reference(family).encode()}
    entries: list[dict[str, Any]] = []
    tables: dict[bytes, str] = {}
    values = 0
    for number, layer in enumerate(layers):
        folder, arrays, products_in = f"layer{number:02d}", dict(layer.arrays), ""
        if _PRODUCTS in arrays:
            products_in = tables.setdefault(arrays[_PRODUCTS].values.tobytes(), folder)
            if products_in != folder:
                del arrays[_PRODUCTS]
        values += sum(array.values.size for array in arrays.values())
        check_size(values)
        entries.append(_entry(layer, folder, products_in, arrays))
        room = io.BytesIO()
        narrow: dict[str, Any] = {name: _narrow(array) for name, array in arrays.items()}
        np.savez_compressed(room, **narrow)
        files[f"{folder}/vectors.npz"] = room.getvalue()
        for name, array in arrays.items():
            files[f"{folder}/{name}.csv"] = _csv(array).encode()
            if array.bits:
                files[f"{folder}/{name}.hex"] = _hex(name, array).encode()
    about = {"slipstick": __version__, "network": title, "layers": entries}
    files["layers.json"] = (json.dumps(about, indent=1) + "\n").encode("ascii")
    files["README.md"] = _readme(title, layers, entries).encode("ascii")
    return files


def check_size(values: int) -> None:
    """Raise SlipstickError for more values than a folder of golden vectors holds."""
    if values > _MAX_VALUES:
        allowed = f"up to {_MAX_VALUES}: fewer --layers, --images or --trace"
        raise SlipstickError("too many values for golden vectors", path="layers", value=values, allowed=allowed)


def _entry(layer: GoldenLayer, folder: str, products_in: str, arrays: dict[str, VectorArray]) -> dict[str, Any]:
    """Return a layer's entry of layers.json."""
    return {
        "folder": folder, "name": layer.name, "format": layer.form.name, "arithmetic": dict(layer.arguments),
        "full": dict(zip(("inputs", "weights"), layer.full, strict=True)), "value": layer.value,
        "input_scale": layer.input_scale, "weight_steps": list(layer.weight_steps),
        "stride": layer.window.stride, "padding": layer.window.padding, "dilation": layer.window.dilation,
        "groups": layer.window.groups, "products_in": products_in,
        "arrays": {
            name: {
                "shape": array.values.shape, "axes": array.axes, "bits": array.bits, "signed": array.signed,
                "packed": array.packed, "what": _ABOUT[name],
            }
            for name, array in arrays.items()
        },
    }  # fmt: skip


def _narrow(array: VectorArray) -> AnyArray:
    """Return the values in the narrowest integers that hold their words; real numbers as they are."""
    if not array.bits or array.packed:
        return array.values
    kinds = (np.int8, np.int16, np.int32, np.int64) if array.signed else (np.uint8, np.uint16, np.uint32, np.uint64)
    return array.values.astype(next(kind for kind in kinds if np.iinfo(kind).bits >= array.bits))


def _words(array: VectorArray) -> list[int]:
    """Return the values as unsigned words, in the order of the axes; packed ones with their last axis as bits."""
    if array.packed:
        rows = array.values.reshape(-1, array.values.shape[-1])
        return [int.from_bytes(row.tobytes(), "little") for row in np.packbits(rows, axis=1, bitorder="little")]
    return [int(value) & (1 << array.bits) - 1 for value in array.values.ravel()]


def _hex(name: str, array: VectorArray) -> str:
    kind = "a bit a cycle" if array.packed else "two's complement" if array.signed else "unsigned"
    axes = array.axes[:-1] if array.packed else array.axes
    digits = -(-array.bits // 4)
    lines = [f"// {name}: {array.bits} bits, {kind}; {', '.join(axes)}, the last fastest"]
    return "\n".join([*lines, *(f"{word:0{digits}x}" for word in _words(array)), ""])


def _csv(array: VectorArray) -> str:
    """Return a line for each value: its place on every axis, and the value; of a stream its bits, first cycle first."""
    shape = array.values.shape[:-1] if array.packed else array.values.shape
    axes = array.axes[: len(shape)]
    if array.packed:
        bits = array.values.reshape(-1, array.values.shape[-1]).astype(int)
        cells = ["".join(map(str, row)) for row in bits.tolist()]
    else:
        cells = [repr(value) for value in array.values.ravel().tolist()]
    places = itertools.product(*map(range, shape))
    lines = [",".join([*map(str, place), cell]) for place, cell in zip(places, cells, strict=True)]
    return "\n".join([",".join([*axes, "bits" if array.packed else "value"]), *lines, ""])


def _reference(family: str) -> str:
    """Return the stand-alone reference of a family: its module and the check, with one docstring and one head."""
    (about, own), (check_about, check) = _parts(_REFERENCES[family]), _parts("reference_check")
    head = "from __future__ import annotations\n\nimport json\nimport pathlib\nimport sys\n"
    head += "from collections.abc import Callable\nfrom typing import Any\n\nimport numpy as np\n"
    main = 'if __name__ == "__main__":\n    sys.exit(check(pathlib.Path(__file__).resolve().parent, expected))\n'
    return f'"""{about}\n\n{check_about}\n"""\n\n{head}{own.rstrip()}\n\n\n{check.strip()}\n\n\n{main}'


def _parts(module: str) -> tuple[str, str]:
    """Return the docstring of a module beside this one, and what stands behind its imports."""
    text = resources.files("slipstick.array.golden").joinpath(f"{module}.py").read_text("utf-8")
    about = ast.get_docstring(ast.parse(text), clean=False) or ""
    return about.strip(), text.partition("import numpy as np\n")[2]


def _readme(title: str, layers: Sequence[GoldenLayer], entries: Sequence[dict[str, Any]]) -> str:
    template = resources.files("slipstick.array.golden").joinpath("README.md").read_text("ascii")
    rows = [
        f"| {entry['folder']} | {_plain(layer.name)} | {_plain(layer.form.name)} | "
        + " | ".join("x".join(map(str, layer.arrays[name].values.shape)) for name in ("inputs", "weights", "sums"))
        + f" | {layer.arrays['sums'].bits} | {layer.value:.9g} |"
        for layer, entry in zip(layers, entries, strict=True)
    ]
    names = dict.fromkeys(name for entry in entries for name in entry["arrays"])
    about = [f"- `{name}`: {_ABOUT[name]}" for name in names]
    places = {"TITLE": _plain(title), "LAYERS": "\n".join(rows), "ARRAYS": "\n".join(about)}
    return re.sub("@([A-Z]+)@", lambda match: places[match[1]], template)


def _plain(text: str) -> str:
    """Return a stranger's text without characters that Markdown or a terminal reads."""
    return re.sub(r"[^\w .,:;=/@()-]", "?", text, flags=re.ASCII)[:_SHOWN]
