"""Layers with packed weights that are unpacked one filter at a time, and binary layers: the twins of their C."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from slipstick.edge.firmware.c_fields import layer_fields
from slipstick.edge.firmware.c_values import c_struct
from slipstick.edge.kernels.dsp_convolutions import CONV_DSP
from slipstick.edge.kernels.kernel import Kernel, Packed
from slipstick.edge.kernels.packed_weights import (
    VECTOR,
    holds_binary,
    holds_int4,
    holds_pool,
    holds_swis,
    index_bits,
    pack_binary,
    pack_int4,
    pack_pool,
    pack_swis,
    storage_of,
)
from slipstick.edge.kernels.plain_convolutions import CONV_WORDS
from slipstick.edge.kernels.streams import _alive, moved_bias, requant_words
from slipstick.edge.layers import ConvLayer

_Pack = Callable[[Any], Packed]

_STRUCT_BYTES = 48  # of nn_packed_conv where pointers have four


def _fields(layer: ConvLayer, names: Mapping[str, str]) -> dict[str, str]:
    storage = storage_of(layer)
    return {
        "conv": c_struct(layer_fields(layer, names)),
        "vectors": names.get("vectors", "0"),
        "index_bits": str(0 if storage.pool is None else index_bits(storage.pool)),
        "shifts": str(storage.shifts),
        "group": str(storage.group),
    }


def _filter_bytes(layer: ConvLayer) -> int:
    """Return the weights of a filter: the scratch that they are unpacked to."""
    return int(math.prod(layer.weights.shape[1:]))


def _packed(kind: str, storage: str, holds: Callable[[Any], bool], pack: Callable[[Any], Packed]) -> Kernel:
    def applies(layer: ConvLayer) -> bool:
        return layer.kind == kind and not layer.weight_offset and holds(layer)

    symbol, sources = f"nn_{kind}_{storage}", {"c": ("nn_conv_packed.c",)}
    return Kernel(
        symbol, "nn_packed_conv", (kind,), sources, applies, scratch_bytes=_filter_bytes, pack=pack, fields=_fields,
        header="nn_packed.h", struct_bytes=_STRUCT_BYTES,
    )  # fmt: skip


def _streamed(base: Kernel, suffix: str, storage: str, holds: Callable[[Any], bool], pack: _Pack) -> Kernel:
    """Return the row of a convolution whose stream is put together in scratch, for a kernel of int8 weights."""

    def applies(layer: ConvLayer) -> bool:
        return (
            layer.kind == "conv"
            and layer.input[2] % VECTOR == 0
            and not layer.weight_offset
            and holds(layer)
            and base.applies(layer)
        )

    def scratch(layer: ConvLayer) -> int:
        return layer.output[2] * (16 + _filter_bytes(layer)) + base.scratch_bytes(layer)

    def constants(layer: ConvLayer) -> Packed:
        living, requant = _alive(layer), layer.requant  # a filter that is not has its one code as bias
        code = requant_words(layer)[:, 1].astype(np.int16)
        bias = np.where(living, moved_bias(layer), code).astype(np.int32)
        multiplier, shift = requant.multiplier * living, requant.shift * living
        return {**pack(layer), "bias": bias, "multiplier": multiplier, "shift": shift}

    sources = {family: (f"nn_conv_packed_{suffix}.c", *files) for family, files in base.sources.items()}
    return Kernel(
        f"nn_conv_{storage}_{suffix}", "nn_packed_conv", ("conv",), sources, applies, base.requires, scratch, constants,
        _fields, overlap=base.overlap, header="nn_packed.h", struct_bytes=_STRUCT_BYTES,
    )  # fmt: skip


def _input_words(layer: ConvLayer) -> int:
    """Return the bytes of the input with a bit for each channel, in whole words."""
    height, width, channels = layer.input
    return height * width * -(-channels // 32) * 4


def _binary(kind: str) -> Kernel:
    def applies(layer: ConvLayer) -> bool:
        return layer.kind == kind and not layer.weight_offset and holds_binary(layer)

    return Kernel(
        f"nn_{kind}_binary", "nn_conv", (kind,), {"c": ("nn_conv_binary.c",)}, applies, scratch_bytes=_input_words,
        pack=pack_binary, header="nn_packed.h",
    )  # fmt: skip


_STORAGES = (("pool", holds_pool, pack_pool), ("int4", holds_int4, pack_int4), ("swis", holds_swis, pack_swis))
PACKED_DSP = tuple(_streamed(CONV_DSP, "dsp", *row) for row in _STORAGES)
PACKED_LAYERS = (
    *(_streamed(CONV_WORDS, "words", *row) for row in _STORAGES),
    *(_packed(kind, storage, holds, pack) for kind in ("conv", "dense") for storage, holds, pack in _STORAGES),
    _binary("conv"),
    _binary("dense"),
)
