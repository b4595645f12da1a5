"""Pools that learn: files hold the values of the forward pass, gradients reach vectors, training goes on to the bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
from torch import nn  # noqa: E402

from adapt_calls import adapt  # noqa: E402
from slipstick.core.format import Format  # noqa: E402
from slipstick.datasets import data_set  # noqa: E402
from slipstick.formats import format_of  # noqa: E402
from slipstick.formats.pool_vectors import _fit_pool  # noqa: E402
from slipstick.trained.torch import module  # noqa: E402
from slipstick.training import Recipe, train  # noqa: E402
from slipstick.training.learned_pools import _freeze_assignments, _PooledWeight, freezing  # noqa: E402
from slipstick.training.parametrization import attach, detach, encoded_weights  # noqa: E402

pytestmark = pytest.mark.trains
X = torch.linspace(-1, 1, 3 * 8 * 4 * 4).reshape(3, 8, 4, 4)


def network() -> nn.Sequential:
    torch.manual_seed(torch.initial_seed())
    return nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 6, 3, padding=1))


def learned(net: nn.Module, text: str = "pool:size=16", names: tuple[str, ...] = ("0", "2")) -> Format:
    form = format_of(text)
    weights = [np.moveaxis(net.get_submodule(name).weight.detach().numpy(), 1, -1) for name in names]
    pool = _fit_pool(weights, 16, form.encoding.vector, kind=form.encoding.kind)
    attach(net, dict.fromkeys(names, form), policy="learned", sides={name: {"pool": pool} for name in names})
    return form


@pytest.mark.parametrize("text", ["pool:size=16", "pool:16,9,kind=xy", "pool:size=16,metric=cosine"])
def test_the_file_has_the_values_of_the_forward_pass(text: str) -> None:
    net = network().train()
    learned(net, text)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(3):
        optimiser.zero_grad()
        (net(X) ** 2).sum().backward()
        optimiser.step()
    net.eval()
    encoded = encoded_weights(net)
    assert (encoded["0"].side["pool"] == encoded["2"].side["pool"]).all(), "one pool"
    assert np.abs(encoded["0"].side["pool"]).max() == 127
    for name, tensor in encoded.items():
        np.testing.assert_array_equal(
            np.moveaxis(tensor.values, -1, 1), net.get_submodule(name).weight.detach().numpy()
        )
    expected = net(X).detach()
    detach(net)
    assert (net(X) == expected).all()
    assert not any("parametrizations" in name for name in net.state_dict())


def test_a_vector_gets_the_gradient_of_all_its_weights() -> None:
    net, plain = network(), network()
    learned(net)
    net.eval()  # assignments as they are
    for layer in ("0", "2"):
        plain.get_submodule(layer).weight.data = net.get_submodule(layer).weight.detach().clone()
    for one in (net, plain):
        (one(X) ** 2).sum().backward()
    wanted = np.zeros((16, 8))
    for layer in ("0", "2"):
        part = net.get_submodule(layer).parametrizations.weight[0]
        gradient = plain.get_submodule(layer).weight.grad.permute(0, 2, 3, 1).reshape(*part.indices.shape, 8)
        moved = (gradient * part.scale[:, None, None]).reshape(-1, 8).numpy()
        np.add.at(wanted, part.indices.reshape(-1).numpy(), moved)
        behind = net.get_submodule(layer).parametrizations.weight.original.grad
        torch.testing.assert_close(behind, plain.get_submodule(layer).weight.grad)
    pool = net.get_submodule("0").parametrizations.weight[0].pool.flat
    np.testing.assert_allclose(pool.grad.numpy().reshape(16, 8), wanted, rtol=1e-3, atol=1e-5)


def test_frozen_assignments_stand_while_vectors_move() -> None:
    net = network().train()
    learned(net)
    _freeze_assignments(net)
    parts = [part for part in net.modules() if isinstance(part, _PooledWeight)]
    before = [(part.indices.clone(), part.scale.clone(), part.encoded_pool().values) for part in parts]
    optimiser = torch.optim.SGD(net.parameters(), lr=1.0)
    (net(X) ** 2).sum().backward()
    optimiser.step()
    net(X)
    for part, (indices, scale, values) in zip(parts, before, strict=True):
        assert torch.equal(part.indices, indices)
        assert torch.equal(part.scale, scale)
        assert (part.encoded_pool().values != values).any()


def test_training_goes_on_where_it_stopped_bit_for_bit(tmp_path: Path, training_seed: int) -> None:
    digits = data_set("digits")
    recipe = Recipe(epochs=3, rate=0.05, precision="fp32", augment="none", seed=training_seed)

    def held() -> torch.nn.Module:
        torch.manual_seed(4 + training_seed)
        net = module("resnet-8", digits)
        learned(net, names=("layer1.0.conv1", "layer1.0.conv2"))
        return net

    def interrupt(done: int, total: int, text: str) -> None:
        if done == total // 2:
            raise KeyboardInterrupt

    whole = held()
    train(whole, digits, recipe, progress=freezing(whole, 0.4))
    net = held()
    with pytest.raises(KeyboardInterrupt):
        train(net, digits, recipe, folder=tmp_path, progress=freezing(net, 0.4, interrupt))
    resumed = held()
    train(resumed, digits, recipe, folder=tmp_path, progress=freezing(resumed, 0.4))
    for name, tensor in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], tensor), name


def test_pools_fitted_to_outputs_are_nearer_and_survive_retraining(tmp_path: Path, training_seed: int) -> None:
    from slipstick import train as train_verb

    net = tmp_path / "net.safetensors"
    train_verb("resnet-8", "digits", recipe={"epochs": 2, "rate": 0.1, "seed": training_seed}, out=net)
    text = "pool:size=16;layer1.*=pool:size=16,label=a"
    noise = {}
    for fit in ("weights", "outputs"):
        report = adapt(net, text, "digits", fit=fit, epochs=1, rate=0.05, renew="learned", distill=True)
        rows = report.breakdowns["layers"].rows
        noise[fit] = sum(row[5] for row in rows if row[5] is not None and row[2].startswith("pool"))
        pools = {row[2] for row in rows if row[1] == "shared"}
        assert pools == {"pool:size=16,vector=8", "pool:size=16,vector=8,label=a"}
    assert noise["outputs"] < 0.7 * noise["weights"]
