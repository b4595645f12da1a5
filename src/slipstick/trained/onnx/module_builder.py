"""Builder of a torch module from an ONNX file."""

from __future__ import annotations

import copy
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from slipstick.core.errors import SlipstickError
from slipstick.trained.onnx.batch_shapes import _without_shapes
from slipstick.trained.onnx.builder_context import _Built, _FileFacts, _Weight
from slipstick.trained.onnx.constants import _floats
from slipstick.trained.onnx.matmul_bias import _with_biases
from slipstick.trained.onnx.module import OnnxNet
from slipstick.trained.onnx.onnx_file import DAMAGE, _parse_onnx, _Parsed, _read
from slipstick.trained.onnx.operator_table import _built
from slipstick.trained.onnx.steps import _NetworkStep, _Slot, _StepPlan

_LONGEST = 100  # characters of a name: more than torch's own paths of modules have
VALUES = ("raw_data", "float_data", "int32_data", "double_data")  # of a floating-point constant


def onnx_module(path: str | Path) -> OnnxNet:
    """Return the image classifier in an ONNX file as a torch module, in evaluation mode.

    The file is parsed, nothing of it is executed, and weights that lie in other files are refused. Images are
    [n, channels, height, width] for any n, whatever batch the file was exported with. Layers are found by the names
    of their nodes, in which every character but letters, digits and _ is replaced by _. A weight that several nodes
    read is one parameter of them all. Write the module back with `write_onnx`.

    Errors
    ------
    SlipstickError if onnx is not installed; for a file that is missing, too large, not ONNX or damaged; for an
    operator, an attribute or a weight that is not supported, with the node; and for values or work beyond all sense.
    """
    return _module(_read(path))


def _parsed_module(raw: bytes, path: str) -> OnnxNet:
    """Return the module in the bytes of an ONNX file, as `onnx_module` does; errors name `path`."""
    return _module(_parse_onnx(raw, path))


def _module(parsed: _Parsed) -> OnnxNet:
    nodes, shapes = _without_shapes(parsed.nodes, parsed.constants, parsed.path)
    known = _FileFacts(parsed.constants, parsed.batch, shapes)
    maker = _Maker(parsed)
    for node in _with_biases(nodes, parsed.constants, parsed.result):
        maker.take(node.name, node.operator, _built(node, known, parsed.path), node.output)
    net = maker.net(known.numbers)
    image = tuple(size for size in parsed.image if size is not None)
    if len(image) == len(parsed.image):
        net.fits((1, *image))
    return net


class _Maker:
    """Builder of layers and their weights, node by node."""

    def __init__(self, parsed: _Parsed) -> None:
        self._parsed = parsed
        self._steps: list[_NetworkStep] = []
        self._slots: list[_Slot] = []
        self._layers: dict[str, nn.Module] = {}
        self._operands: dict[str, str] = {}
        self._tensors: dict[str, tuple[str, Tensor]] = {}  # by the constant, with what it is for
        self._names = Counter({*dir(nn.Module()), *vars(nn.Module()), "plan", "fits"})
        self._made = {parsed.source}

    def take(self, name: str, operator: str, node: _Built, makes: str) -> None:
        """Add a node, after all nodes that it reads; SlipstickError for a weight that does not fit."""
        readable = self._unique(name)
        where = f"{self._parsed.path}: {name}"
        try:
            for value in node.reads:
                self._readable(value)
            if node.layer is not None:
                node.layer.eval()
                self._layers[readable] = self._filled(node.layer, node.weights, readable)
        except SlipstickError as error:
            raise SlipstickError(error.message, path=where, value=error.value, allowed=error.allowed) from None
        except DAMAGE as error:
            raise SlipstickError(f"{operator}: {error}", path=where) from None
        self._steps.append(_NetworkStep(readable, operator, node, makes))
        self._made.add(makes)

    def net(self, numbers: set[str]) -> OnnxNet:
        """Return the module; `numbers` are the constants that operators keep as numbers, which cannot be trained."""
        parsed = self._parsed
        if parsed.result not in self._made:
            raise SlipstickError("the output is not the first result of an operator", path=parsed.path)
        if both := numbers & {slot.constant for slot in self._slots}:
            raise SlipstickError("a weight is also an operator's bound", path=parsed.path, value=min(both))
        for slot in self._slots:  # the layers have them now, and `write_onnx` puts them back
            for field in VALUES:
                parsed.constants[slot.constant].ClearField(field)
        plan = _StepPlan(
            path=parsed.path,
            model=parsed.model,
            source=parsed.source,
            result=parsed.result,
            image=parsed.image,
            steps=_with_ends(self._steps, {parsed.result, *self._operands}),
            slots=tuple(self._slots),
            operands=self._operands,
        )
        return OnnxNet(plan, self._layers, {buffer: self._tensors[name][1] for name, buffer in self._operands.items()})

    def _readable(self, value: str) -> None:
        if value in self._made or value in self._operands:
            return
        if value not in self._parsed.constants:
            raise SlipstickError("only the first result of an operator is supported", value=value)
        self._tensor(value, "operand", None)
        self._operands[value] = self._unique(value)

    def _filled(self, empty: nn.Module, weights: tuple[_Weight, ...], name: str) -> nn.Module:
        """Return a layer with its weights; layers that read the same constants share their parameters."""
        layer = copy.deepcopy(empty)
        for use in weights:
            place = getattr(layer, use.attribute)
            trained = isinstance(place, nn.Parameter)
            role = f"weight{' transposed' if use.transposed else ''}" if trained else use.attribute
            shape = tuple(place.shape)
            setattr(layer, use.attribute, self._tensor(use.constant, role, shape))
            self._slots.append(_Slot(use.constant, name, use.attribute, use.transposed, shape))
        if isinstance(layer, nn.BatchNorm2d):
            layer.num_batches_tracked = torch.zeros((), dtype=torch.long)
        return layer

    def _tensor(self, constant: str, role: str, shape: tuple[int, ...] | None) -> Tensor:
        """Return a constant as parameter or buffer, one tensor per constant; SlipstickError for conflicting roles."""
        if constant not in self._tensors:
            values = _floats(self._parsed.constants[constant])
            turned = np.ascontiguousarray(values.T) if role.endswith("transposed") else values
            tensor = torch.from_numpy(turned).reshape(turned.shape if shape is None else shape)
            self._tensors[constant] = role, nn.Parameter(tensor) if role.startswith("weight") else tensor
        first, tensor = self._tensors[constant]
        if first != role or shape not in (None, tuple(tensor.shape)):
            raise SlipstickError(f"a constant is both a {first} and a {role}: that is not supported", value=constant)
        return tensor

    def _unique(self, name: str) -> str:
        """Return a name for a module or buffer that torch accepts and that is not in use."""
        base = re.sub(r"\W", "_", name.strip("/"), flags=re.ASCII)[:_LONGEST] or "node"
        unique = base
        while self._names[unique]:
            unique = f"{base}_{self._names[base]}"
            self._names[base] += 1
        self._names[unique] += 1
        return unique


def _with_ends(steps: list[_NetworkStep], outputs: set[str]) -> tuple[_NetworkStep, ...]:
    """Return the steps, each with the values that no later step reads, so that these can be freed."""
    later = set(outputs)
    ended: list[Any] = []
    for step in reversed(steps):
        ends = {*step.built.reads, step.makes} - later
        later |= ends
        ended.append(_NetworkStep(step.name, step.operator, step.built, step.makes, tuple(sorted(ends))))
    return tuple(ended[::-1])
