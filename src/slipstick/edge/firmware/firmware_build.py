"""Firmware of a network for a board: lowered, kernels chosen, arena planned, written as C text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from slipstick.core.errors import SlipstickError
from slipstick.core.system import System
from slipstick.edge.arena.operator_order import best_order
from slipstick.edge.firmware.arena_plan import ArenaPlan, _plan_memory, _state_bytes, _tflm_bytes
from slipstick.edge.firmware.c_source import NetworkSource, _network_source
from slipstick.edge.firmware.code_size import _predicted_code_bytes
from slipstick.edge.firmware.golden import GoldenVectors, _golden_vectors
from slipstick.edge.firmware.kernel_choice import KernelUse, _kernel_choices, _kernel_texts, _kernel_use
from slipstick.edge.firmware.lowering import LoweredNetwork, lower
from slipstick.edge.firmware.project_files import _firmware_files
from slipstick.edge.firmware.row_stream import _as_stream
from slipstick.edge.firmware.targets import Target, _check_memory, _nearest_target, _target_of
from slipstick.edge.firmware.tiled_stage import _with_patches
from slipstick.edge.kernels.packed_weights import pack_pool, share_pool
from slipstick.edge.layers import ConvLayer, WeightStorage
from slipstick.trained.integer.integer_network import IntegerNetwork

_GOLDEN_VECTORS = 2  # in the test program: outputs alone take flash


@dataclass(frozen=True, eq=False)
class Firmware:
    """Network as C text for a board, with the bytes that it takes.

    Parameters
    ----------
    uses : kernel of each call.
    code : predicted bytes of machine code; None where the core's kernels were not measured.
    """

    network: LoweredNetwork
    target: Target
    uses: tuple[KernelUse, ...]
    arena: ArenaPlan
    source: NetworkSource
    code: int | None

    @property
    def constants(self) -> int:
        """Bytes of weights, biases, scalings and structs in flash."""
        return self.source.arrays + self.source.structs

    @property
    def state(self) -> int:
        """Bytes that a stream keeps from one call to the next; 0 without a stream."""
        return _state_bytes(self.network)

    @property
    def flash(self) -> int:
        """Predicted bytes in flash, of constants alone where the code's size is not known."""
        return self.constants + (self.code or 0)

    @cached_property
    def vectors(self) -> GoldenVectors:
        """Golden vectors of the test program."""
        return _golden_vectors(self.network, _GOLDEN_VECTORS)

    def texts(self) -> dict[str, str]:
        """Return the C and assembly sources of the network itself, by file name, without the test program."""
        return {
            "network.h": self.source.header,
            "network.c": self.source.source,
            **_kernel_texts(self.uses),
        }

    def files(self) -> Mapping[str, bytes]:
        """Return the files of the firmware's folder, by relative name."""
        sizes = {
            "weights and scalings": self.source.arrays,
            "layers' sizes": self.source.structs,
            **({"state, kept between calls": self.state} if self.state else {}),
            f"arena, in {self.target.ram_name}, input and output included": self.arena.size,
        }
        if self.code is not None:
            sizes = {f"flash, predicted for {self.target.core.name}": self.flash, **sizes, "code": self.code}
        return _firmware_files(self.network, self.uses, self.texts(), self.vectors, self.target, sizes)


def build_firmware(
    network: IntegerNetwork,
    system: System,
    *,
    storages: Mapping[int, WeightStorage] | None = None,
    patches: bool = False,
    stream: bool = False,
    arena: float | None = None,
) -> Firmware:
    """Return the firmware of an integer network for a board.

    Parameters
    ----------
    storages : how weights lie in flash, by the place of their operator; bytes where it says nothing, or what it says
        does not hold for the weights.
    patches : whether the first stage runs in tiles where that makes the arena smaller.
    stream : whether each call takes one row of the input, and the rows that windows need are kept as state.
    arena : limit of the arena [B], under which the fastest kernels are taken. None: what TensorFlow Lite Micro's
        planner takes for the tensors alone, or the board's memory where pool kernels have their tables in the arena.

    Errors
    ------
    SlipstickError for a system that is no board, an operator that no kernel computes, and a network that the board's
    flash or the memory of its arena does not hold.
    """
    target = _target_of(system)
    lowered = _with_pool(_with_storages(lower(network), storages or {}))
    lowered = _as_stream(lowered) if stream else lowered
    limit = _Limit(target, arena, _tflm_bytes(lowered))
    firmware = _built(lowered, limit)
    if not stream:
        firmware = _smallest([firmware, *(_built(other, limit) for other in _ordered(firmware))])
        if patches:
            tiled = _with_patches(firmware.network, firmware.arena)
            firmware = _smallest([firmware, *(_built(other, limit) for other in tiled)])
    memory = firmware.arena.size + firmware.state
    hint = ""
    if not (patches or stream) and memory > min(target.ram, arena or target.ram):
        tiled = _with_patches(firmware.network, firmware.arena)
        smaller = min([_built(other, limit).arena.size for other in tiled], default=memory)
        hint = f"; with patches {smaller:,} B" * (smaller < memory)
    _check_memory(target, firmware.flash, memory, hint)
    if arena is not None and firmware.arena.size > arena:
        message = f"the arena needs {firmware.arena.size:,} B with the kernels of the least scratch{hint}"
        raise SlipstickError(message, path="arena", value=arena, allowed=f"from {firmware.arena.size:,} B")
    return replace(firmware, target=_nearest_target(target, memory))


@dataclass(frozen=True)
class _Limit:
    """Limit of an arena: what the user gave, or what TensorFlow Lite Micro's planner takes [B], on a board."""

    target: Target
    user: float | None
    tflm: int

    def of(self, network: LoweredNetwork) -> float:
        """Return the bytes that a network's arena may take."""
        pools = any(isinstance(call.layer, ConvLayer) and call.layer.storage for call in network.calls)
        limit = self.user or (self.target.ram if pools else self.tflm)
        return min(limit, self.target.ram - _state_bytes(network))


def _smallest(firmwares: Sequence[Firmware]) -> Firmware:
    return min(firmwares, key=lambda firmware: firmware.arena.size)


def _ordered(firmware: Firmware) -> Iterator[LoweredNetwork]:
    """Yield the network with its calls in the order of the least bytes, where that is another than the file's."""
    order = best_order(firmware.arena.layout.problem)
    if order != tuple(range(len(order))):
        yield replace(firmware.network, calls=tuple(firmware.network.calls[place] for place in order))


def _with_storages(network: LoweredNetwork, storages: Mapping[int, WeightStorage]) -> LoweredNetwork:
    calls = [
        replace(call, layer=replace(call.layer, storage=storages.get(call.operator)))
        if isinstance(call.layer, ConvLayer)
        else call
        for call in network.calls
    ]
    return replace(network, calls=tuple(calls))


def _with_pool(network: LoweredNetwork) -> LoweredNetwork:
    """Return the network with weights as indices into a pool where they are made of few vectors, else as it is.

    A pool counts where vectors and indices take less than half of the weights' bytes: other networks have equal
    vectors by chance.
    """
    layers = share_pool([call.layer for call in network.calls])
    pooled = [
        layer
        for layer, call in zip(layers, network.calls, strict=True)
        if layer is not call.layer and isinstance(layer, ConvLayer)
    ]
    if not pooled:
        return network
    packed = {name: array for layer in pooled for name, array in pack_pool(layer).items() if name != "weights"}
    size = sum(pack_pool(layer)["weights"].nbytes for layer in pooled) + sum(array.nbytes for array in packed.values())
    if 2 * size > sum(layer.weights.size for layer in pooled):
        return network
    calls = (replace(call, layer=layer) for call, layer in zip(network.calls, layers, strict=True))
    return replace(network, calls=tuple(calls))


def _built(network: LoweredNetwork, limit: _Limit) -> Firmware:
    target = limit.target
    choices = _kernel_choices(network, target.features)
    kernels, arena = _plan_memory(network, choices, limit.of(network), limit.tflm)
    uses = tuple(
        _kernel_use(call, kernel, options[0], target.features)
        for call, kernel, options in zip(network.calls, kernels, choices, strict=True)
    )
    source = _network_source(network, uses, arena)
    return Firmware(
        network, target, uses, arena, source, _predicted_code_bytes([use.kernel.symbol for use in uses], target.core)
    )
