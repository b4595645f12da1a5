"""The torch networks: exact numbers of parameters as published, output shapes, gradients, files of weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slipstick.core.errors import SlipstickError

pytest.importorskip("torch", reason="torch is not installed (extra: torch)")

import torch
from torch.utils.flop_counter import FlopCounterMode

from slipstick.core.workload import Phase
from slipstick.networks import from_torch
from slipstick.trained.torch import NETS, module
from slipstick.trained.torch.resnet import small_resnet
from slipstick.trained.torch.safetensors_weights import load_tensors, load_weights, save_weights
from slipstick.trained.torch.same_padding import _SameConv

pytestmark = pytest.mark.trains  # by the last digits of torch's sums, if not by a training

# torchvision's documentation for the ImageNet networks (recollection), MLPerf Tiny's Keras summary for DS-CNN without
# its 1,152 statistics, the theory notes for tiny-conv (89,440 weights; 276 of batch norms)
PUBLISHED = {
    "resnet-18": 11_689_512,
    "resnet-50": 25_557_032,
    "mobilenet-v2": 3_504_872,
    "vgg-16": 138_357_544,
    "alexnet": 61_100_840,
    "efficientnet-lite0": 4_652_008,
    "resnet-20": 269_722 + 2_752,  # the first with option A (0.27 M in the paper), the second its projections
    "ds-cnn": 24_908 - 1_152,
    "tiny-conv": 89_440 + 276,
    "mlp": 64 * 64 + 64 + 64 * 10 + 10,
}


def count(net: Any) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


@pytest.mark.parametrize("name", NETS)
def test_parameters_and_outputs(name: str) -> None:
    kind = NETS[name]
    height, width, channels = kind.shape
    with torch.device("meta"):
        net = module(name).eval()
        outputs = net(torch.zeros(2, channels, height, width))
    assert outputs.shape == (2, kind.classes)
    if name in PUBLISHED:
        assert count(net) == PUBLISHED[name]


@pytest.mark.parametrize(("depth", "expected"), [(8, 0.078e6), (14, 0.175e6), (20, 0.272e6), (32, 0.467e6)])
def test_small_resnets_grow_by_blocks(depth: int, expected: float) -> None:
    net = small_resnet(depth)
    assert count(net) == pytest.approx(expected, rel=0.01)
    products = [m for m in net.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    assert len(products) == depth + 2  # two of the shortcuts are convolutions
    with pytest.raises(SlipstickError, match=r"not 6 n \+ 2; got 15"):
        small_resnet(15)


SMALL = ["mlp", "tiny-conv", "ds-cnn", "resnet-8", "resnet-14", "mobilenet-v2", "vgg-16"]


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3)])
def test_small_images(name: str, shape: tuple[int, int, int]) -> None:
    """Networks for small images, or with a variant for them, take those of every small data set and learn from them."""
    torch.manual_seed(0)
    net = module(name, classes=7, shape=shape)
    outputs = net(torch.randn(3, shape[2], *shape[:2]))
    assert outputs.shape == (3, 7)
    outputs.square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in net.parameters())


def test_refusals() -> None:
    with pytest.raises(SlipstickError, match="did you mean 'resnet-14'"):
        module("resnet14")
    with pytest.raises(SlipstickError, match="too small an image"):
        module("alexnet", classes=10, shape=(32, 32, 3))
    with pytest.raises(SlipstickError, match="a square from 8 pixels"):
        module("tiny-conv", classes=10, shape=(49, 10, 1))


def test_weights_survive_a_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net, other = module("resnet-8").eval(), module("resnet-8").eval()
    net.to(memory_format=torch.channels_last)
    save_weights(net, tmp_path / "net.safetensors", {"net": "resnet-8"})
    assert load_weights(other, tmp_path / "net.safetensors") == {"net": "resnet-8"}
    inputs = torch.randn(2, 3, 32, 32)
    assert (net(inputs) - other(inputs)).abs().max() < 1e-5
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), other.parameters(), strict=True))


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    save_weights(module("resnet-14"), path)
    with pytest.raises(SlipstickError, match="tensors not of this network: layer1"):
        load_weights(module("resnet-8"), path)
    with pytest.raises(SlipstickError, match=r"tensors missing: layer1.*and"):
        load_weights(module("resnet-20"), path)
    with pytest.raises(SlipstickError, match=r"fc.*: another shape; got \(10"):
        load_weights(module("resnet-14", classes=9), path)


def test_hostile_weights(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    save_weights(module("mlp"), path)
    whole = path.read_bytes()
    huge = (2**62).to_bytes(8, "little") + whole[8:]
    text = b'{"x":{"dtype":"F32","shape":[999999999,999],"data_offsets":[0,8]}}'
    lies = len(text).to_bytes(8, "little") + text + bytes(8)
    for raw in (b"", b"hello", whole[:50], whole[:-1], huge, lies, b"\x80\x02}q\x00."):
        path.write_bytes(raw)
        with pytest.raises(SlipstickError, match="not a safetensors file"):
            load_tensors(path)


def test_same_padding_is_tensorflows() -> None:
    """Of an odd padding the larger half comes behind: MLPerf Tiny's 49 x 10 becomes 25 x 5, and windows start at -4."""
    conv = _SameConv(1, 1, (10, 4), 2, bias=False)
    with torch.no_grad():
        conv.weight.fill_(1.0)
    found = conv(torch.ones(1, 1, 49, 10))[0, 0]
    assert found.shape == (25, 5)
    rows = [len(range(max(0, start), min(49, start + 10))) for start in range(-4, 46, 2)]
    columns = [len(range(max(0, start), min(10, start + 4))) for start in range(-1, 9, 2)]
    assert torch.equal(found, torch.outer(torch.tensor(rows), torch.tensor(columns)).float())


@pytest.mark.parametrize("name", ["resnet-8", "resnet-14", "resnet-20", "tiny-conv", "ds-cnn", "efficientnet-lite0"])
def test_operator_graphs_of_the_modules_count_what_torch_counts(name: str) -> None:
    height, width, channels = NETS[name].shape
    with torch.device("meta"):
        net, inputs = module(name).eval(), torch.zeros(1, channels, height, width)
    graph = from_torch(net, (inputs,), name=name)
    with FlopCounterMode(display=False) as counter:
        net(inputs)
    assert sum(op.flops for op in graph.ops(Phase.INFER, 1, 1, 1)) == counter.get_total_flops()
    assert graph.parameters == count(net)
