"""Inputs of the stored questions: measured rows, a curve of epochs, pictures, ONNX networks, trained weights."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

Train = Callable[[Path], None]


def make_inputs(cache: Path, train: Train | None) -> None:
    """Make the inputs that are missing: the same files serve the stored answers and every later check.

    `train` writes the trained weights that a file is named after; None leaves them, and the fitted network, out.
    """
    cache.mkdir(parents=True, exist_ok=True)
    makers = {"rows.csv": write_rows, "epochs.csv": write_epochs, "pictures": write_pictures, "graph.onnx": write_graph}
    if train is not None:
        makers |= {"digits.onnx": write_digits_network}
        makers |= {f"{net}.safetensors": train for net in ("resnet-8", "mlp")}
    for name, make in makers.items():
        if not (cache / name).exists():
            make(cache / name)


def write_rows(path: Path) -> None:
    """Write training steps of one device in the columns of the suite llm, as a user's own measurements."""
    fixed = {"kind": "train", "model": "llama-2-7b", "seq": 4096, "global_batch": 32, "dp": 1, "interleave": 1}
    fixed |= {"recompute": "none", "precision": "bf16", "gpu": "a100-sxm-80gb", "unit": "s/iteration", "source": "own"}
    fixed |= {"seen_or_memory": "seen", "sp": 0}
    blank = ("params", "layers", "hidden", "heads", "kv_heads", "ffn", "vocab", "cp", "ep", "zero", "out_len", "note")
    plans = [(1, 1, 1, 41.0), (2, 1, 1, 22.5), (4, 1, 2, 11.9), (8, 1, 4, 6.6), (8, 2, 1, 4.4), (4, 2, 2, 6.9)]
    with path.open("w", newline="", encoding="utf-8") as file:
        names = ["case_id", "micro_batch", "tp", "pp", "n_gpus", "measured_value", *fixed, *blank]
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        for number, (tp, pp, microbatch, seconds) in enumerate(plans):
            row = {"case_id": f"own-{number}", "micro_batch": microbatch, "tp": tp, "pp": pp, "n_gpus": tp * pp}
            writer.writerow({**dict.fromkeys(blank, ""), **fixed, **row, "measured_value": seconds})


def write_epochs(path: Path) -> None:
    """Write epochs over batches with a bump, so that hybrid parallelism wins, loses and wins again."""
    curve = {16: 4, 32: 12, 64: 6, 128: 7, 256: 30, 512: 60, 1024: 120}
    path.write_text("batch,epochs\n" + "".join(f"{batch},{epochs}\n" for batch, epochs in curve.items()), "utf-8")


def write_pictures(path: Path) -> None:
    """Write a folder of pictures of the size that examples/data/small.tflite takes, with drawn pixels, two classes."""
    import numpy as np

    rng = np.random.default_rng(11)
    for split, images in (("train", 32), ("test", 64)):
        for label in ("one", "two"):
            folder = path / split / label
            folder.mkdir(parents=True)
            for number in range(images):
                pixels = rng.integers(0, 256, (9, 8, 3), dtype=np.uint8).tobytes()
                (folder / f"{number:03}.ppm").write_bytes(b"P6\n8 9\n255\n" + pixels)


def write_graph(path: Path) -> None:
    """Write a convolutional network with drawn weights as ONNX."""
    import numpy as np

    _write_onnx(path, np.random.default_rng(5).normal(0, 0.1, (10, 16)))


def write_digits_network(path: Path) -> None:
    """Write a network that reads digits as ONNX: drawn convolutions, and a last layer fitted by least squares."""
    import numpy as np
    from sklearn.datasets import load_digits

    digits = load_digits()
    features = _features(digits.images[:1200, None] / 16)
    wanted = np.eye(10)[digits.target[:1200]]
    gram = features.T @ features + 1e-3 * np.eye(features.shape[1])
    _write_onnx(path, np.linalg.solve(gram, features.T @ wanted).T, flatten=True)


def _weights() -> list[Any]:
    import numpy as np

    rng = np.random.default_rng(7)
    return [rng.normal(0, 0.3, shape) for shape in ((16, 1, 3, 3), (16, 1, 3, 3), (16, 16, 1, 1))]


def _features(images: Any) -> Any:
    """What the convolutions of `_write_onnx` make of images (n, 1, 8, 8), one row an image."""
    import numpy as np

    first, depthwise, pointwise = _weights()
    x = images
    x = np.maximum(np.einsum("ncijhw,fchw->nfij", _windows(x, 2), first), 0)
    x = np.maximum(np.einsum("ncijhw,chw->ncij", _windows(x, 1), depthwise[:, 0]), 0)
    x = np.maximum(np.einsum("ncij,fc->nfij", x, pointwise[:, :, 0, 0]), 0)
    return x.reshape(len(x), -1)


def _windows(x: Any, stride: int) -> Any:
    import numpy as np

    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))[:, :, ::stride, ::stride]


def _write_onnx(path: Path, last: Any, flatten: bool = False) -> None:
    """Three convolutions (one depthwise, one pointwise) with ReLUs, flattened or averaged, and a linear layer."""
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper

    weights = dict(zip(("first", "depthwise", "pointwise", "last"), [*_weights(), last], strict=True))
    tensors = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    tensors.append(numpy_helper.from_array(np.zeros(10, np.float32), "bias"))
    conv = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    pooled = ("Flatten", ["c3r"], {"axis": 1}) if flatten else ("GlobalAveragePool", ["c3r"], {})
    layers = [
        ("Conv", ["image", "first"], "c1", {**conv, "strides": [2, 2]}),
        ("Relu", ["c1"], "c1r", {}),
        ("Conv", ["c1r", "depthwise"], "c2", {**conv, "group": 16}),
        ("Relu", ["c2"], "c2r", {}),
        ("Conv", ["c2r", "pointwise"], "c3", {"kernel_shape": [1, 1]}),
        ("Relu", ["c3"], "c3r", {}),
        (pooled[0], pooled[1], "row", pooled[2]),
        *([] if flatten else [("Flatten", ["row"], "flat", {"axis": 1})]),
        ("Gemm", ["row" if flatten else "flat", "last", "bias"], "classes", {"transB": 1}),
    ]
    nodes = [helper.make_node(kind, inputs, [to], name=f"{to}_node", **extra) for kind, inputs, to, extra in layers]
    float32 = onnx.TensorProto.FLOAT
    image = helper.make_tensor_value_info("image", float32, ["n", 1, 8, 8])
    classes = helper.make_tensor_value_info("classes", float32, ["n", 10])
    graph = helper.make_graph(nodes, path.stem, [image], [classes], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
