"""What layers of a torch network see: windows against the layers themselves, means held, noise as it is."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
from torch import nn  # noqa: E402

from slipstick.compress.torch_observe import hold_means, layers_see, noise, signal, weights_of  # noqa: E402
from slipstick.compress.torch_post_training import hold_all, look  # noqa: E402
from slipstick.compress.torch_schedule import float_schedule, float_sensitivities  # noqa: E402
from slipstick.core.errors import SlipstickError  # noqa: E402
from slipstick.datasets.images import Images, Normal  # noqa: E402
from slipstick.formats import format_of  # noqa: E402

pytestmark = pytest.mark.trains
NORMAL = Normal((0.5, 0.4), (0.25, 0.2))
PICTURES = Images(np.random.default_rng(0).integers(0, 256, (9, 7, 6, 2)).astype(np.uint8), np.zeros(9, np.int64))


def seeded(net: nn.Module) -> nn.Module:
    """Give a network random weights and random statistics of its batch norms."""
    generator = torch.Generator().manual_seed(1)
    for parameter in net.parameters():
        parameter.data.normal_(generator=generator)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(generator=generator)
            module.running_var.uniform_(0.5, 2.0, generator=generator)
    return net.eval()


def inputs() -> torch.Tensor:
    return torch.from_numpy(NORMAL.apply(PICTURES.images)).permute(0, 3, 1, 2)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(2, 4, 3),
        nn.Conv2d(2, 4, (3, 2), stride=2, padding=1),
        nn.Conv2d(2, 6, 3, padding=(2, 1), groups=2, bias=False),
        nn.Conv2d(2, 4, 2, dilation=2, stride=(1, 2)),
        nn.Conv2d(2, 3, (3, 5), padding="same"),
        nn.Conv2d(2, 2, 1),
    ],
    ids=str,
)
def test_filters_make_of_every_window_what_the_convolution_makes_somewhere(layer: nn.Conv2d) -> None:
    net = seeded(nn.Sequential(layer, nn.Flatten(start_dim=2)))
    seen = layers_see(net, PICTURES, NORMAL, ["0"])["0"]
    with torch.inference_mode():
        real = layer(inputs()).numpy()
    bias = 0.0 if layer.bias is None else layer.bias.detach().numpy()
    pixels = real.transpose(0, 2, 3, 1).reshape(-1, real.shape[1]) - bias
    made = seen.outputs(weights_of(net, ["0"])["0"])
    assert made.shape == (9 * 12, real.shape[1])
    apart = np.abs(made[:, None] - pixels[None]).max(axis=2).min(axis=1)
    assert apart.max() < 1e-4


def dense() -> nn.Module:
    return seeded(nn.Sequential(nn.Flatten(), nn.Linear(84, 5), nn.ReLU(), nn.Linear(5, 3, bias=False)))


def normed() -> nn.Module:
    """Every layer sees one position, so that windows are all that there is."""
    return seeded(nn.Sequential(nn.Conv2d(2, 5, (7, 6), bias=False), nn.BatchNorm2d(5), nn.Flatten(), nn.Linear(5, 3)))


@pytest.mark.parametrize(("make", "name"), [(dense, "1"), (normed, "0")])
def test_means_of_outputs_are_held_where_there_is_a_bias_or_a_batch_norm(make, name: str) -> None:
    net = make()
    seen = layers_see(net, PICTURES, NORMAL, [name])[name]
    weights = weights_of(net, [name])[name]
    change = np.random.default_rng(2).normal(size=weights.shape)
    front = net[: int(name) + 1 if name == "1" else 2]
    with torch.inference_mode():
        before = front(inputs()).flatten(1).numpy()
    net.get_submodule(name).weight.data += torch.from_numpy(np.moveaxis(change, -1, 1) if change.ndim > 2 else change)
    assert hold_means(net, name, change, seen)
    with torch.inference_mode():
        after = front(inputs()).flatten(1).numpy()
    np.testing.assert_allclose(after.mean(axis=0), before.mean(axis=0), atol=1e-4)
    scale = np.sqrt(net[1].running_var.numpy() + net[1].eps) / net[1].weight.detach().numpy() if name == "0" else 1.0
    np.testing.assert_allclose(((after - before) * scale).var(axis=0), noise(change, seen), rtol=1e-3)


def test_what_has_neither_is_said() -> None:
    net = dense()
    seen = layers_see(net, PICTURES, NORMAL, ["3"])["3"]
    assert not hold_means(net, "3", np.ones((3, 5)), seen)


def test_noise_in_the_last_layer_is_noise_in_the_output_and_looking_changes_nothing() -> None:
    net = dense()
    forms = {"1": format_of("swis:3"), "3": format_of("swis:3")}
    kept = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    seen = layers_see(net, PICTURES, NORMAL, forms)
    found = float_sensitivities(net, {"3": forms["3"]}, seen, PICTURES, NORMAL)
    change = noise_and_mean(net, "3", forms["3"], seen["3"])
    assert found["3"] == pytest.approx(change, rel=1e-4)  # the mean is not held: this layer has no bias
    float_sensitivities(net, forms, seen, PICTURES, NORMAL)
    assert all(torch.equal(tensor, kept[name]) for name, tensor in net.state_dict().items())


def noise_and_mean(net, name, form, seen):
    """Return the power of a change, its mean included, over the noise that a sensitivity is a share of."""
    weights = weights_of(net, [name])[name]
    change = form.encoding.decode(form.encoding.encode(weights, {"shifts": np.full(len(weights), 2)})) - weights
    return float((seen.outputs(change) ** 2).mean(axis=0).sum() / noise(change, seen).sum())


def test_a_schedule_keeps_its_budget_and_more_shifts_never_make_more_noise() -> None:
    net = normed()
    forms = {"0": format_of("swis:3"), "3": format_of("round:3")}
    seen, weights = layers_see(net, PICTURES, NORMAL, forms), weights_of(net, forms)
    size = {"0": 84 // 4, "3": 5}

    def made(budget: float) -> float:
        shifts = float_schedule(net, forms, seen, budget)
        spent = sum(float(n.sum()) * size[name] for name, n in shifts.items())
        assert spent <= budget * sum(len(n) * size[name] for name, n in shifts.items()) + 1e-9
        return sum(
            float(
                noise(
                    form.encoding.encode(weights[name], {"shifts": shifts[name]}).values - weights[name], seen[name]
                ).sum()
            )
            / signal(weights[name], seen[name])
            for name, form in forms.items()
        )

    found = [made(budget) for budget in (1.0, 2.0, 2.5, 3.0, 4.0, 7.0)]
    assert all(more <= less + 1e-12 for less, more in pairwise(found))
    assert found[-1] < found[0] / 100


def test_no_format_with_shifts_has_no_schedule() -> None:
    net = dense()
    forms = {"1": format_of("int4")}
    with pytest.raises(SlipstickError, match="no layer's format has shifts"):
        look(net, forms, PICTURES, NORMAL, shifts=3)
    looked = look(net, forms, PICTURES, NORMAL)
    encoded = {"1": forms["1"].encoding.encode(looked.weights["1"])}
    hold_all(net, looked, encoded)
    assert 0 < looked.noise["1"] < 1
