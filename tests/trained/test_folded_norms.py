"""Batch norms folded into fp16 scales and biases: the same outputs but for the rounding, and the file has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from slipstick.compress.compression import compress  # noqa: E402
from slipstick.compress.layer_formats import layer_formats  # noqa: E402
from slipstick.core.errors import SlipstickError  # noqa: E402
from slipstick.datasets import data_set  # noqa: E402
from slipstick.engines.adaptation import _AdaptedNetwork  # noqa: E402
from slipstick.formats.packed_file import read_packed  # noqa: E402
from slipstick.trained import open_network  # noqa: E402
from slipstick.trained.torch import module  # noqa: E402


def adapted(formats: str) -> _AdaptedNetwork:
    digits = data_set("digits")
    torch.manual_seed(0)
    net = module("resnet-8", digits)
    for part in net.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            for tensor in (part.weight, part.bias, part.running_mean):
                tensor.data.copy_(torch.randn(len(tensor)))  # gains of both signs
            part.running_var.copy_(torch.rand(part.num_features) + 0.1)
    network = open_network(net, digits)
    made = compress(network, layer_formats(network, formats), correct=False)
    none = np.zeros(0, bool)
    return _AdaptedNetwork(made.network, made.encoded, none, none, none, {})


@pytest.mark.parametrize("formats", ["int8:axis=0", "pool:size=16;layer1.*=pool:size=16,label=a", "swis:3"])
def test_the_folded_network_answers_alike_and_is_what_the_file_has(tmp_path: Path, formats: str) -> None:
    detail, images = adapted(formats), data_set("digits").test.some(40)
    network, tensors, biases = detail.folded()
    plain, folded = detail.network.predict(images), network.predict(images)
    assert np.abs(plain - folded).max() < 0.01 * np.abs(plain).max()
    assert (plain != folded).any(), "scales are rounded"
    size = detail.write_weights(tmp_path / "w.slip")
    assert size == (tmp_path / "w.slip").stat().st_size
    stored = read_packed(tmp_path / "w.slip")
    assert list(stored) == [*tensors, *(f"{name}.bias" for name in biases)]
    for layer in network.layers():
        np.testing.assert_array_equal(stored[layer.name].values, layer.weights)
        bias = stored[f"{layer.name}.bias"].values
        if layer.name in network._norms:
            norm = network.module.get_submodule(network._norms[layer.name])
            np.testing.assert_array_equal(norm.bias.detach().numpy(), bias)
        else:
            np.testing.assert_array_equal(layer.bias, bias)
    filters = sum(layer.filters for layer in network.layers())
    codes = sum(tensor.nbytes - 4 * len(tensor.side["scale"]) for tensor in tensors.values())
    shared = {tensor.encoding.name: tensor.encoding.shared_bytes for tensor in tensors.values()}
    repeated = sum(tensor.encoding.shared_bytes for tensor in tensors.values()) - sum(shared.values())
    assert codes - repeated + 4 * filters < size < codes - repeated + 4 * filters + 350


def test_layers_without_a_scale_of_each_filter_are_refused(tmp_path: Path) -> None:
    for formats in ("int8:axis=0;last=fp32", "int8"):
        with pytest.raises(SlipstickError, match="has no scale of each filter"):
            adapted(formats).write_weights(tmp_path / "w")
    assert list(tmp_path.iterdir()) == []
