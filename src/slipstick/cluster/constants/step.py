"""Constants of the step model, one set a device generation: what isolated kernel measurements do not show."""

from __future__ import annotations

from functools import cache
from importlib import resources

from pydantic import Field

from slipstick.core import units
from slipstick.core.files import parse_yaml
from slipstick.core.spec import Spec, validate


class StepConstants(Spec):
    """Efficiencies and overheads of a whole step on one generation of devices; `reasons` says where each comes from."""

    generation: str
    calibrated: bool
    matmul_slowdown: float = Field(
        ge=1
    )  # matrix products of 16 bits and more in a long step against the same ones alone
    narrow_slowdown: float = Field(ge=1)  # the same for formats of 8 bits and fewer, which draw less power
    inference_slowdown: float = Field(default=1.0, ge=1)  # the same for all formats in an engine's passes
    stream_efficiency: float = Field(gt=0, le=1)  # share of DRAM bandwidth that elementwise kernels reach
    stream_latency: units.Seconds  # start and end of one elementwise kernel
    l2_share: float = Field(gt=0, le=1)  # share of the L2 in which the previous kernel's result survives
    l2_reuse: float = Field(ge=0, le=1)  # share of a resident tensor's traffic that does not reach DRAM
    attention_forward: float = Field(gt=0, le=1)  # share of the matrix peak in the fused attention core
    attention_backward: float = Field(gt=0, le=1)
    attention_stream: float = Field(gt=0, le=1)  # share of DRAM bandwidth when attention reads a long KV cache
    attention_latency: units.Seconds
    host_launch: units.Seconds  # the host's time for one kernel launch in eager execution
    host_collective: units.Seconds  # and for one collective
    eager_launch: units.Seconds  # between the kernels of an inference pass that the host launches one by one
    replay_launch: units.Seconds  # between the kernels of a replayed graph (CUDA graph)
    shard_efficiency: float = Field(gt=0, le=1)  # of ZeRO's many scatters and gathers against one bare collective
    unfused_traffic: float = Field(default=3.0, ge=1)  # traffic of elementwise chains as single kernels, against fused
    unfused_host: float = Field(default=6.0, ge=1)  # the host's time for layers of single kernels, against fused ones
    unfused_activations: float = Field(default=1.2, ge=1)  # what layers of single kernels keep, against fused ones
    unfused_working: float = Field(default=2.5, ge=1)  # what their backward pass holds for a moment, against fused ones
    optimizer_efficiency: float = Field(gt=0, le=1)  # share of DRAM bandwidth in the optimiser's update
    step_overhead: units.Seconds  # data loading, logging, gradient norm, once a training step
    token_overhead: units.Seconds  # scheduling and sampling, once a decode step
    one_shot: units.Seconds = 0.0  # an all-reduce by one kernel that reads the peers' memory, less its bytes' time
    peer_efficiency: float = Field(default=0.5, gt=0, le=1)  # share of the link's rate at which such a kernel reads
    overlap_slowdown: float = Field(ge=0, le=1)  # share of hidden communication that slows the computation beside it
    reasons: dict[str, str] = Field(default_factory=dict)


@cache
def load_step_constants(generation: str) -> StepConstants:
    """Return the constants of a generation (data/steps), or the generic ones, marked as not calibrated."""
    folder = resources.files("slipstick.data") / "steps"
    file = folder / f"{generation}.yaml"
    if not file.is_file():
        file = folder / "generic.yaml"
    return validate(StepConstants, parse_yaml(file.read_text("utf-8"), where=file.name), where=file.name)
