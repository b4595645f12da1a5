"""Speed on one thread: fidelities of a joint transform correlator, passes through two lenses, separation advisor.

    python benchmarks/optics_speed.py [--repeats 9]

The thread's own processor time, the best of the repeats: a busy neighbour disturbs it less than the wall clock, and
still takes the cache. One line a goal: ``goal: NAME | reached VALUE | wanted BOUND | met`` or ``missed``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from slipstick.core.window import WholeNumbers, Window
from slipstick.formats import arithmetic_of, format_of
from slipstick.optics.joint_transform import sampled_correlation
from slipstick.optics.lag_separation import JointPlane, lag_flags, smallest_field
from slipstick.trained.torch.fourier_pass import mask_parts, pass_intensity
from slipstick.trained.torch.resnet import _resnet
from slipstick.training.parametrization import attach

SHOTS, DEPTH = 4096, 16
PLANE = JointPlane(signal=256, kernel=9, field=1024, offset=256)
LAYER = (16, 64, 32, 32), (64, 64, 3, 3)  # the reference convolution of the theory's section 9
BATCH = 16


def seconds(run: Callable[[], object], repeats: int) -> float:
    """Return the least processor time of a call, after one to warm up."""
    run()
    times = []
    for _ in range(repeats):
        started = time.thread_time()
        run()
        times.append(time.thread_time() - started)
    return min(times)


def goal(name: str, reached: float, bound: float, *, least: bool, unit: str = "") -> None:
    met = reached >= bound if least else reached <= bound
    sign = ">=" if least else "<="
    print(
        f"goal: {name} | reached {reached:.3g}{unit} | wanted {sign} {bound:g} | {'met' if met else 'missed'}",
        flush=True,
    )


def planes(repeats: int) -> None:
    """Print the goals of sampled planes and of the advisor."""
    signals, kernels = torch.rand(SHOTS, PLANE.signal), torch.rand(SHOTS, PLANE.kernel)
    alone = seconds(lambda: sampled_correlation(signals, kernels, PLANE), repeats)
    summed = seconds(lambda: sampled_correlation(signals, kernels, PLANE, DEPTH), repeats)
    goal("sampled plane, N=1024, M shots/s", SHOTS / alone / 1e6, 0.3, least=True)
    goal("16 shots summed in the Fourier plane, M shots/s", SHOTS / summed / 1e6, 0.5, least=True)
    answer = seconds(lambda: (lag_flags(PLANE), smallest_field(PLANE.signal, PLANE.kernel)), repeats)
    goal("separation advisor, N=1024", 1e3 * answer, 1.0, least=False, unit=" ms")


def passes(repeats: int) -> None:
    """Print the goals of passes through two lenses, over the reference convolution."""
    x, w = (torch.rand(size) for size in LAYER)
    plain = seconds(lambda: torch.nn.functional.conv2d(x, w, padding=1), repeats)
    for side, bound in ((1024, 1.8), (2048, 11.0)):
        image, mask = torch.rand(side, side), torch.rand(side, side)
        general, symmetric = mask_parts(mask), mask_parts(mask, symmetric=True)
        whole = seconds(lambda image=image, parts=general: pass_intensity(image, parts), repeats)  # type: ignore[misc]
        half = seconds(lambda image=image, parts=symmetric: pass_intensity(image, parts), repeats)  # type: ignore[misc]
        goal(f"4f pass {side}^2, any mask, over the reference convolution", whole / plain, bound, least=False)
        goal(f"4f pass {side}^2, symmetric mask", half / plain, bound / 2, least=False)
    print("goal: 4f pass over torchoptics' | not run: torchoptics is not asked here | wanted >= 100 | not run")


def layer(repeats: int) -> None:
    """Print the goal of a layer in closed form, with an 8-bit conversion every 16 shots of either sign."""
    random = np.random.default_rng(0)
    x = np.clip(np.rint(random.normal(0, 35, LAYER[0])), 0, 127).astype(np.int16)
    w = np.clip(np.rint(random.normal(0, 9, LAYER[1])), -127, 127).astype(np.int16)
    window, own = Window(padding=((1, 1), (1, 1))), arithmetic_of("correlator:adc_range=0.1")
    a, b = (torch.from_numpy(part.astype(np.float32)) for part in (x, w))
    plain = seconds(lambda: torch.nn.functional.conv2d(a, b, padding=1), repeats)
    light = seconds(lambda: own.layer_sums(WholeNumbers(x, 128), WholeNumbers(w, 128), window), repeats)
    shots = LAYER[0][0] * LAYER[0][1] * LAYER[1][0] * 7 * 2  # tiles of 32 x 32 with guards, both signs
    print(f"closed form: {shots / light / 1e6:.0f} M shots/s, a plain convolution {1e3 * plain:.1f} ms")
    goal("closed form, 8-bit ADC every 16 shots, over a plain convolution", light / plain, 3.0, least=False)


def network(repeats: int) -> None:
    """Print the goal of ResNet-18 for CIFAR, every layer on the correlator."""
    net = _resnet((2, 2, 2, 2), block="basic", stem="small", classes=10).eval()
    batch = torch.rand(BATCH, 3, 32, 32)
    with torch.inference_mode():
        plain = seconds(lambda: net(batch), max(2, repeats // 3))
    print(f"ResNet-18 for CIFAR in plain fp32: {BATCH / plain:.0f} images/s", flush=True)
    names = [name for name, part in net.named_modules() if isinstance(part, torch.nn.Conv2d | torch.nn.Linear)]
    form = format_of("int8@correlator:adc_range=0.1")
    attach(net, dict.fromkeys(names, form), input_scales=dict.fromkeys(names, 4.0))
    with torch.inference_mode():
        took = seconds(lambda: net(batch), max(2, repeats // 3))
    goal("ResNet-18 for CIFAR at batch 16, images/s", BATCH / took, 50.0, least=True)


def main() -> None:
    """Print every goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with torch.inference_mode():
        planes(asked.repeats)
        passes(asked.repeats)
        layer(asked.repeats)
    network(asked.repeats)


if __name__ == "__main__":
    main()
