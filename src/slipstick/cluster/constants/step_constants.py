"""Constants of whole steps per device generation: effects that measurements of isolated kernels do not show."""

from __future__ import annotations

from pydantic import Field

from slipstick.core import units
from slipstick.core.catalogue import Catalogue, Entry


class _StepConstants(Entry):
    """Efficiencies and overheads of whole training or inference steps on one device generation, with their sources."""

    calibrated: bool = Field(description="Fitted on measured steps of this generation, rather than assumed")
    largest_run: int | None = Field(
        default=None,
        gt=0,
        description="Devices of the largest training run of llm_validation.csv, which these constants met",
    )
    matmul_slowdown: float = Field(
        ge=1, description="Time of matrix products of 16 bits and more in a long step over the same ones alone"
    )
    narrow_slowdown: float = Field(ge=1, description="The same for formats of 8 bits and fewer, which draw less power")
    inference_slowdown: float = Field(
        default=1.0, ge=1, description="The same for all formats in the passes of a serving engine"
    )
    stream_efficiency: float = Field(gt=0, le=1, description="Share of DRAM bandwidth that elementwise kernels reach")
    stream_latency: units.Seconds = Field(description="Start and end of one elementwise kernel")
    l2_share: float = Field(
        gt=0, le=1, description="Share of the L2 in which the result of the previous kernel survives"
    )
    l2_reuse: float = Field(ge=0, le=1, description="Share of a resident tensor's traffic that does not reach DRAM")
    attention_forward: float = Field(
        gt=0, le=1, description="Share of the matrix peak in the fused attention core, forward"
    )
    attention_backward: float = Field(
        gt=0, le=1, description="Share of the matrix peak in the fused attention core, backward"
    )
    attention_stream: float = Field(
        gt=0, le=1, description="Share of DRAM bandwidth where attention reads a long KV cache"
    )
    attention_latency: units.Seconds = Field(description="Start and end of one fused attention core")
    host_launch: units.Seconds = Field(description="Host time of one kernel launch in eager execution")
    host_collective: units.Seconds = Field(description="Host time of one collective in eager execution")
    eager_launch: units.Seconds = Field(
        description="Gap between the kernels of an inference pass that the host launches one by one"
    )
    replay_launch: units.Seconds = Field(description="Gap between the kernels of a replayed graph (CUDA graph)")
    shard_efficiency: float = Field(
        gt=0, le=1, description="Bandwidth of ZeRO's many scatters and gathers over that of one bare collective"
    )
    unfused_traffic: float = Field(
        default=3.0, ge=1, description="Traffic of elementwise chains as single kernels over that of fused ones"
    )
    unfused_host: float = Field(
        default=6.0, ge=1, description="Host time of layers of single kernels over that of fused ones"
    )
    unfused_activations: float = Field(
        default=1.2, ge=1, description="Activations kept by layers of single kernels over those of fused ones"
    )
    unfused_working: float = Field(
        default=2.5, ge=1, description="Working memory of their backward pass over that of fused ones"
    )
    optimizer_efficiency: float = Field(gt=0, le=1, description="Share of DRAM bandwidth in the optimiser's update")
    step_overhead: units.Seconds = Field(description="Data loading, logging and gradient norm, once a training step")
    token_overhead: units.Seconds = Field(description="Scheduling and sampling, once a decode step")
    one_shot: units.Seconds = Field(
        default=0.0, description="All-reduce by one kernel that reads the peers' memory, without its bytes' time"
    )
    peer_efficiency: float = Field(
        default=0.5, gt=0, le=1, description="Share of the link's rate at which such a kernel reads"
    )
    memory_reserve: float = Field(
        ge=0, lt=1, description="Share of a device's memory that training cannot use: context, communicators, fragments"
    )
    overlap_slowdown: float = Field(
        ge=0, le=1, description="Share of hidden communication that slows the computation beside it"
    )

    @classmethod
    def of_generation(cls, generation: str) -> _StepConstants:
        """Return the step constants of a device generation, or the generic ones, marked as not calibrated."""
        return step_constants.entry(generation if generation in step_constants.names() else "generic")


step_constants = Catalogue(_StepConstants, "steps", noun="device generation")
