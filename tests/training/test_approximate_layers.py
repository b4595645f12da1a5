"""Layers on approximate arithmetic: exact forward passes, gradients of the stand-in by differences, copies."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn

from slipstick.core.errors import SlipstickError
from slipstick.core.stand_in import StandIn
from slipstick.core.window import WholeNumbers, Window
from slipstick.formats import format_of
from slipstick.training.approximate_layers import _backward, _ExactForward, _LayerProduct, exact_sums, plain_sums
from slipstick.training.parametrization import attach, detach

WINDOWS = [
    (Window(padding=((1, 1), (1, 1))), 3, 4, 0.0),
    (Window(padding=((1, 0), (0, 1)), stride=(2, 1), groups=2), 4, 6, 0.5),
]
TEXTS = ["length=32", "length=32,count=or3", "length=32,binary=y", "length=32,count=binary"]


def smooth(form, a: torch.Tensor, b: torch.Tensor, window: Window) -> torch.Tensor:
    """Return the stand-in of a layer, of sums of either sign and of every group of taps, by windows cut out."""
    stand_in, total = form.stand_in, 0.0
    patches = torch.from_numpy(window.patches(a.numpy(), tuple(b.shape[2:])).copy())
    images, _, rows, columns = patches.shape[:4]
    taps = patches.permute(0, 2, 3, 1, 4, 5).reshape(images, rows, columns, window.groups, -1)
    filters = b.reshape(window.groups, len(b) // window.groups, -1)
    products = torch.einsum("bijgk,gnk->bijgnk", taps, filters)
    groups = torch.from_numpy(form.arithmetic.tap_groups(tuple(b.shape[1:]))).ravel()
    for group in groups.unique():
        own = products[..., groups == group]
        for sign in (1, -1):
            sums = (sign * own).clamp(min=0).sum(-1).numpy()
            total = total + sign * torch.from_numpy(stand_in.value(sums))
    return total.reshape(images, rows, columns, -1).permute(0, 3, 1, 2)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(("window", "channels", "filters", "shift"), WINDOWS)
def test_gradients_are_finite_differences_of_the_stand_in(
    text: str, window: Window, channels: int, filters: int, shift: float
) -> None:
    torch.manual_seed(1)
    form = format_of(f"int8@stochastic:{text}")
    a = torch.rand(2, channels, 5, 6, dtype=torch.float64) - shift
    b = torch.randn(filters, channels // window.groups, 3, 2, dtype=torch.float64) / 5
    upstream = torch.randn(smooth(form, a, b, window).shape, dtype=torch.float64)
    by_input, by_weight = _backward(_LayerProduct(form, window), a, b, upstream)
    for tensor, gradient in ((a, by_input), (b, by_weight)):
        for place in torch.randperm(tensor.numel())[:12]:
            if tensor.view(-1)[place].abs() < 1e-4:
                continue  # a kink: signs are counted apart
            values = []
            for step in (1e-5, -2e-5):
                tensor.view(-1)[place] += step
                values.append(float((smooth(form, a, b, window) * upstream).sum()))
            tensor.view(-1)[place] += 1e-5
            assert gradient.view(-1)[place].item() == pytest.approx((values[0] - values[1]) / 2e-5, abs=1e-6)


def clipped_sums(analog, a: torch.Tensor, b: torch.Tensor, window: Window) -> torch.Tensor:
    """Return a layer of arrays without rounding: partial sums of fractions, held within the converters' range."""
    signed, span = analog.columns == "differential", analog.adc_range * analog.rows
    images, _, rows, columns = window.patches(a.numpy(), tuple(b.shape[2:])).shape[:4]
    total = 0.0
    for inputs, outer in [(a, 1)] if signed or a.min() >= 0 else [(a.clamp(min=0), 1), (-a.clamp(max=0), -1)]:
        patches = torch.from_numpy(window.patches(inputs.numpy(), tuple(b.shape[2:])).copy())
        taps = patches.permute(0, 2, 3, 1, 4, 5).reshape(images, rows, columns, window.groups, -1)
        for column in (0,) if signed else (1, -1):
            cells = (b if not column else (column * b).clamp(min=0)).reshape(window.groups, len(b) // window.groups, -1)
            for first in range(0, taps.shape[-1], analog.rows):
                array = slice(first, first + analog.rows)
                sums = torch.einsum("bijgk,gnk->bijgn", taps[..., array], cells[..., array])
                total = total + outer * (column or 1) * sums.clamp(-span if signed else 0, span)
    return total.reshape(images, rows, columns, -1).permute(0, 3, 1, 2)


@pytest.mark.parametrize("kernels", ["native", "avx2", "portable"])
@pytest.mark.parametrize("text", ["rows=5,adc_range=0.03", "rows=4,adc_range=0.03,columns=separate"])
@pytest.mark.parametrize(("window", "channels", "filters", "shift"), WINDOWS)
def test_gradients_do_not_pass_through_converters_that_clip(
    text: str, window: Window, channels: int, filters: int, shift: float, kernels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Finite differences of sums that are clipped but not rounded; conversions of many bits are next to those."""
    monkeypatch.setenv("SLIPSTICK_KERNELS", kernels)
    torch.manual_seed(3)
    form = format_of(f"int8@analog:{text},adc_bits=16")
    a = (torch.randint(0, 128, (2, channels, 5, 6)) / 128 - shift).double()
    b = (torch.randn(filters, channels // window.groups, 3, 2) / 5 * 128).round().double() / 128
    upstream = torch.randn(clipped_sums(form.arithmetic, a, b, window).shape, dtype=torch.float64)
    leaves = [tensor.float().requires_grad_() for tensor in (a, b)]
    result = _ExactForward.apply(*leaves, _LayerProduct(form, window), torch.tensor(1.0), torch.tensor([1 / 128]))
    result.backward(upstream.float())
    torch.testing.assert_close(result.double(), clipped_sums(form.arithmetic, a, b, window), atol=1e-3, rtol=0)
    exact = _backward(_LayerProduct(format_of("int8"), window), a, b, upstream)
    different, checked = 0, 0
    for tensor, leaf, straight in zip((a, b), leaves, exact, strict=True):
        for place in torch.randperm(tensor.numel())[:20]:
            if not tensor.view(-1)[place]:
                continue  # a kink: signs are read apart
            values = []
            for step in (1e-7, -2e-7):
                tensor.view(-1)[place] += step
                values.append(float((clipped_sums(form.arithmetic, a, b, window) * upstream).sum()))
            tensor.view(-1)[place] += 1e-7
            assert leaf.grad.view(-1)[place].item() == pytest.approx((values[0] - values[1]) / 2e-7, abs=1e-4)
            different += abs(float(leaf.grad.view(-1)[place] - straight.view(-1)[place])) > 1e-3
            checked += 1
    assert checked / 4 < different  # the range is narrow enough for most gradients to lose something


def small_net() -> nn.Module:
    torch.manual_seed(2)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, stride=2, groups=4, padding=1),
        nn.Flatten(), nn.Linear(36, 3),
    )  # fmt: skip


@pytest.mark.parametrize("text", [*(f"stochastic:{text}" for text in TEXTS), "mul7u_09Y", "analog:rows=9,adc_bits=4"])
@pytest.mark.parametrize("shift", [0.0, 0.4])
def test_a_first_layer_and_bf16_have_the_gradients_of_fp32_but_for_rounding(text: str, shift: float) -> None:
    """The hardware's sums stay the same; a bf16 has 8 bits, 2**-9 an operand, of which signs cancel a part."""
    torch.manual_seed(3)
    layer = nn.Conv2d(3, 6, 3, stride=2, padding=1)
    attach(layer, {"": format_of(f"int8@{text}")}, input_scales={"": 1.0})
    x = torch.rand(8, 3, 9, 9) - shift
    upstream = torch.randn(8, 6, 5, 5)

    def answers(x: torch.Tensor, low: bool) -> tuple[torch.Tensor, ...]:
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            sums = layer(x)
        asked = [part for part in (layer.parametrizations.weight.original, x) if part.requires_grad]
        return sums.detach(), *torch.autograd.grad((sums * upstream).sum(), asked)

    sums, by_weight = answers(x, low=False)
    full = answers(x.clone().requires_grad_(), low=False)
    torch.testing.assert_close((sums, by_weight), full[:2])
    low = answers(x.clone().requires_grad_(), low=True)
    assert torch.equal(low[0], sums)
    for rounded, exact in zip(low[1:], full[1:], strict=True):
        assert rounded.dtype == torch.float32
        assert 0 < float((rounded - exact).norm() / exact.norm()) < 2**-5


def test_attached_layers_compute_the_hardwares_sums_each_in_its_own_format() -> None:
    net, x = small_net(), torch.rand(5, 2, 6, 6)
    plain, forms = deepcopy(net), {"0": format_of("int8@stochastic:length=64,count=or2"), "5": format_of("int8")}
    attach(net, forms, input_scales={"0": 1.0})
    codes = torch.round(net[0].weight.detach() / float(net[0].parametrizations.weight[0].last.side["scale"][0]))
    step = float(net[0].parametrizations.weight[0].last.side["scale"][0])
    inputs = WholeNumbers(torch.round(x * 128).clamp(max=127).to(torch.int16).numpy(), 128)
    weights = WholeNumbers(codes.to(torch.int16).numpy(), 128)
    sums = forms["0"].arithmetic.layer_sums(inputs, weights, Window(padding=((1, 1), (1, 1))))
    expected = sums * (step / 128) + net[0].bias.detach().numpy()[:, None, None]
    np.testing.assert_allclose(net[0](x).detach().numpy(), expected, rtol=1e-6)
    copied = deepcopy(net)  # a copy computes the same, by its own weights
    net[0].bias.data += 1
    np.testing.assert_allclose(copied[0](x).detach().numpy(), expected, rtol=1e-6)
    assert set(plain.state_dict()) < set(net.state_dict()) | set(plain.state_dict())
    detach(copied)
    assert set(copied.state_dict()) == set(plain.state_dict())
    torch.testing.assert_close(copied[0](x), plain[0](x), atol=0.05, rtol=0)
    torch.testing.assert_close(copied[3](torch.rand(1, 4, 6, 6)).shape, torch.Size((1, 4, 3, 3)))


def test_depthwise_and_dense_layers_learn_through_the_hardware() -> None:
    """A few steps of gradient descent on the exact forward pass lower the loss."""
    net, x, labels = small_net(), torch.rand(32, 2, 6, 6), torch.arange(32) % 3
    forms = {name: format_of("int8@stochastic:length=64,count=or3") for name in ("0", "3", "5")}
    attach(net, forms, input_scales={"0": 1.0, "3": 3.0, "5": 2.0})
    optimiser, losses = torch.optim.Adam(net.parameters(), 0.01), []
    for _ in range(40):
        loss = nn.functional.cross_entropy(net(x), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])
    assert all(parameter.grad is not None for parameter in net.parameters())


def test_exact_sums_approach_plain_ones_with_longer_streams() -> None:
    """An accumulating counter of every product errs by less the longer the streams are."""
    layer, x = nn.Conv2d(6, 8, 3, padding=1), torch.rand(4, 6, 8, 8)
    step = np.float32([float(layer.weight.detach().abs().max()) / 127])
    plain, errors = plain_sums(layer, x, layer.weight.detach()), []
    for length in (8, 32, 256):
        form = format_of(f"int8@stochastic:length={length},count=binary,generator=sobol")
        exact = exact_sums(layer, form, x, layer.weight.detach(), 1.0, step)
        errors.append(float((exact - plain).std()))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.1 * float(plain.std())


def test_the_torch_slope_is_that_of_the_stand_in() -> None:
    from slipstick.training.approximate_layers import _poisson_slope

    sums = torch.linspace(0, 5, 40, dtype=torch.float64)
    for counted in (1, 2, 3, 4):
        slope = StandIn("poisson", counted=counted).derivative(sums.numpy())
        np.testing.assert_allclose(_poisson_slope(sums.clone(), counted).numpy(), slope, atol=1e-12)


def test_other_layers_are_refused() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"))
    with pytest.raises(SlipstickError, match="no such layer on hardware"):
        attach(net, {"0": format_of("int8@stochastic:length=32")})
