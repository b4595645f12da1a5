"""Torch modules of the catalogue's networks, with torchvision's parameter names; they need the extra ``torch``.

Each module here imports torch, so import them inside functions: `build` does.
"""

from __future__ import annotations

from slipstick.trained.torch.build import build, example_inputs
from slipstick.trained.torch.image_networks import NETS, module
from slipstick.trained.torch.saved_file import load_net, save_net

__all__ = ["NETS", "build", "example_inputs", "load_net", "module", "save_net"]
