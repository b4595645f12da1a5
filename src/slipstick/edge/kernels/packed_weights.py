"""Weights of fewer bits than a byte, packed as the kernels read them: pool indices, int4, SWIS and binary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from slipstick.core.errors import SlipstickError
from slipstick.edge.layers import ConvLayer, Layer, WeightStorage

VECTOR = 8  # channels that share an index
MAX_POOL = 256  # vectors: an index has at most eight bits
_POSITION_BITS = 3


def index_bits(pool: NDArray[np.int8]) -> int:
    """Return the bits of an index into a pool: as few as its size needs.

    Examples
    --------
    >>> index_bits(np.zeros((64, 8), np.int8))
    6
    """
    return max(1, (len(pool) - 1).bit_length())


def pool_indices(layer: ConvLayer) -> NDArray[np.int64]:
    """Return the index of each vector of eight weights, in the order of the weights.

    Errors
    ------
    SlipstickError where weights are no vectors of the pool.
    """
    pool = pool_of(layer)
    known = {vector.tobytes(): place for place, vector in enumerate(pool)}
    try:
        return np.array([known[vector.tobytes()] for vector in layer.weights.reshape(-1, VECTOR)], np.int64)
    except KeyError:
        raise SlipstickError("weights that are no vectors of the pool", path="layer.storage") from None


def storage_of(layer: ConvLayer) -> WeightStorage:
    """Return the storage of a layer whose weights are not stored as bytes."""
    if layer.storage is None:
        raise SlipstickError("weights are stored as bytes", path="layer.storage")
    return layer.storage


def pool_of(layer: ConvLayer) -> NDArray[np.int8]:
    """Return the vectors [size, 8] of a layer that is stored in a pool."""
    pool = storage_of(layer).pool
    if pool is None:
        raise SlipstickError("no pool", path="layer.storage.pool")
    return np.ascontiguousarray(pool, np.int8)


def holds_pool(layer: ConvLayer) -> bool:
    """Return whether a layer's weights are stored as indices into vectors of eight channels."""
    storage = layer.storage
    if storage is None or storage.kind != "pool" or storage.pool is None or layer.kind == "depthwise":
        return False
    return layer.weights.shape[-1] % VECTOR == 0 and 1 <= len(storage.pool) <= MAX_POOL


def pack_pool(layer: ConvLayer) -> dict[str, NDArray[np.generic]]:
    """Return the packed indices, and the pool's vectors."""
    pool = pool_of(layer)
    return {"weights": _packed(pool_indices(layer), index_bits(pool)), "vectors": pool}


def share_pool(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Return the layers with one pool where their weights are made of at most 256 vectors of eight channels.

    Depth-wise layers, and those whose channels do not fill vectors, stay as they are; so does every layer where the
    vectors are more, as in a network that no pool was fitted to.
    """
    fitting = [layer for layer in layers if isinstance(layer, ConvLayer) and _fills_vectors(layer)]
    vectors = {row.tobytes() for layer in fitting for row in np.unique(layer.weights.reshape(-1, VECTOR), axis=0)}
    if not 0 < len(vectors) <= MAX_POOL:
        return tuple(layers)
    pool = np.frombuffer(b"".join(sorted(vectors)), np.int8).reshape(-1, VECTOR)
    storage = WeightStorage("pool", pool)
    return tuple(
        replace(layer, storage=storage) if isinstance(layer, ConvLayer) and _fills_vectors(layer) else layer
        for layer in layers
    )


def _fills_vectors(layer: ConvLayer) -> bool:
    """Return whether a layer has weights as bytes, along channels that fill vectors."""
    if layer.kind == "depthwise" or layer.storage is not None:
        return False
    return layer.weight_offset == 0 and layer.weights.shape[-1] % VECTOR == 0


def holds_int4(layer: ConvLayer) -> bool:
    """Return whether a layer is stored as int4, and its weights fit."""
    stored = layer.storage is not None and layer.storage.kind == "int4" and layer.kind != "depthwise"
    return stored and bool((layer.weights >= -8).all() and (layer.weights <= 7).all())


def pack_int4(layer: ConvLayer) -> dict[str, NDArray[np.generic]]:
    """Return weights in two's complement of four bits."""
    return {"weights": _packed(layer.weights.ravel().astype(np.int64) & (2**4 - 1), 4)}


def holds_swis(layer: ConvLayer) -> bool:
    """Return whether a layer is stored as SWIS, and no group's magnitudes have more bits set than it has shifts."""
    storage = layer.storage
    if storage is None or storage.kind != "swis" or layer.kind == "depthwise":
        return False
    sensible = 1 <= storage.shifts <= 8 and 1 <= storage.group < 2**8
    return sensible and bool((_set_bits(layer).sum(axis=2) <= storage.shifts).all())


def _magnitudes(layer: ConvLayer) -> NDArray[np.uint8]:
    """Return |weights| [filters, groups, group], the last group of a filter filled up with zeros."""
    group = storage_of(layer).group
    rows = np.abs(layer.weights.reshape(len(layer.weights), -1).astype(np.int16)).astype(np.uint8)
    missing = -rows.shape[1] % group
    return np.pad(rows, ((0, 0), (0, missing))).reshape(len(rows), -1, group)


def _set_bits(layer: ConvLayer) -> NDArray[np.uint8]:
    """Return which bits [filters, groups, 8] any magnitude of a group has set."""
    union = np.bitwise_or.reduce(_magnitudes(layer), axis=2)
    return np.unpackbits(union[..., None], axis=2, bitorder="little")


def pack_swis(layer: ConvLayer) -> dict[str, NDArray[np.generic]]:
    """Return for each group its shift positions, then each weight's sign and mask."""
    shifts, group = storage_of(layer).shifts, storage_of(layer).group
    magnitudes = _magnitudes(layer)
    positions = np.argsort(-_set_bits(layer).astype(np.int8), axis=2, kind="stable")[..., :shifts]  # set bits first
    mask = (magnitudes[..., None] >> positions[:, :, None, :]) & 1
    rows = layer.weights.reshape(len(layer.weights), -1)
    negative = np.pad(rows < 0, ((0, 0), (0, magnitudes.shape[1] * group - rows.shape[1])))
    weights = np.concatenate([negative.reshape(magnitudes.shape)[..., None], mask], axis=3)  # bits, lowest first
    fields = (positions[..., None] >> np.arange(_POSITION_BITS)) & 1
    bits = [fields.reshape(*fields.shape[:2], -1), weights.reshape(*weights.shape[:2], -1)]
    lines = np.concatenate(bits, axis=2).reshape(len(rows), -1).astype(np.uint8)
    used = lines.shape[1] - (magnitudes.shape[1] * group - rows.shape[1]) * (1 + shifts)
    return {"weights": np.packbits(lines[:, :used], bitorder="little")}


def holds_binary(layer: ConvLayer) -> bool:
    """Return whether a layer is stored as binary, and its weights are -1 and 1."""
    stored = layer.storage is not None and layer.storage.kind == "binary" and layer.kind != "depthwise"
    return stored and bool((np.abs(layer.weights.astype(np.int16)) == 1).all())


def pack_binary(layer: ConvLayer) -> dict[str, NDArray[np.generic]]:
    """Return a bit for each weight, 1 for 1: channels in words of 32, the last one filled up with zeros."""
    signs = layer.weights > 0
    missing = -signs.shape[-1] % 32
    padded = np.pad(signs, [(0, 0)] * (signs.ndim - 1) + [(0, missing)])
    return {"weights": np.packbits(padded.ravel(), bitorder="little").view("<u4").astype(np.uint32)}


def _packed(codes: NDArray[np.int64], bits: int) -> NDArray[np.uint8]:
    """Return codes of `bits` bits each without gaps, least significant bit first."""
    return np.packbits(((codes[:, None] >> np.arange(bits)) & 1).astype(np.uint8).ravel(), bitorder="little")
