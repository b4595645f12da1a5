"""Formats upon torch modules: values, gradients straight through, when they are encoded anew, baking, activations."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
from torch import nn  # noqa: E402

from slipstick.core.errors import SlipstickError  # noqa: E402
from slipstick.formats import Pool, Swis, format_of  # noqa: E402
from slipstick.formats.packed import read_packed, write_packed  # noqa: E402
from slipstick.formats.pool import fit_pool  # noqa: E402
from slipstick.formats.torch_module import (  # noqa: E402
    Activation,
    attach,
    detach,
    encoded_weights,
    freeze,
    renew,
    set_activation_bits,
)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(8, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 4, 5))


X = torch.linspace(-1, 1, 3 * 8 * 4 * 4).reshape(3, 8, 4, 4)


def test_the_weight_is_what_the_format_keeps_of_channels_last() -> None:
    net = network()
    plain = net[0].weight.detach().clone()
    attach(net, {"0": Swis(2), "3": format_of("int4")})
    kept = Swis(2).round(np.moveaxis(plain.numpy(), 1, -1))
    np.testing.assert_array_equal(net[0].weight.detach().numpy(), np.moveaxis(kept, -1, 1))
    assert net(X).shape == (3, 5)


def test_the_gradient_goes_straight_through() -> None:
    net, twin = network(), network()
    attach(net, {"0": Swis(2)})
    twin[0].weight.data = net[0].weight.detach().clone()  # the same values, without a format
    for one in (net, twin):
        (one(X) ** 2).sum().backward()
    np.testing.assert_allclose(net[0].parametrizations.weight.original.grad, twin[0].weight.grad, rtol=1e-5, atol=1e-6)


def step(net: nn.Module) -> None:
    optimiser = torch.optim.SGD(net.parameters(), lr=0.05)
    (net(X) ** 2).sum().backward()
    optimiser.step()
    optimiser.zero_grad()


def test_when_weights_are_encoded_anew() -> None:
    net = network()
    attach(net, {"0": Swis(3), "3": Swis(3)}, policy="epoch")
    before = net[0].weight.detach().clone()
    step(net)
    assert (net[0].weight == before).all()
    renew(net)
    after = net[0].weight.detach().clone()
    assert (after != before).any()
    freeze(net, 0.7)
    step(net)
    renew(net)
    assert (net[0].weight == after).all()
    each = network()
    attach(each, {"0": Swis(3)})
    first = each[0].weight.detach().clone()
    step(each)
    each.eval()
    assert (each[0].weight != first).any(), "evaluation sees the last step"


def test_training_through_a_format_learns() -> None:
    net = network()
    attach(net, {"0": Swis(2), "3": Swis(2)})
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
    pool = fit_pool([np.moveaxis(net[0].weight.detach().numpy(), 1, -1), net[3].weight.detach().numpy()], 16)
    attach(net, {"0": Pool(16), "3": Pool(16)}, sides={"0": {"pool": pool}, "3": {"pool": pool}})
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
        attach(net, {"1": Swis(3)})
    attach(net, {"0": Swis(3)})
    with pytest.raises(SlipstickError, match="already"):
        attach(net, {"0": Swis(3)})
    with pytest.raises(SlipstickError, match=r"activation\.bits"):
        set_activation_bits(nn.Sequential(Activation()), 1)
