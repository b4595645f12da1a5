"""Quantiser: outputs near those in real numbers, whole numbers of formats kept, every byte equal to LiteRT's."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError

pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
pytest.importorskip("tflite")
pytest.importorskip("numba")

import torch
from torch import nn

from slipstick.compress.compression import compress
from slipstick.compress.layer_formats import layer_formats
from slipstick.datasets import data_set
from slipstick.datasets.images import DataSet, Images
from slipstick.trained import open_network
from slipstick.trained.integer.execute import run_integers
from slipstick.trained.integer.layer_weights import layer_weights
from slipstick.trained.network import right_answers
from slipstick.trained.quantiser import QuantisedNetwork, quantise_network
from slipstick.trained.tflite import parse_tflite
from slipstick.trained.torch.resnet import small_resnet
from slipstick.trained.torch.small_networks import ds_cnn, mlp, tiny_conv

from .litert import litert


def data(*shape: int, classes: int = 10, seed: int = 0) -> DataSet:
    """Return smooth random images: neighbouring pixels are alike, channels have means of their own."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (48, -(-shape[0] // 4), -(-shape[1] // 4), shape[2]))
    images = coarse.repeat(4, axis=1).repeat(4, axis=2)[:, : shape[0], : shape[1]] // (1 + np.arange(shape[2]))
    part = Images(images.astype(np.uint8), rng.integers(0, classes, len(images)))
    return DataSet("random", part, part, tuple(map(str, range(classes))))


def random_statistics(net: nn.Module, images: DataSet, *, negative: bool = False) -> nn.Module:
    """Give batch norms the statistics of images, and factors other than 1; some `negative`."""
    generator = torch.Generator().manual_seed(1)
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d | nn.BatchNorm1d):
            part.momentum = None
            part.weight.data = 0.5 + torch.rand(part.weight.shape, generator=generator)
            part.bias.data = 0.3 * torch.randn(part.bias.shape, generator=generator)
            if negative:
                part.weight.data[::3] *= -1
    net.train()
    with torch.no_grad():
        net(torch.from_numpy(images.normal.apply(images.train.images)).permute(0, 3, 1, 2))
    return net.eval()


def quantised(net: nn.Module, images: DataSet, formats: str = "", **options: Any) -> QuantisedNetwork:
    """Return a module quantised on all images, its weights in formats."""
    opened = open_network(net, images)
    encoded = None
    if formats:
        compression = compress(opened, layer_formats(opened, formats), correct=False)
        opened, encoded = compression.network, compression.encoded
    return quantise_network(opened, images.train, encoded, **options)


def seeded(make: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return make()


class Odd(nn.Module):
    """Operators that the networks of the registry lack."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.wide = nn.Conv2d(8, 16, (3, 5), padding="same", dilation=(1, 2), groups=8)
        self.pool = nn.MaxPool2d(3, 2, padding=1)
        self.mean = nn.AvgPool2d(2, 2, padding=1)
        self.head = nn.Linear(16 * 3 * 3, 12)
        self.last = nn.BatchNorm1d(12)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(torch.relu(self.stem(x)))  # a batch norm that no layer takes
        x = self.mean(self.pool(torch.relu(self.wide(x) * 0.5 + 0.1)))
        return torch.softmax(self.last(self.head(x.flatten(1))), dim=1)


_HEAD = (
    nn.Conv2d(8, 16, 1),
    nn.BatchNorm2d(16),
    nn.MaxPool2d(2),
    nn.AdaptiveAvgPool2d(2),
    nn.Flatten(),
    nn.Linear(64, 10),
)
NETS = {
    "resnet-8": (lambda: small_resnet(8), (32, 32, 3), 28),
    "ds-cnn": (ds_cnn, (49, 10, 1), 28),
    "tiny-conv": (tiny_conv, (32, 32, 3), 20),
    "mlp": (lambda: mlp(10, 64), (8, 8, 1), 32),
    "relu6": (lambda: nn.Sequential(nn.Conv2d(3, 8, 3, padding="same"), nn.ReLU6(), *_HEAD), (16, 16, 3), 28),
    "odd": (Odd, (20, 20, 3), 20),
}


@pytest.mark.parametrize("name", NETS)
def test_outputs_stay_near_and_equal_litert(name: str) -> None:
    make, shape, least = NETS[name]
    images = data(*shape, classes=12 if name in ("ds-cnn", "odd") else 10)
    made = quantised(random_statistics(seeded(make), images), images)
    assert made.sqnr > least
    codes = (images.test.images[:6].astype(np.int16) - 128).astype(np.int8)
    expected = litert(made.network.file, codes)
    assert np.array_equal(run_integers(made.network.network, codes), expected)


@pytest.mark.parametrize("formats", ["pool:size=64", "swis:3", "int4:axis=0", "int4", "int2:axis=0", "int8:axis=0"])
@pytest.mark.parametrize("negative", [False, True])
def test_whole_numbers_of_formats_stay(formats: str, negative: bool) -> None:
    images = data(16, 16, 3)
    net = random_statistics(seeded(lambda: small_resnet(8)), images, negative=negative)
    opened = open_network(net, images)
    compression = compress(opened, layer_formats(opened, formats), correct=False)
    made = quantise_network(compression.network, images.train, compression.encoded)
    assert made.sqnr > 20
    layers = {layer.name: layer.codes for layer in layer_weights(made.network.network)}
    assert {layer.name for layer in opened.layers()} <= set(layers)
    for name, tensor in compression.encoded.items():
        whole, codes = tensor.encoding.integers(tensor), layers[name]
        signs = np.where((codes == whole).reshape(len(whole), -1).all(axis=1), 1, -1)
        assert np.array_equal(codes, whole * signs.reshape(-1, *[1] * (whole.ndim - 1)))
        assert negative or (signs == 1).all()


def test_a_packed_file_remembers_its_whole_numbers(tmp_path: Any) -> None:
    from slipstick.trained.open import write_packed_network
    from slipstick.trained.torch import module
    from slipstick.trained.torch.saved_file import save_net

    images = data(32, 32, 3)
    net = random_statistics(seeded(lambda: module("resnet-8", images)), images)
    save_net(net, tmp_path / "net.safetensors", "resnet-8", images, {})
    opened = open_network(tmp_path / "net.safetensors")
    compression = compress(opened, layer_formats(opened, "pool:size=32"), correct=False)
    write_packed_network(tmp_path / "net.slip", compression.network, compression.encoded)
    again = quantise_network(open_network(tmp_path / "net.slip"), images.train)
    made = quantise_network(compression.network, images.train, compression.encoded)
    assert again.network.file == made.network.file


def test_an_onnx_file_gives_the_integers_of_its_module(tmp_path: Any) -> None:
    pytest.importorskip("onnx")
    images = data(16, 16, 3)
    net = random_statistics(seeded(lambda: small_resnet(8)), images)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)  # of the exporter, about its own age
        torch.onnx.export(net, (torch.zeros(1, 3, 16, 16),), str(tmp_path / "net.onnx"), dynamo=False)
    made = quantise_network(open_network(tmp_path / "net.onnx", images), images.train)
    codes = (images.test.images - 128).astype(np.int8)
    outputs = run_integers(made.network.network, codes)
    assert np.abs(outputs.astype(int) - run_integers(quantised(net, images).network.network, codes)).max() <= 1


def test_the_file_gives_the_network_back() -> None:
    images = data(16, 16, 3)
    made = quantised(random_statistics(seeded(lambda: small_resnet(8)), images), images).network
    again = parse_tflite(made.file)
    assert [op.kind for op in again.operators].count("conv") == 9
    assert all(op.options.activation in ("none", "relu") for op in again.operators)
    assert "batch" not in " ".join(layer.name for layer in layer_weights(again))  # all folded


def test_every_operator_without_a_form_is_named() -> None:
    images = data(8, 8, 3)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, groups=1), nn.SiLU(), nn.Conv2d(8, 8, 3, groups=2), nn.Flatten())
    with pytest.raises(SlipstickError) as error:
        quantised(net, images)
    text = str(error.value)
    assert "silu (1)" in text
    assert "conv2d of 2 groups of 4 channels (2)" in text
    assert "relu6" in text  # what would do


def test_a_format_without_whole_numbers_is_refused() -> None:
    images = data(8, 8, 3)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 36, 10))
    with pytest.raises(SlipstickError, match="no format of integer firmware"):
        quantised(net, images, "fp4_e2m1")


def test_a_filter_of_zeros_gives_its_bias() -> None:
    images = data(8, 8, 3)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
    convolution: Any = net[0]
    convolution.weight.data[2] = 0
    convolution.weight.data[3] *= 1e-12
    convolution.bias.data[2:4] = 2.0
    assert quantised(net, images).sqnr > 28


def test_an_outlier_is_clipped_by_the_range_of_least_error() -> None:
    images = data(8, 8, 1)
    net = nn.Sequential(nn.Conv2d(1, 4, 1), nn.Flatten(), nn.Linear(256, 10))
    assert quantised(net, images).sqnr >= quantised(net, images, ranges="minmax").sqnr - 1


@pytest.mark.trains
def test_a_trained_network_loses_less_than_a_point() -> None:
    digits = data_set("digits")
    net = seeded(lambda: small_resnet(8, channels=1))
    images = torch.from_numpy(digits.normal.apply(digits.train.images)).permute(0, 3, 1, 2)
    optimiser = torch.optim.Adam(net.parameters(), 1e-2)
    for order in torch.randperm(len(images) * 6).remainder(len(images)).split(256):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(net(images[order]), torch.from_numpy(digits.train.labels)[order])
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    opened = open_network(net, digits)
    before = right_answers(opened, digits.test)
    after = right_answers(quantise_network(opened, digits.train.some(300)).network, digits.test)
    assert before.mean() > 0.9
    assert after.mean() > before.mean() - 0.01


class Ending(nn.Module):
    """A convolution, and a function of its output before the last layer."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor], groups: int = 1) -> None:
        super().__init__()
        self.conv, self.function = nn.Conv2d(4, 4, 3, groups=groups), function
        self.dense = nn.Linear(4, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dense(self.function(self.conv(x)).mean((2, 3)))


@pytest.mark.parametrize(("function", "groups", "message"), [
    (lambda x: 1.0 - x, 1, "rsub|sub of a constant and a value"),
    (lambda x: x * x, 1, "mul of two computed values"),
    (lambda x: x + x.mean((2, 3), keepdim=True), 1, r"add of the shapes \[48, 4, 6, 6\] and \[48, 4, 1, 1\]"),
    (lambda x: x + torch.ones(6, 6), 1, "ones"),
    (lambda x: x.clamp(1.0, 2.0), 1, r"clamp to 1\.0 \.\. 2\.0, without 0 between"),
    (lambda x: x, 2, "conv2d of 2 groups of 2 channels"),
])  # fmt: skip
def test_what_has_no_form_in_integers_is_named_with_its_reason(
    function: Callable[[torch.Tensor], torch.Tensor], groups: int, message: str
) -> None:
    with pytest.raises(SlipstickError, match=message):
        quantised(seeded(lambda: Ending(function, groups)), data(8, 8, 4))


@pytest.mark.parametrize("function", [
    lambda x: x.clamp(min=0.0), lambda x: x.clamp(max=1.0), lambda x: x.clamp(-0.5, 0.5), lambda x: x / 2 - 0.25,
])  # fmt: skip
def test_bounds_and_constants_are_part_of_the_integers(function: Callable[[torch.Tensor], torch.Tensor]) -> None:
    images = data(8, 8, 4)
    net = seeded(lambda: Ending(function))
    made = quantised(net, images)
    real = open_network(net, images).predict(images.test)
    whole = open_network(made.network, images).predict(images.test)
    assert np.corrcoef(real.ravel(), whole.ravel())[0, 1] > 0.995
