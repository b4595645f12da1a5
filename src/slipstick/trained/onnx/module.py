"""Torch module of an ONNX file: its steps in execution order, and its layers by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import final

from torch import Tensor, nn

from slipstick.core.errors import SlipstickError
from slipstick.trained.onnx.steps import _run, _StepPlan


@final
class OnnxNet(nn.Module):
    """Torch module read from an ONNX file: images [n, channels, height, width] -> its first output, for any n.

    Conv, Gemm, MatMul, BatchNormalization, Relu and Clip to 0 .. 6 are submodules under their nodes' names; the
    other operators are functions. Values are float32, whatever type of float the file keeps. Constants that are no
    layer's stay what the file has: they are buffers outside the state dict.
    """

    def __init__(self, plan: _StepPlan, layers: Mapping[str, nn.Module], operands: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.plan = plan
        for name, layer in layers.items():
            self.add_module(name, layer)
        for name, values in operands.items():
            self.register_buffer(name, values, persistent=False)
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Return the first output for images [n, channels, height, width].

        Errors
        ------
        SlipstickError for images of another size than the file's, or that do not fit its operators.
        """
        self.fits(tuple(images.shape))
        values = {name: self.get_buffer(buffer) for name, buffer in self.plan.operands.items()}
        values[self.plan.source] = images
        for step in self.plan.steps:
            layer = self._modules[step.name] if step.built.layer is not None else None
            values[step.makes] = _run(step, layer, values, self.plan.path)
            for name in step.last:
                del values[name]
        return values[self.plan.result]

    def fits(self, shape: Sequence[int]) -> None:
        """Check that images have the network's shape [n, channels, height, width]; errors as those of `forward`."""
        expected = self.plan.image
        image = tuple(shape[1:])
        if len(shape) != 4 or any(size not in (None, side) for size, side in zip(expected, image, strict=True)):
            sizes = ", ".join("any" if size is None else str(size) for size in expected)
            raise SlipstickError(
                "images of another shape", path=self.plan.path, value=list(shape), allowed=f"n, {sizes}"
            )
        if image not in self.plan.checked:
            self.plan.check(image, {name: self.get_buffer(buffer) for name, buffer in self.plan.operands.items()})
