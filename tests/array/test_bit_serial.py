"""The SWIS array's simulator against the integer product and the closed form; cycles of the other elements."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from slipstick.array.format_steps import _array_arithmetic
from slipstick.array.layer_cost import _layer_cost
from slipstick.array.layer_cycles import _layer_pass
from slipstick.array.matrix_products import Product
from slipstick.array.simulate import BitWeights, _simulate_layer, bit_weights, simulate_bits
from slipstick.array.weight_formats import _StoredWeights
from slipstick.core.catalogue import resolve_system
from slipstick.core.device_kinds import Array, Dataflow, Element
from slipstick.core.errors import SlipstickError
from slipstick.core.spec import override
from slipstick.core.system import System
from slipstick.formats import BitSerial, Swis, encoding_of
from slipstick.formats.decompose import _decompose, _position_sets

GROUP = 4


def swis(codes: np.ndarray, shifts: list[int]) -> tuple[BitWeights, np.ndarray]:
    """Decompose [filters, groups, M] with the shifts of each filter; return also the values that remain."""
    most = max(shifts)
    masks, positions = np.zeros(codes.shape, np.int64), np.zeros((*codes.shape[:2], most), np.int64)
    kept = np.zeros(codes.shape, np.int64)
    for place, count in enumerate(shifts):
        found = _decompose(codes[place], shifts=count)
        masks[place] = found.masks
        positions[place, :, :count] = np.array(_position_sets(8, count))[found.sets]
        kept[place] = found.magnitudes * np.sign(codes[place])
    signs = np.where(codes < 0, -1, 1).astype(np.int64)
    return BitWeights(signs, masks, positions, np.array(shifts)), kept


@pytest.mark.parametrize("element", ["single-shift", "double-shift"])
@pytest.mark.parametrize(
    ("pixels", "groups", "shifts", "rows", "columns"),
    [
        (5, 3, [3] * 4, 4, 4),
        (9, 2, [1, 2, 2, 3, 4, 4, 5], 4, 3),
        (3, 4, [2] * 5, 8, 8),
        (8, 1, [8, 8], 8, 2),
        (5, 3, [1] * 4, 4, 4),
    ],
)
def test_the_array_computes_the_product_in_the_cycles_of_the_closed_form(
    element: Element, pixels: int, groups: int, shifts: list[int], rows: int, columns: int
) -> None:
    rng = np.random.default_rng(pixels)
    activations = rng.integers(-128, 128, (pixels, groups, GROUP))
    weights, kept = swis(rng.integers(-127, 128, (len(shifts), groups, GROUP)), shifts)
    apart, overlapping = (
        Array(clock=5e8, rows=rows, columns=columns, group=GROUP, element=element, overlap=overlap)
        for overlap in (False, True)
    )
    found = simulate_bits(activations, weights, apart)
    np.testing.assert_array_equal(found.outputs, np.einsum("pgm,fgm->pf", activations, kept))
    assert found.cycles == _layer_pass(pixels, groups * GROUP, len(shifts), np.array(shifts), apart).cycles
    joined = simulate_bits(activations, weights, overlapping)
    np.testing.assert_array_equal(joined.outputs, found.outputs)
    closed = _layer_pass(pixels, groups * GROUP, len(shifts), np.array(shifts), overlapping)
    assert joined.cycles == closed.cycles <= found.cycles


def test_all_eight_shifts_compute_the_weights_themselves() -> None:
    rng = np.random.default_rng(1)
    activations, codes = rng.integers(-128, 128, (4, 2, GROUP)), rng.integers(-127, 128, (3, 2, GROUP))
    weights, _ = swis(codes, [8] * 3)
    found = simulate_bits(activations, weights, _elements("single-shift", 2, 2))
    np.testing.assert_array_equal(found.outputs, np.einsum("pgm,fgm->pf", activations, codes))


def test_cycles_of_each_element() -> None:
    counts = np.arange(1, 9)
    cycles = {element: _array_arithmetic(_elements(element)).cycles(counts).tolist() for element in get_args(Element)}
    assert cycles == {
        "single-shift": [1, 2, 3, 4, 5, 6, 7, 8],
        "double-shift": [1, 1, 2, 2, 3, 3, 4, 4],
        "serial": [1, 2, 3, 4, 5, 6, 7, 8],
        "bit-fusion": [4, 4, 8, 8, 12, 12, 16, 16],
        "parallel": [1] * 8,
    }


def test_sorting_filters_by_shifts_is_never_slower() -> None:
    shifts = np.random.default_rng(2).integers(1, 6, 64)
    mixed = _layer_pass(100, 288, 64, shifts, _elements("single-shift", 8, 8))
    ordered = _layer_pass(100, 288, 64, np.sort(shifts), _elements("single-shift", 8, 8))
    assert ordered.cycles < mixed.cycles


def test_what_is_no_element_is_refused() -> None:
    with pytest.raises(SlipstickError, match="no such serial element"):
        BitSerial("quantum")  # type: ignore[arg-type]
    with pytest.raises(SlipstickError, match="1 to 8"):
        BitSerial().cycles(0)


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
    """Bit for bit the integer convolution of torch, in the cycles that `_layer_cost` counts for the product."""
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
        found = simulate_bits(lanes, part, _elements(element, 4, 3))
        outputs.append(found.outputs)
        cycles += found.cycles + 1
    np.testing.assert_array_equal(np.concatenate(outputs, axis=1).T.ravel(), wanted.numpy().ravel())
    groups = channels if depthwise else 1
    product = Product("x", "conv", pixels, each * kernel**2, filters // groups, image.size, wanted.numel(), groups)
    cost = _layer_cost(product, _StoredWeights("swis", shifts, 1.0), _array(element))
    assert cost.cycles == cycles
    assert cost.shifts == pixels * steps * shifts.sum()


def _elements(element: Element, rows: int = 4, columns: int = 3, dataflow: Dataflow = "os") -> Array:
    return Array(clock=5e8, rows=rows, columns=columns, group=GROUP, element=element, dataflow=dataflow)


@pytest.mark.parametrize("element", ["single-shift", "double-shift"])
@pytest.mark.parametrize("text", ["swis:3", "swis:2,consecutive=true", "swis:3,bits=8", "round:3", "int5", "int8"])
def test_encoded_layers_in_the_array_are_the_integer_product(text: str, element: Element) -> None:
    """Also weights whose groups use fewer positions than they may, and zeros; in the cycles of the closed form."""
    rng = np.random.default_rng(3)
    activations, values = rng.integers(-128, 128, (5, 18)), rng.normal(size=(7, 2, 9))
    values[2], values[3, 1] = 0, 0.01
    encoded, array = encoding_of(text).encode(values), _elements(element)
    layer = _simulate_layer(activations, encoded, array)
    whole = encoded.encoding.integers(encoded).reshape(7, 18)
    np.testing.assert_array_equal(layer.outputs, activations @ whole.T)
    assert layer.cycles == _layer_pass(5, 18, 7, encoded.encoding.serial_bits or 0, array).cycles


def test_scheduled_filters_in_the_array() -> None:
    rng, shifts = np.random.default_rng(4), np.array([1, 5, 2, 3])
    activations = rng.integers(-128, 128, (6, 12))
    encoded = Swis(3).encode(rng.normal(size=(4, 12)), {"shifts": shifts})
    layer = _simulate_layer(activations, encoded, _elements("single-shift"))
    np.testing.assert_array_equal(layer.outputs, activations @ encoded.encoding.integers(encoded).T)
    assert layer.cycles == _layer_pass(6, 12, 4, shifts, _elements("single-shift")).cycles
    assert bit_weights(encoded, _elements("single-shift")).shifts.tolist() == shifts.tolist()


@pytest.mark.parametrize(
    ("array", "text", "size", "words"),
    [
        (_elements("single-shift", dataflow="ws"), "swis:3", 8, "device.dataflow"),
        (_elements("single-shift", dataflow="is"), "swis:3", 8, "device.dataflow"),
        (_elements("serial"), "int8", 8, "not a SWIS element"),
        (_elements("single-shift"), "swis:3", 9, "activations of another shape"),
        (_elements("single-shift"), "pool:4,8", 8, "make no use of it"),
    ],
)
def test_layers_that_are_not_simulated_are_refused(array: Array, text: str, size: int, words: str) -> None:
    with pytest.raises(SlipstickError, match=words):
        _simulate_layer(np.ones((2, size), np.int64), encoding_of(text).encode(np.ones((3, 8))), array)


def _array(element: Element) -> System:
    changes = {"device.rows": 4, "device.columns": 3, "device.element": element, "device.group": GROUP}
    return override(resolve_system("swis-8x8"), changes)
