"""The SWIS array's simulator against the integer product and the closed form; cycles of the other elements."""

from __future__ import annotations

import numpy as np
import pytest

from slipstick.array.bit_serial import group_cycles, layer
from slipstick.array.layer_cost import layer_cost
from slipstick.array.matrix_products import Product
from slipstick.array.simulate import BitWeights, simulate
from slipstick.array.weight_formats import Held
from slipstick.core.catalogue import resolve_system
from slipstick.core.device_kinds import Element
from slipstick.core.errors import SlipstickError
from slipstick.core.spec import override
from slipstick.core.system import System
from slipstick.formats.decompose import decompose, position_sets

GROUP = 4


def swis(codes: np.ndarray, shifts: list[int]) -> tuple[BitWeights, np.ndarray]:
    """Decompose [filters, groups, M] with the shifts of each filter; return also the values that remain."""
    most = max(shifts)
    masks, positions = np.zeros(codes.shape, np.int64), np.zeros((*codes.shape[:2], most), np.int64)
    kept = np.zeros(codes.shape, np.int64)
    for place, count in enumerate(shifts):
        found = decompose(codes[place], shifts=count)
        masks[place] = found.masks
        positions[place, :, :count] = np.array(position_sets(8, count))[found.sets]
        kept[place] = found.magnitudes * np.sign(codes[place])
    signs = np.where(codes < 0, -1, 1).astype(np.int64)
    return BitWeights(signs, masks, positions, np.array(shifts)), kept


@pytest.mark.parametrize("element", ["single-shift", "double-shift"])
@pytest.mark.parametrize(
    ("pixels", "groups", "shifts", "rows", "columns"),
    [(5, 3, [3] * 4, 4, 4), (9, 2, [1, 2, 2, 3, 4, 4, 5], 4, 3), (3, 4, [2] * 5, 8, 8), (8, 1, [8, 8], 8, 2)],
)
def test_the_array_computes_the_product_in_the_cycles_of_the_closed_form(
    element: Element, pixels: int, groups: int, shifts: list[int], rows: int, columns: int
) -> None:
    rng = np.random.default_rng(pixels)
    activations = rng.integers(-128, 128, (pixels, groups, GROUP))
    weights, kept = swis(rng.integers(-127, 128, (len(shifts), groups, GROUP)), shifts)
    found = simulate(activations, weights, rows, columns, element)
    np.testing.assert_array_equal(found.outputs, np.einsum("pgm,fgm->pf", activations, kept))
    closed = layer(
        pixels, groups * GROUP, len(shifts), rows, columns, group=GROUP, shifts=np.array(shifts), element=element
    )
    assert found.cycles == closed.cycles
    joined = simulate(activations, weights, rows, columns, element, overlap=True)
    np.testing.assert_array_equal(joined.outputs, found.outputs)
    closed = layer(
        pixels, groups * GROUP, len(shifts), rows, columns, group=GROUP, shifts=np.array(shifts), element=element,
        overlap=True,
    )  # fmt: skip
    assert joined.cycles == closed.cycles <= found.cycles


def test_all_eight_shifts_compute_the_weights_themselves() -> None:
    rng = np.random.default_rng(1)
    activations, codes = rng.integers(-128, 128, (4, 2, GROUP)), rng.integers(-127, 128, (3, 2, GROUP))
    weights, _ = swis(codes, [8] * 3)
    found = simulate(activations, weights, 2, 2, "single-shift")
    np.testing.assert_array_equal(found.outputs, np.einsum("pgm,fgm->pf", activations, codes))


def test_cycles_of_each_element() -> None:
    counts = np.arange(1, 9)
    assert group_cycles(counts, "single-shift").tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert group_cycles(counts, "double-shift").tolist() == [1, 1, 2, 2, 3, 3, 4, 4]
    assert group_cycles(counts, "bit-fusion").tolist() == [4, 4, 8, 8, 12, 12, 16, 16]
    assert group_cycles(counts, "parallel").tolist() == [1] * 8


def test_sorting_filters_by_shifts_is_never_slower() -> None:
    shifts = np.random.default_rng(2).integers(1, 6, 64)
    mixed = layer(100, 288, 64, 8, 8, group=GROUP, shifts=shifts, element="single-shift")
    ordered = layer(100, 288, 64, 8, 8, group=GROUP, shifts=np.sort(shifts), element="single-shift")
    assert ordered.cycles < mixed.cycles


def test_what_is_no_element_is_refused() -> None:
    with pytest.raises(SlipstickError, match="no such element"):
        group_cycles(1, "quantum")  # type: ignore[arg-type]
    with pytest.raises(SlipstickError, match="1 to 8"):
        group_cycles(0, "single-shift")


@pytest.mark.parametrize("element", ["single-shift", "double-shift"])
@pytest.mark.parametrize(
    ("side", "channels", "kernel", "filters", "stride", "padding", "depthwise"),
    [
        (7, 8, 3, 5, 1, 1, False),
        (8, 6, 3, 4, 2, 1, False),  # channels that no group divides
        (5, 12, 1, 9, 1, 0, False),
        (6, 8, 1, 4, 2, 0, False),
        (6, 5, 3, 5, 1, 1, True),  # one filter a channel, groups along the kernel
        (7, 4, 3, 4, 2, 0, True),
        (4, 16, 4, 3, 1, 0, False),  # one pixel: a fully connected layer
    ],
)
def test_whole_convolutions_in_the_array(
    side: int, channels: int, kernel: int, filters: int, stride: int, padding: int, depthwise: bool, element: Element
) -> None:
    """Bit for bit the integer convolution of torch, in the cycles that `layer_cost` counts for the product."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(side * channels + filters)
    image = rng.integers(-128, 128, (1, channels, side, side))
    each = 1 if depthwise else channels
    shifts = rng.integers(1, 5, filters)
    steps = -(-each * kernel**2 // GROUP)
    padded = np.zeros((filters, steps * GROUP), np.int64)
    padded[:, : each * kernel**2] = rng.integers(-127, 128, (filters, each * kernel**2))
    weights, kept = swis(padded.reshape(filters, steps, GROUP), shifts.tolist())
    kernels = kept.reshape(filters, -1)[:, : each * kernel**2].reshape(filters, each, kernel, kernel)
    wanted = torch.nn.functional.conv2d(
        torch.tensor(image, dtype=torch.float64), torch.tensor(kernels, dtype=torch.float64), stride=stride,
        padding=padding, groups=channels if depthwise else 1,
    )  # fmt: skip
    unfolded = np.lib.stride_tricks.sliding_window_view(
        np.pad(image[0], ((0, 0), (padding, padding), (padding, padding))), (kernel, kernel), axis=(1, 2)
    )[:, ::stride, ::stride]
    pixels = unfolded.shape[1] * unfolded.shape[2]
    outputs, cycles = [], -1
    for place in range(channels if depthwise else 1):
        some = unfolded[place : place + 1] if depthwise else unfolded
        rows = some.transpose(1, 2, 0, 3, 4).reshape(pixels, -1)
        lanes = np.pad(rows, ((0, 0), (0, steps * GROUP - rows.shape[1]))).reshape(pixels, steps, GROUP)
        chosen = slice(place, place + 1) if depthwise else slice(None)
        part = BitWeights(
            weights.signs[chosen], weights.masks[chosen], weights.positions[chosen], weights.shifts[chosen]
        )
        found = simulate(lanes, part, 4, 3, element)
        outputs.append(found.outputs)
        cycles += found.cycles + 1
    np.testing.assert_array_equal(np.concatenate(outputs, axis=1).T.ravel(), wanted.numpy().ravel())
    groups = channels if depthwise else 1
    product = Product("x", "conv", pixels, each * kernel**2, filters // groups, image.size, wanted.numel(), groups)
    cost = layer_cost(product, Held("swis", shifts, 1.0), _array(element))
    assert cost.cycles == cycles
    assert cost.shifts == pixels * steps * shifts.sum()


def _array(element: Element) -> System:
    changes = {"device.rows": 4, "device.columns": 3, "device.element": element, "device.group": GROUP}
    return override(resolve_system("swis-8x8"), changes)
