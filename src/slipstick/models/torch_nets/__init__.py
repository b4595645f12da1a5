"""The networks as torch modules, with torchvision's names where it has them; they need the extra ``torch``.

Each module here imports torch, so import them inside functions: `build` does.
"""

from __future__ import annotations

from slipstick.models.torch_nets.build import build, example_inputs
from slipstick.models.torch_nets.registry import NETS, module

__all__ = ["NETS", "build", "example_inputs", "module"]
