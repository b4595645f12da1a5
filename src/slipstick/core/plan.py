"""Plan: how the workload runs on the system, as groups of fields such as `parallel`, `offload` and `serving`."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import Field, model_validator
from pydantic.fields import FieldInfo

from slipstick.core.errors import SlipstickError
from slipstick.core.spec import Spec, validate

Auto = Literal["auto"]
_MAX_COUNT = 10**9  # of devices or tokens: far above any use, and 64 bits hold products of two
Degree = Annotated[int, Field(gt=0, le=_MAX_COUNT)] | Auto
Switch = bool | Auto
Recompute = Literal["none", "selective", "full", "auto"]
Schedule = Literal["1f1b", "gpipe", "auto"]
Partition = Literal["even", "balanced", "ends", "auto"]


class Parallel(Spec):
    """Degrees of parallelism by which devices share the work, in Megatron's terms; the verb resolves ``auto``."""

    dp: Degree = Field("auto", description="Data parallelism: replicas; auto: all devices that other degrees leave")
    tp: Degree = Field("auto", description="Tensor parallelism: devices that share each layer's matrices")
    pp: Degree = Field("auto", description="Pipeline parallelism: stages of layers")
    cp: Degree = Field("auto", description="Context parallelism: shares of the sequence in attention")
    ep: Degree = Field("auto", description="Expert parallelism, over the tensor, context and data parallel ranks")
    etp: Degree | Literal["tp"] = Field("auto", description="Tensor parallelism inside one expert; tp: as outside")
    sp: Switch = Field("auto", description="Sequence parallelism: norms and dropout on 1/tp of the tokens")
    interleave: Degree = Field("auto", description="Model chunks of a stage (virtual pipeline)")
    schedule: Schedule = Field("auto", description="Pipeline schedule: order of forward and backward passes")
    partition: Partition = Field(
        "auto",
        description="Stages of equally many layers (even), with embedding and head counted as a layer each (ends), or "
        "of equal cost with the head (balanced)",
    )
    microbatch: Degree = Field("auto", description="Sequences of one micro-batch")
    recompute: Recompute = Field("auto", description="Activations computed again in the backward pass")
    zero: Annotated[int, Field(ge=0, le=3)] | Auto = Field(
        "auto", description="ZeRO stage: ranks shard optimiser (1), gradients (2), weights (3)"
    )


class Collectives(Spec):
    """Options of collective communication: algorithms, network tiers, and overlap with computation."""

    tp_pattern: Literal["all_reduce", "p2p_rs_ag", "rs_ag", "auto"] = Field(
        "auto", description="Collectives of tensor parallelism; sp implies rs_ag"
    )
    tp_overlap: Literal["none", "ring", "pipe", "auto"] = Field(
        "auto", description="Overlap of tensor parallel messages with the products beside them"
    )
    tp_async: Switch = Field("auto", description="Backward messages behind the products of the weights' gradients")
    dp_buckets: Switch = Field("auto", description="ZeRO's messages joined in large buckets; false: tensor by tensor")
    dp_overlap: Switch = Field("auto", description="Data parallel messages behind the backward pass")
    pp_overlap: Switch = Field("auto", description="Messages between stages behind computation")
    regather: Switch = Field("auto", description="With sp: activations gathered again backward, not stored")
    tp_tier: str = Field(
        "auto", description="Network tier of tensor parallelism by name; auto: the innermost that fits"
    )
    pp_tier: str = Field("auto", description="Network tier of pipeline parallelism by name; auto: by rank order")
    dp_tier: str = Field("auto", description="Network tier of data parallelism by name; auto: by rank order")


class Offload(Spec):
    """Tensors that are kept in host memory and cross the host link every step."""

    weights: bool = Field(False, description="Weights in the host's memory")
    activations: bool = Field(False, description="Activations in the host's memory")
    optimizer: bool = Field(False, description="Optimiser states in the host's memory")


class Formats(Spec):
    """Number format of each kind of tensor: a name of the registry, such as ``bf16``, ``fp8`` or ``int8``."""

    matmul: str = Field("bf16", description="Format of the operands of matrix products")
    weights: str = Field("auto", description="Format of stored weights; auto: as matmul, in training as activations")
    activations: str = Field("bf16", description="Format of stored activations")
    gradients: str = Field("fp32", description="Format of gradients as accumulated and reduced")
    kv_cache: str = Field("auto", description="Format of the KV cache; auto: as activations")
    layers: str = Field(
        "", description="Formats of weights layer by layer, for arrays: swis:3,group=4 or swis:3;depthwise=int8;fc=int8"
    )
    head: str = Field("auto", description="Format of the output projection, unquantised in engines; auto: activations")


class Kernels(Spec):
    """Software implementations of operations, such as fused or unfused attention."""

    attention: Literal["flash", "unfused"] = Field("flash", description="Implementation of attention")
    fused: bool = Field(True, description="Elementwise chains (bias + dropout + add, SwiGLU, rotary) as one kernel")
    accumulate: bool = Field(True, description="Products add to the accumulated gradient themselves, without a kernel")
    shared_kv: bool = Field(True, description="Decode reads a key/value head once for all query heads that use it")
    cuda_graphs: bool = Field(True, description="Decode steps replayed without the host in between")


class Serving(Spec):
    """Serving options of a Plan: chunked prefill, speculative decoding, disaggregation, continuous batching."""

    chunk: int | None = Field(
        None, gt=0, le=_MAX_COUNT, description="Prompt tokens of one step (chunked prefill); null: all"
    )
    draft_tokens: int = Field(0, ge=0, le=_MAX_COUNT, description="Tokens proposed a step by speculative decoding")
    acceptance: float = Field(0.7, ge=0, le=1, description="Probability that one proposed token is accepted")
    draft_cost: float = Field(0.05, ge=0, description="Time of one draft step as a share of one step of the model")
    prefill_devices: Annotated[int, Field(ge=0, le=_MAX_COUNT)] | Auto = Field(
        0, description="Devices that only prefill (disaggregated serving); 0: shared; auto: for most tokens a second"
    )
    attention_dp: Degree = Field(
        "auto", description="Attention data parallelism: ranks with their own requests' KV cache"
    )
    continuous: bool = Field(False, description="Continuous batching: requests join and leave a running batch")


class Plan(Spec):
    """Plan of execution: its groups are parallel, collectives, offload, formats, kernels and serving.

    Examples
    --------
    >>> plan = Plan.of("tp=8,pp=8,recompute=selective,sp=true,matmul=fp8")
    >>> plan.parallel.tp, plan.formats.matmul
    (8, 'fp8')
    >>> plan = Plan.of("formats=swis:3,group=4;depthwise=int8,stack=vllm")
    >>> plan.formats.layers, plan.stack
    ('swis:3,group=4;depthwise=int8', 'vllm')
    """

    parallel: Parallel = Field(Parallel(), description="Division of the work over devices")
    collectives: Collectives = Field(Collectives(), description="Messages and their overlap with computation")
    offload: Offload = Field(Offload(), description="Tensors in the host's memory")
    formats: Formats = Field(Formats(), description="Number formats of tensors")
    kernels: Kernels = Field(Kernels(), description="Implementations of operations")
    serving: Serving = Field(Serving(), description="Sharing of devices by requests")
    stack: str = Field("default", description="Serving software, whose constants are in data/stacks")
    others: Literal["auto", "off"] = Field(
        "auto",
        description="Fields that are not given: auto, the fastest that fits memory; off, degrees of 1, no option used",
    )

    @model_validator(mode="before")
    @classmethod
    def _others_off(cls, data: Any) -> Any:
        """Fill the fields that are not given where the others are off."""
        if not isinstance(data, dict) or data.get("others") != "off":
            return data
        return {**data, **{name: {**off, **_stated(data.get(name, {}))} for name, off in _OFF.items()}}

    @classmethod
    def of(cls, spec: Plan | dict[str, Any] | str | None = None, **fields: Any) -> Plan:
        """Build a Plan from ``key=value,...``, a nested or flat dict, keywords, or a Plan.

        Short keys (``tp``, ``kv_cache``) name the one field of that name in any group; dotted keys name it in full;
        ``formats`` is short for ``formats.layers``. Behind ``formats=``, a piece ``key=value`` whose key is no field of
        the plan is an argument of the format before it: ``formats=swis:3,group=4,tp=1``.

        Errors
        ------
        SlipstickError for an unknown key (with the nearest), SpecErrors for values that do not fit.
        """
        if isinstance(spec, Plan):
            data = spec.model_dump(exclude_unset=True)
        elif isinstance(spec, str):
            data = {}
            fields = {**plan_pairs(spec), **fields}
        else:
            data = {}
            fields = {**(spec or {}), **fields}
        for key, value in fields.items():
            _place(data, key, value)
        return validate(cls, data, where="plan")

    def filled(self, group: str, values: Mapping[str, Any]) -> Plan:
        """Return the plan with the ``auto`` fields of a group replaced by these values; given fields stay.

        Examples
        --------
        >>> Plan.of("tp=auto,pp=2").filled("parallel", {"tp": 8, "pp": 8}).parallel.tp
        8
        """
        fields = getattr(self, group)
        changes = {name: value for name, value in values.items() if getattr(fields, name) == "auto"}
        return self.model_copy(update={group: fields.model_copy(update=changes)})

    def off(self) -> Plan:
        """Return the plan with every ``auto`` field off: degrees of 1, no sharding, nothing computed again.

        Degrees that follow from others stay open: dp, and the network tiers.
        """
        plan = self
        for group, values in _OFF.items():
            plan = plan.filled(group, values)
        return plan

    def given(self) -> dict[str, Any]:
        """Return the fields that differ from a plan of which nothing is given, by their short keys."""
        bare = Plan()
        return {field.key: value for field in plan_fields() if (value := field.of(self)) != field.of(bare)}


@dataclass(frozen=True, slots=True)
class PlanField:
    """One field of a plan: group, short key, dotted path, default, allowed values, and what it sets."""

    group: str
    key: str
    path: str
    default: str
    choices: str
    description: str

    def of(self, plan: Plan) -> Any:
        """Return the field's value in a plan."""
        group, _, name = self.path.rpartition(".")
        return getattr(getattr(plan, group) if group else plan, name)


_LAYERS = "formats.layers"  # its value has commas and equals signs of its own
_OFF: dict[str, dict[str, Any]] = {
    "parallel": {
        **dict.fromkeys(("tp", "pp", "cp", "ep", "interleave", "microbatch"), 1), "etp": "tp", "sp": False,
        "schedule": "1f1b", "partition": "even", "recompute": "none", "zero": 0,
    },
    "collectives": {
        "tp_pattern": "all_reduce", "tp_overlap": "none", "tp_async": True, "dp_buckets": True, "dp_overlap": True,
        "pp_overlap": False, "regather": True,
    },
    "serving": {"attention_dp": 1},
}  # fmt: skip
_GROUPS: dict[str, type[Spec]] = {
    "parallel": Parallel,
    "collectives": Collectives,
    "offload": Offload,
    "formats": Formats,
    "kernels": Kernels,
    "serving": Serving,
}


@functools.cache
def short_keys() -> Mapping[str, str]:
    """Return the dotted path of every short key of a plan: ``{"tp": "parallel.tp", ...}``."""
    return {field.key: field.path for field in plan_fields()}


@functools.cache
def plan_fields() -> tuple[PlanField, ...]:
    """Return every field of a plan, group by group: what ``slipstick list plan`` prints.

    Examples
    --------
    >>> next(field for field in plan_fields() if field.key == "schedule").choices
    '1f1b | gpipe | auto'
    """
    fields = [_plan_field("", name, Plan.model_fields[name]) for name in ("others", "stack")]
    for group, kind in _GROUPS.items():
        fields += [_plan_field(group, name, info) for name, info in kind.model_fields.items()]
    return tuple(fields)


def _plan_field(group: str, name: str, info: FieldInfo) -> PlanField:
    path = f"{group}.{name}" if group else name
    key = f"offload_{name}" if group == "offload" else "formats" if path == _LAYERS else name
    default = "null" if info.default is None else str(info.default)
    default = default.lower() if info.annotation is bool else default
    return PlanField(group, key, path, default, " | ".join(_choices(info.annotation)), info.description or "")


def _choices(annotation: Any) -> list[str]:
    """Return the allowed values of a field in words: those of a Literal, or the name of its type."""
    names = {int: "whole number", float: "number", str: "text", type(None): "null"}
    if annotation is bool:
        return ["true", "false"]
    if get_origin(annotation) is Literal:
        return [str(word) for word in get_args(annotation)]
    if get_origin(annotation) is Annotated:
        return _choices(get_args(annotation)[0])
    if get_args(annotation):
        return [choice for part in get_args(annotation) for choice in _choices(part)]
    return [names.get(annotation, str(annotation))]


def plan_pairs(text: str, example: str = "tp=8,pp=4") -> dict[str, str]:
    """Return the values of ``key=value,...`` by key; pieces after `formats` that are no plan field belong to its value.

    Parameters
    ----------
    example : text for the error that a piece without a value raises.

    Errors
    ------
    SlipstickError for a piece that is not of the form ``key=value``, or a key that is given twice.

    Examples
    --------
    >>> plan_pairs("formats=swis:3,group=4,tp=2")
    {'formats': 'swis:3,group=4', 'tp': '2'}
    """
    pairs: dict[str, str] = {}
    keys, before = short_keys(), ""
    known = {*keys, *keys.values()}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if before in ("formats", _LAYERS) and not (equals and key in known):
            pairs[before] += f",{part}"
            continue
        if not equals or not value:
            raise SlipstickError("not of the form key=value", path="plan", value=part, allowed=f"such as {example}")
        if key in pairs:
            raise SlipstickError("the key is given twice", path="plan", value=key)
        pairs[key], before = value, key
    return pairs


def _stated(group: Spec | dict[str, Any]) -> dict[str, Any]:
    return group.model_dump(exclude_unset=True) if isinstance(group, Spec) else group


def _place(data: dict[str, Any], key: str, value: object) -> None:
    """Put one field (short key or dotted path), or a mapping of a group's fields, into the nested data of a Plan."""
    if key in _GROUPS and isinstance(value, dict):
        data.setdefault(key, {}).update(value)
        return
    keys = short_keys()
    path = keys.get(key, key)
    if path not in keys.values():
        message = "no such field of a plan (slipstick list plan prints them)"
        raise SlipstickError(message, path="plan", value=key, allowed=keys)
    group, _, field = path.rpartition(".")
    if group:
        data.setdefault(group, {})[field] = value
    else:
        data[field] = value
