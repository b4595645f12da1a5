"""Formats upon torch modules: values, gradients straight through, when they are encoded anew, baking, activations."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
from torch import nn  # noqa: E402

from slipstick.core.errors import SlipstickError  # noqa: E402
from slipstick.formats import Pool, Swis, format_of  # noqa: E402
from slipstick.formats.packed_file import read_packed, write_packed  # noqa: E402
from slipstick.formats.pool_vectors import _fit_pool  # noqa: E402
from slipstick.training.parametrization import (  # noqa: E402
    Activation,
    attach,
    detach,
    encoded_weights,
    set_activation_bits,
)

pytestmark = pytest.mark.trains


def network() -> nn.Sequential:
    torch.manual_seed(torch.initial_seed())  # the same at every call: that of the test run
    return nn.Sequential(nn.Conv2d(8, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 4, 5))


X = torch.linspace(-1, 1, 3 * 8 * 4 * 4).reshape(3, 8, 4, 4)


def test_the_weight_is_what_the_format_keeps_of_channels_last() -> None:
    net = network()
    plain = net[0].weight.detach().clone()
    attach(net, {"0": format_of(Swis(2)), "3": format_of("int4")})
    kept = Swis(2).round(np.moveaxis(plain.numpy(), 1, -1))
    np.testing.assert_array_equal(net[0].weight.detach().numpy(), np.moveaxis(kept, -1, 1))
    assert net(X).shape == (3, 5)


def test_the_gradient_goes_straight_through() -> None:
    net, twin = network(), network()
    attach(net, {"0": format_of(Swis(2))})
    twin[0].weight.data = net[0].weight.detach().clone()  # the same values, without a format
    for one in (net, twin):
        (one(X) ** 2).sum().backward()
    np.testing.assert_allclose(net[0].parametrizations.weight.original.grad, twin[0].weight.grad, rtol=1e-5, atol=1e-6)


def step(net: nn.Module) -> None:
    optimiser = torch.optim.SGD(net.parameters(), lr=0.05)
    (net(X) ** 2).sum().backward()
    optimiser.step()
    optimiser.zero_grad()


def test_at_every_step_weights_are_encoded_anew() -> None:
    net = network()
    attach(net, {"0": format_of(Swis(3))})
    first = net[0].weight.detach().clone()
    step(net)
    net.eval()
    assert (net[0].weight != first).any(), "evaluation sees the last step"


def kept_of(net: nn.Module) -> np.ndarray:
    """What the format keeps of the weight as it is now behind layer 0."""
    behind = net[0].parametrizations.weight.original.detach().numpy()
    return np.moveaxis(Swis(3).round(np.moveaxis(behind, 1, -1)), -1, 1)


def test_at_every_epoch_weights_are_encoded_anew_where_training_follows_evaluation() -> None:
    net = network()
    attach(net, {"0": format_of(Swis(3)), "3": format_of(Swis(3))}, policy="epoch")
    for _ in range(3):
        begun = kept_of(net)
        for _ in range(3):
            net.train()  # while it trains already: no new epoch
            step(net)
            np.testing.assert_array_equal(net[0].weight.detach().numpy(), begun)
        assert (kept_of(net) != begun).any(), "the weight behind has moved"
        net.eval()
        np.testing.assert_array_equal(net[0].weight.detach().numpy(), begun)
        net.train()
        net.eval()  # as an evaluation within a training does; nothing was trained in between
        np.testing.assert_array_equal(net[0].weight.detach().numpy(), begun)
        np.testing.assert_array_equal(np.moveaxis(Swis(3).decode(encoded_weights(net)["0"]), -1, 1), begun)
        net.train()
        np.testing.assert_array_equal(net[0].weight.detach().numpy(), kept_of(net))


def test_what_an_epoch_sees_belongs_to_the_state() -> None:
    net, other = network(), network()
    for one in (net, other):
        attach(one, {"0": format_of(Swis(3)), "3": format_of(Swis(3))}, policy="epoch")
    step(net)
    net.eval()
    step(net)  # what it computes with is not what its weights would be encoded to now
    other.eval()
    assert (other(X) != net(X)).any()
    other.load_state_dict(net.state_dict())
    assert (other(X) == net(X)).all()
    detach(other)
    assert not any("parametrizations" in name for name in other.state_dict())


def test_training_through_a_format_learns() -> None:
    net = network()
    attach(net, {"0": format_of(Swis(2)), "3": format_of(Swis(2))})
    wanted = torch.tensor([0, 1, 2])
    x = torch.randn(3, 8, 4, 4, generator=torch.Generator().manual_seed(1))
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    losses = []
    for _ in range(30):
        loss = nn.functional.cross_entropy(net(x), wanted)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]


def test_a_pool_stays_and_its_weights_go_to_a_file_and_back(tmp_path) -> None:
    net = network()
    pool = _fit_pool([np.moveaxis(net[0].weight.detach().numpy(), 1, -1), net[3].weight.detach().numpy()], 16)
    attach(net, {"0": format_of(Pool(16)), "3": format_of(Pool(16))}, sides={"0": {"pool": pool}, "3": {"pool": pool}})
    step(net)
    encoded = encoded_weights(net)
    assert all((one.side["pool"] == pool).all() for one in encoded.values())
    write_packed(tmp_path / "net", encoded)
    expected = net(X).detach()
    detach(net)
    assert (net(X) == expected).all()
    back = read_packed(tmp_path / "net")
    np.testing.assert_array_equal(np.moveaxis(Pool(16).decode(back["0"]), -1, 1), net[0].weight.detach().numpy())
    assert not any("parametrizations" in name for name in net.state_dict())


def test_kernels_of_a_pool_are_seen_by_dense_and_depthwise_convolutions(tmp_path) -> None:
    torch.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(8, 12, 3), nn.Conv2d(12, 12, 3, groups=12))
    x = torch.randn(2, 8, 9, 9)
    layers = {str(place): np.moveaxis(net[place].weight.detach().numpy(), 1, -1) for place in range(2)}
    form = format_of("pool:16,9,kind=xy")
    pool = _fit_pool(list(layers.values()), 16, 9, kind="xy")
    attach(net, dict.fromkeys(layers, form), sides={name: {"pool": pool} for name in layers})
    for name, layer in layers.items():
        kept = form.encoding.encode(layer, {"pool": pool}).values
        np.testing.assert_array_equal(net.get_submodule(name).weight.detach().numpy(), np.moveaxis(kept, -1, 1))
    (net(x) ** 2).sum().backward()
    assert all((net[place].parametrizations.weight.original.grad != 0).any() for place in range(2))
    assert write_packed(tmp_path / "net", encoded_weights(net)) == (tmp_path / "net").stat().st_size
    back = read_packed(tmp_path / "net")
    assert back["0"].side["pool"] is back["1"].side["pool"]
    for name in layers:
        assert back[name].encoding == form.encoding
        kept = np.moveaxis(form.encoding.decode(back[name]), -1, 1)
        np.testing.assert_array_equal(kept, net.get_submodule(name).weight.detach().numpy())


def test_activations_of_any_width() -> None:
    act = Activation(8)
    x = torch.rand(1000, generator=torch.Generator().manual_seed(0)).requires_grad_()
    act(x)
    act.eval()
    errors = []
    for bits in range(8, 1, -1):
        set_activation_bits(act, bits)
        y = act(x)
        assert len(y.detach().unique()) <= 2**bits
        errors.append((y - x).abs().max().item())
        assert errors[-1] <= 0.5 * act.scale.item() / (2**bits - 1) * (1 + 1e-4)
    assert errors == sorted(errors)
    act(x).sum().backward()
    assert (x.grad == 1).all()
    assert (act(torch.tensor([-1.0])) == 0).all()
    signed = Activation(4, signed=True)
    assert signed(torch.tensor([-7.0, 7.0, 0.0, 3.4])).tolist() == pytest.approx([-7.0, 7.0, 0.0, 3.0])


def test_what_cannot_be_is_refused() -> None:
    net = network()
    with pytest.raises(SlipstickError, match="no such layer"):
        attach(net, {"1": format_of(Swis(3))})
    attach(net, {"0": format_of(Swis(3))})
    with pytest.raises(SlipstickError, match="already"):
        attach(net, {"0": format_of(Swis(3))})
    with pytest.raises(SlipstickError, match=r"activation\.bits"):
        set_activation_bits(nn.Sequential(Activation()), 1)
