"""`measure`: how many test images a network gets right, its weights in any format; nothing is trained or written."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.core.errors import SlipstickError
from slipstick.report.report import Metric, Report

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from slipstick.datasets.images import DataSet, Images, Normal

Found = tuple["NDArray[np.bool_]", int, int]  # which images are right, bytes in the formats, bytes in int8


def measure(
    net: str | Path | nn.Module,
    data: str | Path | DataSet,
    formats: str = "",
    *,
    images: int | None = None,
    normal: Normal | None = None,
    root: str | Path | None = None,
) -> Report:
    """Score a network on the test images of a data set, its weights in `formats`.

    Parameters
    ----------
    net
        An 8-bit ``.tflite`` file, which is run bit for bit in integers; a ``.safetensors`` file of ``slipstick train``;
        an ``.onnx`` file; ``efficientnet-lite0``; or any torch module from images [n, c, h, w] to logits, which is left
        as it was.
    formats
        ``swis:3``, or by patterns: ``swis:3;depthwise=int8``. Default: the weights as they are.
    images
        So many only, evenly from all.
    normal
        How bytes become a module's inputs. Default: the data set's mean and deviation, or what the file says.
    root
        The folder of the data sets. Default: the variable SLIPSTICK_DATA.

    Errors
    ------
    SlipstickError for files, formats and data that are none or do not fit each other.

    Examples
    --------
    >>> from torch import manual_seed
    >>> from slipstick.datasets import data_set
    >>> from slipstick.trained.torch import module
    >>> generator = manual_seed(0)
    >>> digits = data_set("digits")
    >>> report = measure(module("mlp", digits), digits, "int4:axis=0")
    >>> report["weights.compression"].value > 1.7
    True
    """
    from slipstick.datasets import data_set
    from slipstick.trained.torch.open_torch import trained_net
    from slipstick.training.evaluation import interval

    found = data_set(data, root=root)
    test = found.test.some(images)
    if not len(test):
        raise SlipstickError("no test images", path="images", value=images, allowed="from 1")
    started = time.perf_counter()
    if isinstance(net, str | Path) and Path(net).suffix == ".tflite":
        name = Path(net).stem
        right, packed, plain = _integer(Path(net), formats, test, len(found.classes))
    else:
        trained = trained_net(net)
        name = trained.name
        right, packed, plain = _torch(trained.module, formats, test, normal or trained.normal or found.normal)
    seconds = time.perf_counter() - started
    return _report(name, found.name, formats, right, interval(right), (packed, plain), seconds)


def _integer(path: Path, formats: str, test: Images, classes: int) -> Found:
    from slipstick.compress.integer_post_training import compress
    from slipstick.engines.adapt_integer import codes_of
    from slipstick.trained.integer.accuracy import accuracy
    from slipstick.trained.tflite import read_tflite

    network = read_tflite(path)
    held = compress(network, formats or "int8", correct=False)
    background = network.tensors[network.output].size - classes
    right = accuracy(network, codes_of(network, test), test.labels, background=background, weights=held.weights)
    plain = sum(one.layer.codes.size + 4 * len(one.layer.codes) for one in held.layers)
    return right, sum(one.storage_bytes for one in held.layers), plain


def _torch(module: nn.Module, formats: str, test: Images, normal: Normal) -> Found:
    from slipstick.compress.retraining import attach, plain_bytes, weight_layers
    from slipstick.compress.torch_parametrization import encoded_weights
    from slipstick.formats.packed_file import stored_bytes
    from slipstick.training.evaluation import evaluate

    if not formats:
        whole = sum(parameter.numel() * parameter.element_size() for parameter in module.parameters())
        return evaluate(module, test, normal), whole, plain_bytes(module, weight_layers(module))
    forms = attach(module, formats)
    right = evaluate(module, test, normal)
    return right, stored_bytes(encoded_weights(module)), plain_bytes(module, forms)


def _report(
    name: str,
    data: str,
    formats: str,
    right: NDArray[np.bool_],
    bounds: tuple[float, float],
    sizes: tuple[int, int],
    seconds: float,
) -> Report:
    source, (packed, plain) = f"{len(right)} test images of {data}", sizes
    metrics: dict[str, Any] = {
        "accuracy": {
            "top1": Metric(float(right.mean()), "fraction", "measured", source),
            "low": Metric(bounds[0], "fraction", "measured", "95 % interval, Wilson"),
            "high": Metric(bounds[1], "fraction", "measured", "95 % interval, Wilson"),
        },
        "throughput": {
            "images": Metric(len(right) / seconds, "sample/s", "measured", "this machine, encoding included")
        },
    }
    if packed:
        metrics["weights"] = {
            "stored": Metric(float(packed), "B", "measured", "scales included"),
            "int8": Metric(float(plain), "B", "measured", "of the same layers, scales included"),
            "compression": Metric(plain / packed, "", "measured", "int8 over stored"),
        }
    held = formats or "its own formats"
    asked = {"net": name, "data": data, "formats": formats, "images": len(right)}
    return Report(title=f"{name} on {data} in {held}", metrics=metrics, inputs=asked)
