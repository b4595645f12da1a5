"""From Workload, System and Plan to what the equations take."""

from __future__ import annotations

from dataclasses import replace

from slipstick.cluster.collectives.network_tiers import tiers_of
from slipstick.cluster.constants.serving_stack import load_stack
from slipstick.cluster.constants.step import load_step_constants
from slipstick.cluster.inference.request import InferenceSetting
from slipstick.cluster.kernels.device import device_of, rate
from slipstick.cluster.kernels.lowering import WIDE, Precision
from slipstick.cluster.kernels.timing import Device
from slipstick.cluster.sweep.plans import decoder_of
from slipstick.cluster.training.training_setting import Elements, Setting
from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Formats, Plan
from slipstick.core.system import System
from slipstick.core.workload import Workload
from slipstick.formats.grammar import encoding_of
from slipstick.networks.decoder.decoder import Decoder

ADAM_STATES = 3  # fp32 copy of the weights and two moments (Kingma & Ba 1412.6980; Micikevicius et al. 1710.03740)


# where each query head reads its group's keys for itself, half of the reads still hit the L2: by hand, from the
# Llama-2 70B rows of TensorRT-LLM 0.6.1 against its Llama-2 7B rows
UNSHARED_READS = 0.5


# where the loss runs as single kernels, in units of the fp32 logits: themselves, the softmax, and its gradient in bf16
LOSS_COPIES = 2.5


def width(name: str) -> float:
    """Return bytes an element of a number format, its scales included."""
    return float(encoding_of(name).bits_per_element) / 8


def training_precision(plan: Plan, system: System) -> Precision:
    """Return the formats of a training step: weights are kept as the activations are, and cast for the products."""
    formats = plan.formats
    rate(system, formats.matmul)
    activations = width(formats.activations)
    wide = formats.matmul if formats.matmul in WIDE else formats.activations
    # read the gradient, read and write the accumulated one
    accumulate = 0.0 if plan.kernels.accumulate else activations + 2 * width(formats.gradients)
    elementwise = 1.0 if plan.kernels.fused else load_step_constants(system.generation).unfused_traffic
    return Precision(
        formats.matmul, activations, activations, activations, _head(formats, wide), wide, elementwise, accumulate
    )


def _head(formats: Formats, wide: str) -> str:
    return wide if formats.head == "auto" else formats.head


def training_setting(workload: Workload, system: System, plan: Plan) -> Setting:
    """Return what a sweep over training plans of this workload on this system holds fixed.

    Errors
    ------
    SlipstickError if the device lacks the format, or if the plan offloads to a host that the system does not have.
    """
    offload = plan.offload
    if (offload.weights or offload.activations or offload.optimizer) and (not system.host or not system.host.bandwidth):
        raise SlipstickError("the system names no host memory to offload to", path="plan.offload")
    precision = training_precision(plan, system)
    return Setting(
        decoder=decoder_of(workload),
        batch=workload.batch,
        sequence=workload.sequence,
        device=_training_device(plan, system),
        tiers=tiers_of(system),
        precision=precision,
        fused=plan.kernels.attention == "flash",
        elements=Elements(precision.weights, _gradient_bytes(plan, precision), ADAM_STATES * width("fp32")),
        kept=1.0 if plan.kernels.fused else load_step_constants(system.generation).unfused_activations,
        working=1.0 if plan.kernels.fused else load_step_constants(system.generation).unfused_working,
        logit_bytes=width("fp32") * (1 if plan.kernels.fused else LOSS_COPIES),
        balanced=plan.parallel.partition == "balanced",
        host_bandwidth=(system.host.bandwidth or 0.0) if system.host else 0.0,
    )


def sources(system: System) -> str:
    """Say in one line what the figures rest on: calibrated kernels, or the data sheet alone."""
    device = device_of(system)
    if device.steps.calibrated and device.chip.constants.calibrated:
        return f"closed form, calibrated on measured {system.generation} kernels"
    return "closed form on the data sheet; no calibration for this device"


def _training_device(plan: Plan, system: System) -> Device:
    device = device_of(system)
    if plan.kernels.fused:
        return device
    steps = device.steps
    slower = {name: getattr(steps, name) * steps.unfused_host for name in ("host_launch", "host_collective")}
    return replace(device, steps=steps.model_copy(update=slower))


def _gradient_bytes(plan: Plan, precision: Precision) -> float:
    """Return bytes a parameter of gradients: the accumulated ones, and those of the last pass where they are added."""
    return width(plan.formats.gradients) + (0.0 if plan.kernels.accumulate else precision.activations)


def inference_precision(plan: Plan, system: System) -> Precision:
    """Return the formats of inference: weights as the products read them, the cache in a format of its own."""
    formats = plan.formats
    rate(system, formats.matmul)
    activations = width(formats.activations)
    weights = width(formats.matmul if formats.weights == "auto" else formats.weights)
    cache = activations if formats.kv_cache == "auto" else width(formats.kv_cache)
    wide = formats.matmul if formats.matmul in WIDE else formats.activations
    again = 0.0 if plan.kernels.shared_kv else UNSHARED_READS
    return Precision(formats.matmul, weights, activations, cache, _head(formats, wide), wide, cache_reads=again)


def inference_setting(workload: Workload, system: System, plan: Plan) -> InferenceSetting:
    """Return what a sweep over inference plans of this workload on this system holds fixed."""
    decoder = decoder_of(workload)
    return InferenceSetting(
        decoder=decoder,
        device=_inference_device(device_of(system), plan.kernels.cuda_graphs),
        tiers=tiers_of(system),
        precision=inference_precision(plan, system),
        graphs=plan.kernels.cuda_graphs,
        fused=plan.kernels.attention == "flash",
        stack=load_stack(plan.stack),
        packed=_packed(plan),
        packed_attention=not _leaves_attention(decoder),
        capacity=system.main_memory.capacity,
    )


def _packed(plan: Plan) -> float:
    """Return the bytes of weights that are stored narrower than the format they are multiplied in, against its own."""
    formats = plan.formats
    return 1.0 if formats.weights == "auto" else min(1.0, width(formats.weights) / width(formats.matmul))


def _leaves_attention(decoder: Decoder) -> bool:
    """Return whether the checkpoint leaves its attention's weights unquantised."""
    left = decoder.quantisation.unquantised if decoder.quantisation else ()
    return any(module.endswith("self_attn") for module in left)


def _inference_device(device: Device, graphs: bool) -> Device:
    """Return the device as engines use it: no gradients beside the products; and in a graph that is replayed, one
    reading of the activations quantises them, without the host's launches that the measured kernels include."""
    steps, chip = device.steps, device.chip
    slowdown = steps.inference_slowdown
    steps = steps.model_copy(update={"matmul_slowdown": slowdown, "narrow_slowdown": slowdown})
    if not graphs:
        return Device(chip, steps)
    kernel = {"quantise_launch": steps.stream_latency, "quantise_reads": 1.0}
    formats = {name: c.model_copy(update=kernel) for name, c in chip.constants.formats.items()}
    return Device(replace(chip, constants=chip.constants.model_copy(update={"formats": formats})), steps)
