"""What layers of a torch network see: windows against the layers themselves, means held, noise as it is."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
from torch import nn  # noqa: E402

from slipstick.compress.bias_correction import corrected_biases  # noqa: E402
from slipstick.compress.compression import compress, study_layers  # noqa: E402
from slipstick.compress.encoded_layers import _noise, _signal  # noqa: E402
from slipstick.compress.sensitivity import _sensitivities  # noqa: E402
from slipstick.compress.shift_budget import _schedule_shifts  # noqa: E402
from slipstick.core.errors import SlipstickError  # noqa: E402
from slipstick.datasets.images import Images, Normal  # noqa: E402
from slipstick.formats import format_of  # noqa: E402
from slipstick.trained.torch.observed_windows import _observe_windows  # noqa: E402
from slipstick.trained.torch.same_padding import _SameConv  # noqa: E402
from slipstick.trained.torch.torch_network import TorchNetwork  # noqa: E402

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


def network(net: nn.Module) -> TorchNetwork:
    return TorchNetwork("net", net, NORMAL, (7, 6, 2))


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
    seen = _observe_windows(net, PICTURES, NORMAL, ["0"])["0"]
    with torch.inference_mode():
        real = layer(inputs()).numpy()
    bias = 0.0 if layer.bias is None else layer.bias.detach().numpy()
    pixels = real.transpose(0, 2, 3, 1).reshape(-1, real.shape[1]) - bias
    made = seen.outputs(network(net).layers()[0].weights)
    assert made.shape == (9 * 12, real.shape[1])
    apart = np.abs(made[:, None] - pixels[None]).max(axis=2).min(axis=1)
    assert apart.max() < 1e-4


def test_an_image_smaller_than_the_kernel_is_one_window() -> None:
    """Of a layer that pads its input itself, as TensorFlow's SAME does: ds-cnn on digits."""
    layer = _SameConv(2, 4, (10, 4), 2, bias=False)
    net = seeded(nn.Sequential(layer, nn.Flatten(start_dim=2)))
    seen = _observe_windows(net, PICTURES, NORMAL, ["0"])["0"]
    made = seen.outputs(network(net).layers()[0].weights)
    with torch.inference_mode():  # 7 rows, brought to the 10 of the kernel: 1 above, 2 below
        padded = nn.functional.pad(inputs(), (0, 0, 1, 2))
        real = nn.functional.conv2d(padded, layer.weight, stride=2).numpy()
    pixels = real.transpose(0, 2, 3, 1).reshape(-1, 4)
    assert np.abs(made[:, None] - pixels[None]).max(axis=2).min(axis=1).max() < 1e-4


def dense() -> nn.Module:
    return seeded(nn.Sequential(nn.Flatten(), nn.Linear(84, 5), nn.ReLU(), nn.Linear(5, 3, bias=False)))


def normed() -> nn.Module:
    """Every layer sees one position, so that windows are all that there is."""
    return seeded(nn.Sequential(nn.Conv2d(2, 5, (7, 6), bias=False), nn.BatchNorm2d(5), nn.Flatten(), nn.Linear(5, 3)))


@pytest.mark.parametrize(("make", "name"), [(dense, "1"), (normed, "0")])
def test_means_of_outputs_stay_where_there_is_a_bias_or_a_batch_norm(make, name: str) -> None:
    whole = network(make())
    [layer] = [layer for layer in whole.layers() if layer.name == name]
    seen = whole.observe(PICTURES, [name])
    change = np.random.default_rng(2).normal(size=layer.weights.shape)
    weights = {name: layer.weights + change}
    moved = whole.with_weights(weights, corrected_biases([layer], weights, seen))

    def front(of: TorchNetwork) -> np.ndarray:
        with torch.inference_mode():
            return of.module[: int(name) + 1 if name == "1" else 2](inputs()).flatten(1).numpy()

    before, after = front(whole), front(moved)
    np.testing.assert_allclose(after.mean(axis=0), before.mean(axis=0), atol=1e-4)
    norm = whole.module[1]
    scale = np.sqrt(norm.running_var.numpy() + norm.eps) / norm.weight.detach().numpy() if name == "0" else 1.0
    np.testing.assert_allclose(((after - before) * scale).var(axis=0), _noise(layer, change, seen[name]), rtol=1e-3)


def test_a_layer_with_neither_is_left_out() -> None:
    whole = network(dense())
    last = whole.layers()[-1]
    assert last.bias is None
    assert not corrected_biases([last], {last.name: last.weights + 1}, whole.observe(PICTURES))
    with pytest.raises(SlipstickError, match="neither a bias nor a batch norm"):
        whole.with_weights({}, {last.name: np.zeros(3, np.float32)})


def test_noise_in_the_last_layer_is_noise_in_the_output_and_measuring_changes_nothing() -> None:
    whole = network(dense())
    forms = {"1": format_of("swis:3"), "3": format_of("swis:3")}
    before = {name: tensor.clone() for name, tensor in whole.module.state_dict().items()}
    seen = whole.observe(PICTURES)
    found = _sensitivities(whole, {"3": forms["3"]}, seen, PICTURES)
    layer = whole.layers()[-1]
    change = forms["3"].encoding.encode(layer.weights, {"shifts": np.full(3, 2)}).values - layer.weights
    power = (seen["3"].outputs(change) ** 2).mean(axis=0).sum() / _noise(layer, change, seen["3"]).sum()
    assert found["3"] == pytest.approx(float(power), rel=1e-4)  # the mean stays in it: this layer has no bias
    _sensitivities(whole, forms, seen, PICTURES)
    assert all(torch.equal(tensor, before[name]) for name, tensor in whole.module.state_dict().items())


def test_a_schedule_keeps_its_budget_and_more_shifts_never_make_more_noise() -> None:
    whole = network(normed())
    forms = {"0": format_of("swis:3"), "3": format_of("round:3")}
    seen, layers = whole.observe(PICTURES), {layer.name: layer for layer in whole.layers()}
    size = {"0": 84 // 4, "3": 5}

    def made(budget: float) -> float:
        shifts = _schedule_shifts(whole, forms, seen, budget)
        spent = sum(float(n.sum()) * size[name] for name, n in shifts.items())
        assert spent <= budget * sum(len(n) * size[name] for name, n in shifts.items()) + 1e-9
        total = 0.0
        for name, form in forms.items():
            values = form.encoding.encode(layers[name].weights, {"shifts": shifts[name]}).values
            change = values - layers[name].weights
            total += float(_noise(layers[name], change, seen[name]).sum()) / _signal(layers[name], seen[name])
        return total

    found = [made(budget) for budget in (1.0, 2.0, 2.5, 3.0, 4.0, 7.0)]
    assert all(more <= less + 1e-12 for less, more in pairwise(found))
    assert found[-1] < found[0] / 100


def test_no_format_with_shifts_has_no_schedule() -> None:
    whole, forms = network(dense()), {"1": format_of("int4")}
    with pytest.raises(SlipstickError, match="no layer's format has shifts"):
        study_layers(whole, forms, PICTURES, shifts=3)
    assert 0 < compress(whole, forms, study_layers(whole, forms, PICTURES)).noise["1"] < 1
