"""Layers on which approximate arithmetic is timed: shapes, operands of a trained network, torch's own layer, medians.

Operands are those of ResNet-8 after a short training on CIFAR-10 (JPEG copies): inputs of its convolutions behind ReLU,
cut to the size of the map and laid side by side for more channels, weights of its widest layer, repeated for larger
layers. The scale of stochastic weights is the one of 1 to 16 times their largest magnitude at which exact sums
correlate best with the plain ones, as `adapt` chooses it; the range of converters is calibrated.
"""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from slipstick.core.arithmetic import Arithmetic
from slipstick.core.window import WholeNumbers, Window
from slipstick.datasets import data_set
from slipstick.formats import format_of
from slipstick.trained.torch import module
from slipstick.training import Recipe, train
from slipstick.training.approximate_layers import _ExactForward, _LayerProduct

Shape = tuple[int, int, int, int, int, int]  # images, channels, filters (0: depth-wise), kernel, side, stride
Run = Callable[[], object]
LAYER: Shape = (16, 64, 64, 3, 16, 1)  # the theory's section 6
SHAPES: dict[str, Shape] = {
    "TinyConv 1": (16, 3, 32, 5, 32, 1), "TinyConv 2": (16, 32, 32, 5, 16, 1), "TinyConv 3": (16, 32, 64, 5, 8, 1),
    "ResNet-8 1": (16, 16, 16, 3, 32, 1), "ResNet-8 down": (16, 16, 32, 3, 32, 2), "ResNet-14 3": (16, 64, 64, 3, 8, 1),
    "ResNet-18 14x14": (16, 256, 256, 3, 14, 1), "ResNet-18 7x7": (16, 512, 512, 3, 7, 1),
    "MobileNet depth-wise": (16, 64, 0, 3, 14, 1), "MobileNet depth-wise down": (16, 64, 0, 3, 28, 2),
    "MobileNet 1x1": (16, 128, 128, 1, 14, 1), "1x1 7x7": (16, 256, 256, 1, 7, 1),
}  # fmt: skip
SHAPES_FACTOR, AVX2_FACTOR = 1.7, 3.0  # goals: of the other shapes' geometric mean, and of AVX2 alone
KEPT = Path(__file__).parents[1] / "out" / "trained_layers.npz"
STAGES = {
    "conv1": 32,
    "layer1.0.conv2": 32,
    "layer2.0.conv2": 16,
    "layer3.0.conv2": 8,
}  # layers and sides of their maps
GAINS = (1.0, 2.0, 4.0, 8.0, 16.0)  # those of `adapt`


@functools.cache
def trained_layers() -> Mapping[str, NDArray[np.float32]]:
    """Return inputs of ResNet-8's layers, fractions of the largest, and its widest layer's weights; kept in out/."""
    if not KEPT.exists():
        torch.manual_seed(0)
        data = data_set("cifar10-jpeg")
        net = module("resnet-8", data)
        train(
            net,
            data.__class__(data.name, data.train.some(3200), data.test.some(500), data.classes),
            Recipe(epochs=4, batch=64),
        )
        seen: dict[str, NDArray[np.float32]] = {}
        for name in STAGES:
            net.get_submodule(name).register_forward_pre_hook(
                lambda _, inputs, name=name: seen.__setitem__(name, inputs[0].contiguous().numpy())
            )
        with torch.inference_mode():
            net(torch.from_numpy(data.normal.apply(data.test.some(256).images)).permute(0, 3, 1, 2))
        shares = {name: np.maximum(x, 0) / x.max() for name, x in seen.items()}
        weight = net.get_submodule("layer3.0.conv2").weight.detach().numpy()
        KEPT.parent.mkdir(exist_ok=True)
        np.savez(KEPT, weight=weight / np.abs(weight).max(), **shares)
    return dict(np.load(KEPT))


@functools.cache
def operands(shape: Shape, text: str) -> tuple[WholeNumbers, WholeNumbers, Window, Arithmetic]:
    """Return a layer's whole numbers, its window, and the arithmetic fitted to them."""
    images, channels, filters, kernel, side, stride = shape
    form, groups, pad = format_of(text), 1 if filters else channels, (kernel // 2, kernel // 2)
    window, full = Window((stride, stride), (pad, pad), groups=groups), form.encoding.full_scale
    name = "conv1" if channels == 3 else min((key for key in STAGES if STAGES[key] >= side), key=STAGES.__getitem__)
    maps = trained_layers()["layer1.0.conv2" if name == "conv1" and channels != 3 else name]
    maps = np.resize(maps.reshape(-1, *maps.shape[2:]), (images * channels, *maps.shape[2:]))
    share = maps[:, :side, :side].reshape(images, channels, side, side)
    taps = (filters or channels, channels // groups, kernel, kernel)
    weight = np.resize(trained_layers()["weight"], taps)
    kind = np.int8 if full <= 128 else np.int16
    x = WholeNumbers(np.minimum(np.rint(share * full), full - 1).astype(kind), full)

    def whole(gain: float) -> WholeNumbers:
        return WholeNumbers(np.clip(np.rint(weight * (full - 1) / gain), 1 - full, full - 1).astype(kind), full)

    gain = 1.0
    if form.arithmetic.family == "stochastic":
        few = WholeNumbers(x.elements[:2], full)
        exact = format_of("int8").arithmetic.layer_sums(few, whole(1.0), window).ravel()
        sums = {gain: form.arithmetic.layer_sums(few, whole(gain), window).ravel() for gain in GAINS}
        gain = max(GAINS, key=lambda gain: _correlation(exact, sums[gain]))
    w = whole(gain)
    return x, w, window, form.arithmetic.calibrated(x, w, window)


def _correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return float(np.corrcoef(a, b)[0, 1]) if b.std() > 0 else -1.0


def forward(shape: Shape, text: str) -> Run:
    """Return a forward pass on whole numbers, as training hands them over."""
    x, w, window, arithmetic = operands(shape, text)
    return lambda: arithmetic.layer_sums(x, w, window)


def plain(shape: Shape, text: str = "int8") -> Run:
    """Return torch's fp32 convolution of the same shape."""
    x, w, window, _ = operands(shape, text)
    a, b = (torch.from_numpy(part.elements.astype(np.float32)) for part in (x, w))
    stride, padding = window.stride, tuple(pad[0] for pad in window.padding)

    def run() -> object:
        with torch.inference_mode():
            return torch.nn.functional.conv2d(a, b, stride=stride, padding=padding, groups=window.groups)

    return run


def leaves(shape: Shape, text: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return inputs and weights of a layer as fractions, that ask for gradients."""
    x, w, _, _ = operands(shape, text)
    a, b = (torch.from_numpy(part.elements.astype(np.float32) / part.full).requires_grad_() for part in (x, w))
    return a, b


def plain_step(shape: Shape, text: str = "int8") -> Run:
    """Return torch's own forward and backward pass of the same shape, in fp32."""
    a, b = leaves(shape, text)
    window = operands(shape, text)[2]
    options = {"stride": window.stride, "padding": tuple(pad[0] for pad in window.padding), "groups": window.groups}
    return stepped(a, b, lambda: torch.nn.functional.conv2d(a, b, **options))  # type: ignore[arg-type]


def step(shape: Shape, text: str) -> Run:
    """Return a forward and backward pass from float tensors on an arithmetic, as `adapt --method exact` trains."""
    (a, b), (_, _, window, arithmetic) = leaves(shape, text), operands(shape, text)
    product = _LayerProduct(format_of(f"{text.partition('@')[0]}@{arithmetic.name}"), window)
    scale, unit = torch.tensor(1.0), torch.tensor([1 / product.full[1]])
    apply: Callable[..., torch.Tensor] = _ExactForward.apply  # type: ignore[assignment]
    return stepped(a, b, lambda: apply(a, b, product, scale, unit))


def stepped(a: torch.Tensor, b: torch.Tensor, function: Callable[[], torch.Tensor]) -> Run:
    """Return a step: a forward pass, and a backward pass of a gradient drawn once."""
    upstream = torch.randn(function().shape, generator=torch.Generator().manual_seed(0))

    def run() -> object:
        a.grad = b.grad = None
        function().backward(upstream)
        return a.grad

    return run


def seconds(candidates: Mapping[str, Run], repeats: int) -> dict[str, float]:
    """Return the smallest of three medians of each candidate's processor time [s]; candidates take turns."""
    best = dict.fromkeys(candidates, np.inf)
    for run in candidates.values():
        run()
    for _ in range(3):
        times: dict[str, list[float]] = {name: [] for name in candidates}
        for _ in range(repeats):
            for name, run in candidates.items():
                start = time.thread_time()
                run()
                times[name].append(time.thread_time() - start)
        for name, measured in times.items():
            best[name] = min(best[name], statistics.median(measured))
    return best


def goal(name: str, reached: float, bound: float, text: str = "", *, least: bool = False) -> None:
    """Print a goal's line; `least`: the bound is to be reached or passed."""
    met = reached >= bound if least else reached <= bound
    sign = ">=" if least else "<="
    print(
        f"goal: {name} | reached {reached:.2f}{text} | wanted {sign} {bound:.2f} | {'met' if met else 'missed'}",
        flush=True,
    )


def shape_goals(name: str, text: str, bound: float, repeats: int, training: bool = False) -> None:
    """Print the ratio of each of the twelve shapes, then the goal of their geometric mean, the worst named."""
    found: dict[str, float] = {}
    for shape_name, shape in SHAPES.items():
        ours, theirs = (step, plain_step) if training else (forward, plain)
        times = seconds({"plain": theirs(shape), "ours": ours(shape, text)}, max(3, repeats // 3))
        found[shape_name] = times["ours"] / times["plain"]
        print(f"  {shape_name:26} {found[shape_name]:6.2f} of {times['plain'] * 1e3:.3f} ms", flush=True)
    worst, mean = max(found, key=found.__getitem__), statistics.geometric_mean(found.values())
    goal(f"{name}, twelve shapes", mean, SHAPES_FACTOR * bound, f" (worst {worst}: {found[worst]:.2f})")
