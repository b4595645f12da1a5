"""Stochastic layers in whole numbers and plain numpy: streams of bits, AND gates, counters.

A magnitude x of full scale F has the level ceil(x L / F), at most L - 1. Bit t of its stream is 1 where the level is
above the number r_t of its generator. A product is an AND; a cycle counts the products of each sign, up to `counted`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

TAPS = {3: (2, 1), 4: (3, 2), 5: (4, 2), 6: (5, 4), 7: (6, 5), 8: (7, 5, 4, 3)}  # of the registers of GEO and REX-SC
FIRST_WEIGHT = 13  # number of the first weight's seed: GEO and REX-SC
OPERAND_BITS = 7  # magnitude bits that progressive loading counts: GEO


def register_numbers(generator: str, length: int) -> Any:
    """Return the states [seeds, cycles] of shift registers, each updated before it is compared."""
    bits = length.bit_length() - 1
    rows = []
    for seed in range(length - 1):
        state, row = seed + (generator != "xnor"), []
        for _ in range(length):
            feedback = sum(state >> tap & 1 for tap in TAPS[bits]) + (generator == "xnor") & 1
            following = (state << 1 & length - 1) | feedback
            if generator == "acc":  # the state 0 stands between 1 and 2
                following = {1: 0, 0: 2}.get(state, following)
            state = following
            row.append(state)
        rows.append(row)
    return np.array(rows)


def sobol_numbers(length: int, operand: str) -> Any:
    """Return Sobol's first dimension (inputs) or second (weights), XORed with each seed: [seeds, cycles]."""
    bits, polynomial, cycle = length.bit_length() - 1, 1, np.arange(length)
    numbers = np.zeros(length, np.int64)
    for place in range(bits):
        numbers ^= (cycle >> place & 1) * (polynomial << bits - 1 - place)
        polynomial = 1 if operand == "inputs" else polynomial ^ polynomial << 1
    return numbers ^ np.arange(length)[:, None]


def streams(layer: Any, operand: str, places: Any) -> Any:
    """Return the streams [..., cycles] of the layer's inputs or weights, whose seeds are numbered by their places."""
    length, generator = layer["length"], layer["generator"]
    values, full = layer["padded"] if operand == "inputs" else layer["weights"], layer["full"][operand]
    level = np.minimum(-(-np.abs(values) * length // full), length - 1)
    bits = np.zeros((*values.shape, length), bool)
    if generator == "accurate":  # ones that are left over cycles that are left, each cycle
        draws, left = layer[f"{operand}_draws"], level.copy()
        for cycle in range(length):
            bits[..., cycle] = draws[places % len(draws), cycle] * (length - cycle) < left
            left -= bits[..., cycle]
        return bits
    if generator == "random":
        numbers = layer[f"{operand}_numbers"]
    elif generator == "sobol":
        numbers = sobol_numbers(length, operand)
    else:
        numbers = register_numbers(generator, length)
        places = places + (FIRST_WEIGHT if operand == "weights" else 0)
    width = max(length.bit_length() - 1, OPERAND_BITS)  # bits of an operand that arrive, `unit` every `wait` cycles
    spare, unit, wait = width - (length.bit_length() - 1), layer["unit"], layer["wait"]
    for cycle in range(length):
        arrived = min(width, (cycle // wait + 1) * unit - (unit <= OPERAND_BITS))  # the first is the sign
        seen = (level << spare) >> (width - arrived) << (width - arrived)
        bits[..., cycle] = seen > numbers[places % len(numbers), cycle] << spare
    return bits


def tap_groups(layer: Any, shape: Any) -> Any:
    """Return the group of each tap [channels, rows, columns] whose products are counted together."""
    channel, row, column = np.indices(shape)
    group, count = np.zeros(shape, np.int64), 1
    places = {"z": channel // layer["depth"], "y": row, "x": column}
    for axis in places:
        if axis in layer["binary"]:
            group, count = group + count * places[axis], count * (int(places[axis].max()) + 1)
    return group


def expected(layer: Any) -> Any:
    """Return the sums of a layer, ones of positive products less ones of negative, and the traced outputs' signals."""
    x, w = layer["padded"], layer["weights"]
    index = np.arange(w.size).reshape(w.shape)
    a = streams(layer, "inputs", np.arange(x[0].size).reshape(x[0].shape))
    b = streams(layer, "weights", index % w.size if layer["seeds"] == "separate" else index % w[0].size)
    groups, traced, length = tap_groups(layer, w.shape[1:]), layer["outputs"], layer["length"]
    sums = np.zeros(layer["shape"], np.int64)
    operands = np.zeros((2, len(traced), w[0].size, length), bool)  # streams of inputs and of weights
    counted = np.zeros((2, len(traced), groups.max() + 1, length), np.int64)  # positive and negative products
    for n in range(len(w)):
        count = np.zeros((2, groups.max() + 1, len(x), *sums.shape[2:], length), np.int16)
        for tap, place in enumerate(np.ndindex(w.shape[1:])):
            read = layer["read"](n, *place)
            product = a[read] & b[n][place]
            if layer["multiplexed"]:
                product = product & (layer["drawn_taps"] == tap)
            sign = np.sign(x[read]) * np.sign(w[n][place])
            count[0, groups[place]] += product & (sign > 0)[..., None]
            count[1, groups[place]] += product & (sign < 0)[..., None]
            for number in np.flatnonzero(traced[:, 1] == n):
                image, _, row, column = traced[number]
                operands[0, number, tap], operands[1, number, tap] = a[read][image, row, column], b[n][place]
        if layer["counted"]:
            count = np.minimum(count, layer["counted"])
        ones = count.sum((1, -1), np.int64)
        sums[:, n] = ones[0] - ones[1]
        for number in np.flatnonzero(traced[:, 1] == n):
            image, _, row, column = traced[number]
            counted[:, number] = count[:, :, image, row, column]
    names = {"input_streams": operands[0], "weight_streams": operands[1]}
    return {"sums": sums, **names, "positive": counted[0], "negative": counted[1]}
