"""Plan: how the workload runs on the system. Every group of fields answers one question."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from slipstick.core.errors import SlipstickError
from slipstick.core.spec import Spec, validate

Auto = Literal["auto"]
Degree = Annotated[int, Field(gt=0)] | Auto
Recompute = Literal["none", "selective", "full", "auto"]
Schedule = Literal["1f1b", "gpipe"]


class Parallel(Spec):
    """How the work is divided over devices, in Megatron's terms. ``auto`` is resolved by the verb."""

    dp: Degree = "auto"  # data parallelism: replicas; auto: what the other degrees leave of the devices
    tp: Degree = 1  # tensor parallelism
    pp: Degree = 1  # pipeline stages
    cp: Degree = 1  # context parallelism: shares of the sequence in attention
    ep: Degree = 1  # expert parallelism, over the tensor, context and data parallel ranks
    etp: Degree = "auto"  # tensor parallelism inside one expert; auto: as tp
    sp: bool = False  # sequence parallelism: norms and dropout on 1/tp of the tokens
    interleave: Degree = 1  # model chunks a stage (virtual pipeline)
    schedule: Schedule = "1f1b"
    partition: Literal["even", "balanced"] = "even"  # stages of equally many layers, or of equal cost with the head
    microbatch: Degree = 1  # sequences
    recompute: Recompute = "none"
    zero: int = Field(default=0, ge=0, le=3)  # what data parallel ranks shard: optimiser, + gradients, + weights


class Collectives(Spec):
    """How messages travel and what hides them."""

    tp_pattern: Literal["all_reduce", "p2p_rs_ag", "rs_ag"] = "all_reduce"  # rs_ag is what sp implies
    tp_overlap: Literal["none", "ring", "pipe"] = "none"
    tp_async: bool = True  # backward messages behind the weights' gradients
    dp_buckets: bool = True  # ZeRO's messages joined in large buckets; false: tensor by tensor
    dp_overlap: bool = True
    pp_overlap: bool = False
    regather: bool = True  # sp: gather the activations again in the backward pass instead of keeping them
    tp_tier: str = "auto"  # network tier by name; auto: by rank order, tensor parallel ranks innermost
    pp_tier: str = "auto"
    dp_tier: str = "auto"


class Offload(Spec):
    """What lives in the host's memory and crosses the host link every step."""

    weights: bool = False
    activations: bool = False
    optimizer: bool = False


class Formats(Spec):
    """Number formats by the tensors' roles. A name of the registry, such as ``bf16``, ``fp8`` or ``int8``."""

    matmul: str = "bf16"  # operands of matrix products
    weights: str = "auto"  # as stored; auto: as `matmul` for inference, as `activations` for training
    activations: str = "bf16"
    gradients: str = "fp32"  # as accumulated and reduced
    kv_cache: str = "auto"  # auto: as activations
    formats: str = ""  # of weights layer by layer, for arrays: "swis:3", or "swis:3;depthwise=int8;fc=int8"
    head: str = "auto"  # the output projection, which engines leave unquantised; auto: as activations


class Kernels(Spec):
    """Which implementations the software uses."""

    attention: Literal["flash", "unfused"] = "flash"
    fused: bool = True  # elementwise chains as one kernel (bias + dropout + add, softmax with mask, rotary, SwiGLU)
    accumulate: bool = True  # products add to the accumulated gradient themselves, instead of a kernel after them
    shared_kv: bool = True  # decode reads a key/value head once for all query heads that use it
    cuda_graphs: bool = True  # decode steps replayed without the host in between


class Serving(Spec):
    """How requests share the devices in inference."""

    chunk: int | None = Field(default=None, gt=0)  # prompt tokens a step takes (chunked prefill); None: whole prompts
    draft_tokens: int = Field(default=0, ge=0)  # speculative decoding: tokens proposed a step
    acceptance: float = Field(default=0.7, ge=0, le=1)  # chance that one proposed token is accepted
    draft_cost: float = Field(default=0.05, ge=0)  # time of one draft step as a share of one step of the model
    prefill_devices: int = Field(default=0, ge=0)  # disaggregated serving: devices that only prefill; 0: shared
    attention_dp: Degree = 1  # attention data parallel (each rank keeps its own requests' KV cache)
    continuous: bool = False  # requests join and leave a running batch, instead of a static batch


class Plan(Spec):
    """How: parallel, collectives, offload, formats, kernels, serving.

    Examples
    --------
    >>> plan = Plan.of("tp=8,pp=8,recompute=selective,sp=true,matmul=fp8")
    >>> plan.parallel.tp, plan.formats.matmul
    (8, 'fp8')
    >>> Plan.of("formats=swis:3;depthwise=int8").formats.formats
    'swis:3;depthwise=int8'
    """

    parallel: Parallel = Parallel()
    collectives: Collectives = Collectives()
    offload: Offload = Offload()
    formats: Formats = Formats()
    kernels: Kernels = Kernels()
    serving: Serving = Serving()
    stack: str = "default"  # the serving software, whose constants are in data/stacks

    @classmethod
    def of(cls, spec: Plan | dict[str, Any] | str | None = None, **fields: Any) -> Plan:
        """Build a Plan from ``key=value,...``, a nested or flat dict, keywords, or a Plan.

        Short keys (``tp``, ``kv_cache``) name the one field of that name in any group; dotted keys name it in full.

        Errors
        ------
        SlipstickError for an unknown key (with the nearest), SpecErrors for values that do not fit.
        """
        if isinstance(spec, Plan):
            data = spec.model_dump(exclude_unset=True)
        elif isinstance(spec, str):
            data = {}
            fields = {**_pairs(spec), **fields}
        else:
            data = {}
            fields = {**(spec or {}), **fields}
        for key, value in fields.items():
            _place(data, key, value)
        return validate(cls, data, where="plan")


_GROUPS: dict[str, type[Spec]] = {
    "parallel": Parallel,
    "collectives": Collectives,
    "offload": Offload,
    "formats": Formats,
    "kernels": Kernels,
    "serving": Serving,
}


def short_keys() -> dict[str, str]:
    """Return every short key of a plan with its dotted path: ``{"tp": "parallel.tp", ...}``."""
    keys = {"stack": "stack"}
    for group, kind in _GROUPS.items():
        for field in kind.model_fields:
            name = f"offload_{field}" if group == "offload" else field
            keys[name] = f"{group}.{field}"
    return keys


def _pairs(text: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        key, equals, value = part.partition("=")
        if not equals or not value.strip():
            raise SlipstickError("not of the form key=value", path="plan", value=part, allowed="such as tp=8,pp=4")
        if key.strip() in pairs:
            raise SlipstickError("the key stands twice", path="plan", value=key.strip())
        pairs[key.strip()] = value.strip()
    return pairs


def _place(data: dict[str, Any], key: str, value: object) -> None:
    if key in _GROUPS and isinstance(value, dict):
        data.setdefault(key, {}).update(value)
        return
    keys = short_keys()
    path = keys.get(key, key)
    if path not in keys.values():
        raise SlipstickError("no such field of a plan", path="plan", value=key, allowed=keys)
    group, _, field = path.rpartition(".")
    if group:
        data.setdefault(group, {})[field] = value
    else:
        data[field] = value
