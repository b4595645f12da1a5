"""Calibration of a torch module: its exported graph run on images, a histogram of each value that is quantised."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.core.encoding import Encoded
from slipstick.core.extras import require
from slipstick.networks.importers.torch_export import _exported
from slipstick.trained.integer.activation_ranges import ValueHistogram
from slipstick.trained.integer.real_network import RealNetwork
from slipstick.trained.torch.batch_prediction import _images_at_once, input_tensor
from slipstick.trained.torch.real_operators import _FixedTensor, _real_operators

if TYPE_CHECKING:
    from torch import Tensor

    from slipstick.datasets.images import Images
    from slipstick.trained.torch.torch_network import TorchNetwork

_AT_ONCE = 64  # images of a run: every value of the graph is held for them


@dataclass(frozen=True, eq=False)
class _TracedNetwork:
    """Torch network as an exported graph for a fixed number of images.

    Parameters
    ----------
    program : `torch.export.ExportedProgram`.
    batch : images that it takes.
    """

    network: TorchNetwork
    program: Any
    batch: int

    @cached_property
    def fixed(self) -> dict[str, _FixedTensor]:
        """Parameters, buffers and constants of the graph, by placeholder."""
        signature, program = self.program.graph_signature, self.program
        targets: dict[str, str] = {
            **signature.inputs_to_parameters,
            **signature.inputs_to_buffers,
            **signature.inputs_to_lifted_tensor_constants,
        }
        tensors = {**program.constants, **program.state_dict}
        return {name: _FixedTensor(target, tensors[target]) for name, target in targets.items()}

    def real_network(self, encoded: Mapping[str, Encoded]) -> RealNetwork:
        """Return the operators in real numbers; arguments and errors as those of `_real_operators`."""
        return _real_operators(self.program, self.fixed, encoded, self.network.name)

    def histograms(self, images: Images, names: Collection[str]) -> dict[str, ValueHistogram]:
        """Return the histogram of the named values over some images, which are run twice: limits come first."""
        torch = require("torch", "torch")
        limits: dict[str, tuple[float, float]] = {}

        def widen(name: str, value: Tensor) -> None:
            low, high = (float(end) for end in torch.aminmax(value.float()))
            former = limits.get(name, (low, high))
            limits[name] = min(former[0], low), max(former[1], high)

        self._run(images, names, widen)
        histograms = {name: ValueHistogram.empty(*ends) for name, ends in limits.items()}

        def count(name: str, value: Tensor) -> None:
            histograms[name] = histograms[name].added(value.float().numpy())

        self._run(images, names, count)
        return histograms

    def _run(self, images: Images, names: Collection[str], observe: Callable[[str, Tensor], None]) -> None:
        """Run images through the graph; `observe` is called with each named value as soon as it is computed."""
        torch = require("torch", "torch")

        class Observer(torch.fx.Interpreter):  # type: ignore[misc, name-defined]
            def run_node(self, node: Any) -> Any:
                value = super().run_node(node)
                if node.name in names:
                    observe(node.name, value)
                return value

        placeholders = [node.name for node in self.program.graph.nodes if node.op == "placeholder"]
        with torch.inference_mode():
            for batch in self._batches(images):
                values = [self.fixed[name].tensor if name in self.fixed else batch for name in placeholders]
                Observer(self.program.graph_module).run(*values)

    def _batches(self, images: Images) -> Iterator[Any]:
        """Yield the images in whole batches; the last one is filled up with the first images."""
        for start in range(0, len(images), self.batch):
            places = np.arange(start, start + self.batch) % len(images)
            yield input_tensor(images.take(places).images, self.network._inputs())


def traced(network: TorchNetwork, images: Images) -> _TracedNetwork:
    """Return a network's exported graph for batches of such images.

    Errors
    ------
    SlipstickError where torch.export cannot trace the module, and for images that do not fit it.
    """
    batch = min(len(images), _images_at_once(images), _AT_ONCE)
    example = input_tensor(images.images[:batch], network._inputs())
    return _TracedNetwork(network, _exported(network.module, (example,), {}, network.name), batch)
