"""Injected sums by the fused kernel against the torch operations: values, gradients, and which layers it takes."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
import torch

from slipstick.core.window import Window
from slipstick.formats import format_of
from slipstick.formats.arithmetic.kernels.native_library import native_library
from slipstick.training.approximate_layers import _LayerProduct
from slipstick.training.fused_injection import InjectedLayer, _agrees, fused_sums
from slipstick.training.injected_sums import _TrainedSums

PAD = ((1, 1), (1, 1))
CASES = {
    "or, one scale": ("stochastic:length=32", "sum", Window(padding=PAD), 1),
    "or2, stride and groups, fixed": ("stochastic:length=32,count=or2", "sum+fixed", Window((2, 1), PAD, groups=2), 4),
    "or7, uneven padding": ("stochastic:length=64,count=or7", "sum+fixed", Window(padding=((1, 0), (0, 2))), 4),
    "table by the channel": ("mul7u_09Y", "channel", Window(padding=PAD, groups=2), 4),
    "table by the operands, fixed": ("mul7u_09Y", "operands+fixed", Window((1, 2), PAD), 1),
}


def layer_of(case: str) -> tuple[Any, ...]:
    """Return inputs, some of them clipped, weights, product, scale, steps and a calibrated part of a case."""
    text, errors, window, steps = CASES[case]
    torch.manual_seed(3)
    signed = 0.3 if text.startswith("mul") else 0.0
    x, weight = (1 + signed) * torch.rand(5, 4, 6, 7) - signed, torch.randn(4, 4 // window.groups, 3, 3) / 6
    product, scale = _LayerProduct(format_of(f"int8@{text}"), window), torch.tensor(0.9)
    sums = _TrainedSums(4, 1, errors)  # type: ignore[arg-type]
    sums.computes, sums.every = "inject", 10**9
    step = torch.rand(steps) / 300 + 1 / 300
    sums(x, weight, product, scale, step)
    return x, weight, product, scale, step, sums


def passed(layer: tuple[Any, ...], kernels: str, monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """Return a pass's sums and gradients by inputs and weights, the noise that of the first pass."""
    x, weight, product, scale, step, sums = layer
    monkeypatch.setenv("SLIPSTICK_KERNELS", kernels)
    sums.passes = 4
    x, weight = x.clone().requires_grad_(), weight.clone().requires_grad_()
    result = sums(x, weight, product, scale, step)
    upstream = torch.randn(result.shape, generator=torch.Generator().manual_seed(1))
    return [result.detach(), *torch.autograd.grad((result * upstream).sum(), (x, weight))]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kernels", ["native", "avx2"])
def test_the_kernel_gives_what_torch_operations_give(case: str, kernels: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPSTICK_KERNELS", kernels)
    if shutil.which("cc"):  # a kernel that fails its check is absent without a word, but not here
        assert native_library("injection", _agrees) is not None
    layer = layer_of(case)
    slow, fast = (passed(layer, mode, monkeypatch) for mode in ("portable", kernels))
    assert (slow[1] == 0).any()  # inputs that are clipped
    for ours, theirs in zip(fast, slow, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=2e-5 * float(theirs.abs().max()))


def test_noise_is_new_in_every_pass_and_the_same_after_a_stop() -> None:
    x, weight, product, scale, step, sums = layer_of("or, one scale")
    sums.begin("inject", 10**9)
    state = sums.seed
    first, second = (sums(x, weight, product, scale, step) for _ in range(2))
    assert not torch.equal(first, second)
    sums.passes, sums.seed = 0, state
    assert torch.equal(first, sums(x, weight, product, scale, step))


def test_the_kernel_leaves_what_it_does_not_compute() -> None:
    def fused(text: str, x: torch.Tensor, case: str) -> torch.Tensor | None:
        _, weight, product, scale, step, sums = layer_of(case)
        product = _LayerProduct(format_of(f"int8@{text}"), product.window)
        return fused_sums(x, weight, InjectedLayer(product, sums.model(), 0, scale, step))

    x, by_sum = torch.rand(2, 4, 6, 7), "or, one scale"
    assert fused("stochastic:length=32", x - 0.5, by_sum) is None  # counts of either sign mix signs of the inputs
    assert fused("stochastic:length=32,binary=y", x, by_sum) is None  # groups saturate apart
    assert fused("analog:rows=16,adc_bits=6", x, by_sum) is None  # one part
    assert fused("stochastic:length=32", x, "table by the channel") is None
    assert fused("stochastic:length=32", x[:0], by_sum) is None
