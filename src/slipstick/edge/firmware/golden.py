"""Golden vectors: inputs that a hash makes on both sides, and the outputs of the bit-true runner for them.

The test program computes the same hash, so that only outputs take flash.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slipstick.core.arrays import AnyArray, Int8Array
from slipstick.edge.firmware.lowering import LoweredNetwork
from slipstick.trained.integer.execute import run_integers

_PHASE, _FIRST, _SECOND = 0x9E3779B9, 0x85EBCA6B, 0xC2B2AE35  # golden ratio; finaliser of MurmurHash3 (A. Appleby)


@dataclass(frozen=True, eq=False)
class GoldenVectors:
    """Inputs of a network and the outputs that its firmware must give: int8 codes [vectors, bytes]."""

    inputs: Int8Array
    outputs: Int8Array


def _hashed_codes(vector: int, count: int) -> Int8Array:
    """Return `count` codes of a test vector, as `test_input` of the test program computes them.

    Examples
    --------
    >>> _hashed_codes(0, 4).tolist() == _hashed_codes(0, 9)[:4].tolist()
    True
    """
    start = vector * 0x10001  # as network_test.c: vectors start far apart
    x = (np.arange(count, dtype=np.uint32) + np.uint32(start)) * np.uint32(_PHASE)
    for shift, factor in ((16, _FIRST), (13, _SECOND)):
        x = (x ^ (x >> np.uint32(shift))) * np.uint32(factor)
    x ^= x >> np.uint32(16)
    return (x & np.uint32(255)).astype(np.uint8).view(np.int8)  # the lowest byte


def _golden_vectors(network: LoweredNetwork, count: int) -> GoldenVectors:
    """Return so many golden vectors.

    Errors
    ------
    SlipstickError for a network whose sums may leave 32 bits, and where numba is not installed.
    """
    size = network.source.tensors[network.source.input].size
    inputs = np.stack([_hashed_codes(vector, size) for vector in range(count)])
    return GoldenVectors(inputs, _runner_outputs(network, inputs))


def _runner_outputs(network: LoweredNetwork, inputs: Int8Array) -> Int8Array:
    """Return the outputs [vectors, bytes] of the bit-true runner for inputs in the firmware's int8 codes."""
    source = network.source.tensors[network.source.input]
    batch = _file_codes(inputs, network.moved[0]).reshape(len(inputs), *source.shape[1:])
    outputs = run_integers(network.source, batch).reshape(len(inputs), -1)
    return (outputs.astype(np.int16) - network.moved[1]).astype(np.int8)


def _file_codes(codes: Int8Array, moved: int) -> AnyArray:
    """Return the firmware's int8 codes as the file's: `moved` is 128 for a file in uint8, else 0."""
    return (codes.astype(np.int16) + moved).astype(np.uint8) if moved else codes
