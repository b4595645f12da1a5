"""Arrays of plans, one array per field, so that every equation of the cluster model runs over a whole sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slipstick.cluster.sweep.rows import _Rows
from slipstick.core.arrays import BoolArray, IntArray
from slipstick.core.errors import SlipstickError, SpecErrors
from slipstick.core.plan import Plan
from slipstick.core.system import System
from slipstick.core.workload import Phase, Workload
from slipstick.networks.decoder.decoder import Decoder

RECOMPUTE = ("none", "selective", "full")
SCHEDULE = ("1f1b", "gpipe")
TP_PATTERN = ("all_reduce", "p2p_rs_ag", "rs_ag")
TP_OVERLAP = ("none", "ring", "pipe")
PARTITION = ("even", "balanced", "ends")
AUTO_TIER = -1


@dataclass(frozen=True)
class Plans(_Rows):
    """Parallelisation plans of a sweep as columns: every field of `Plan` that varies, an array of shape (n,).

    Fields have the short keys of ``slipstick list plan``. Choices (`schedule`, `recompute`, `tp_pattern`, `tp_overlap`)
    are indices into the tuples above; tiers are indices of network tiers, `AUTO_TIER` where the rank
    order decides.
    """

    tp: IntArray
    pp: IntArray
    dp: IntArray
    cp: IntArray
    ep: IntArray
    etp: IntArray
    microbatch: IntArray
    interleave: IntArray
    zero: IntArray
    schedule: IntArray
    partition: IntArray
    recompute: IntArray
    tp_pattern: IntArray
    tp_overlap: IntArray
    tp_tier: IntArray
    pp_tier: IntArray
    dp_tier: IntArray
    sp: BoolArray
    regather: BoolArray
    tp_async: BoolArray
    dp_buckets: BoolArray
    dp_overlap: BoolArray
    pp_overlap: BoolArray
    offload_weights: BoolArray
    offload_activations: BoolArray
    offload_optimizer: BoolArray

    def __len__(self) -> int:
        return len(self.tp)

    @classmethod
    def joined(cls, parts: Sequence[Plans]) -> Plans:
        """Return the plans of several arrays one after the other."""
        return cls(
            **{field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)}
        )

    @property
    def devices(self) -> IntArray:
        """Number of devices that each plan uses."""
        return self.tp * self.pp * self.dp * self.cp

    @property
    def expert_replicas(self) -> IntArray:
        """Number of ranks that hold a copy of the same expert."""
        return np.maximum(1, self.dp * self.cp * self.tp // (self.ep * self.etp))

    def possible(self, workload: Workload, system: System, batch: IntArray | None = None) -> BoolArray:
        """Return, for each plan, whether it meets every rule of `workload` on `system`.

        Parameters
        ----------
        batch : sequences of each plan, in place of the workload's.
        """
        return np.asarray(np.logical_and.reduce([rule.holds for rule in _rules(self, workload, system, batch)]))

    def require_possible(self, workload: Workload, system: System) -> None:
        """Raise one SpecErrors that names every rule that the first plan breaks."""
        broken = [
            SlipstickError(rule.message, path=f"plan.{rule.path}", value=int(rule.value[0]), allowed=rule.allowed)
            for rule in _rules(self.take(slice(0, 1)), workload, system)
            if not rule.holds[0]
        ]
        if broken:
            raise SpecErrors(broken)

    @classmethod
    def of_columns(cls, n: int, columns: Mapping[str, object]) -> Plans:
        """Return n plans of columns (arrays or scalars that broadcast to n); other fields get a plain plan's value."""
        filled: dict[str, NDArray[np.generic]] = {}
        for field in fields(cls):
            flag = field.type == "BoolArray"
            value = columns.get(field.name, _PLAIN.get(field.name, False if flag else 1))
            filled[field.name] = np.broadcast_to(np.asarray(value, dtype=np.bool_ if flag else np.int64), (n,))
        if "etp" not in columns:
            filled["etp"] = filled["tp"]
        return cls(**filled)  # type: ignore[arg-type]

    @classmethod
    def of(cls, plans: Sequence[Plan], system: System) -> Plans:
        """Return arrays of resolved plans (no ``auto`` degree left); network tiers become their index."""
        rows = [_row(plan, system) for plan in plans]
        return cls.of_columns(len(rows), {name: [row[name] for row in rows] for name in rows[0]})


COLUMNS = tuple(column.name for column in fields(Plans))
CHOICES = {
    "recompute": RECOMPUTE, "schedule": SCHEDULE, "partition": PARTITION, "tp_pattern": TP_PATTERN,
    "tp_overlap": TP_OVERLAP,
}  # fmt: skip


def _column_code(name: str, value: Any) -> Any:
    """Return a value of a plan's field as its column holds it: choices by their index.

    Examples
    --------
    >>> _column_code("recompute", "full"), _column_code("tp", 8)
    (2, 8)
    """
    return CHOICES[name].index(value) if name in CHOICES else value


def _column_value(name: str, code: Any) -> Any:
    """Return the value of a plan's field that a column holds: the choice of an index, else the plain Python value."""
    return CHOICES[name][int(code)] if name in CHOICES else code.item()


_PLAIN: dict[str, object] = {
    **dict.fromkeys(("zero", "schedule", "partition", "recompute", "tp_pattern", "tp_overlap"), 0),
    **dict.fromkeys(("tp_tier", "pp_tier", "dp_tier"), AUTO_TIER),
    "regather": True,
    "tp_async": True,
    "dp_buckets": True,
    "dp_overlap": True,
}


def _row(plan: Plan, system: System) -> dict[str, object]:
    parallel, collectives, offload = plan.parallel, plan.collectives, plan.offload
    tiers = {"auto": AUTO_TIER, **{name: index for index, name in enumerate(system.network)}}
    row: dict[str, object] = {
        name: getattr(parallel, name)
        for name in ("tp", "pp", "dp", "cp", "ep", "microbatch", "interleave", "zero", "sp")
    }
    row["etp"] = parallel.tp if parallel.etp == "tp" else parallel.etp
    row["schedule"] = SCHEDULE.index(parallel.schedule)
    row["partition"] = PARTITION.index(parallel.partition)
    row["recompute"] = RECOMPUTE.index(parallel.recompute)
    row["tp_pattern"] = TP_PATTERN.index("rs_ag" if parallel.sp else collectives.tp_pattern)
    row["tp_overlap"] = TP_OVERLAP.index(collectives.tp_overlap)
    for group in ("tp", "pp", "dp"):
        name = getattr(collectives, f"{group}_tier")
        if name not in tiers:
            raise SlipstickError(
                "no such network tier", path=f"plan.collectives.{group}_tier", value=name, allowed=tiers
            )
        row[f"{group}_tier"] = tiers[name]
    for name in ("regather", "tp_async", "dp_buckets", "dp_overlap", "pp_overlap"):
        row[name] = getattr(collectives, name)
    for name in ("weights", "activations", "optimizer"):
        row[f"offload_{name}"] = getattr(offload, name)
    return row


@dataclass(frozen=True)
class _Rule:
    """Rule of possible plans: whether it `holds` for each of n plans, and the error message where it does not."""

    path: str
    holds: BoolArray
    message: str
    value: IntArray
    allowed: str


def _rules(plans: Plans, workload: Workload, system: System, batch: IntArray | None = None) -> list[_Rule]:
    """Return the conditions of a possible plan, each evaluated over all plans.

    Source: Megatron-LM's own constraints (Narayanan et al. 2104.04473, section 3; Korthikanti et al. 2205.05198).
    """
    sequences = np.full(len(plans), workload.batch) if batch is None else batch
    device_rules = _device_rules(plans, workload, system, sequences)
    return [*_layer_rules(plans, workload), *device_rules, *_tier_rules(plans, system)]


def _layer_rules(plans: Plans, workload: Workload) -> list[_Rule]:
    """Rules of divisibility of the network's sizes: heads, layers, experts."""
    network = Decoder.of(workload.network)
    chunks, ends = plans.pp * plans.interleave, np.where(plans.partition == PARTITION.index("ends"), 2, 0)
    conditions = [
        *_head_rules(plans, network),
        _Rule(
            "parallel.pp",
            chunks <= network.layers + ends,
            "more pipeline stages (times interleave) than layers",
            chunks,
            f"at most {network.layers}, or {network.layers + 2} with partition=ends",
        ),
        _Rule(
            "parallel.interleave",
            (plans.interleave == 1) | (plans.pp > 1),
            "interleaving needs a pipeline",
            plans.interleave,
            "1 where pp is 1",
        ),
    ]
    return [*conditions, *_expert_rules(plans, network, workload)]


def _expert_rules(plans: Plans, network: Decoder, workload: Workload) -> list[_Rule]:
    """Rules of experts: training shares them evenly; inference may copy some, so that each rank holds as many."""
    if not network.expert_counts:
        message = "a network without experts has none to share"
        return [_Rule("parallel.ep", plans.ep == 1, message, plans.ep, "1, or left out")]
    if workload.phase is not Phase.TRAIN:
        return []
    message = "ep must divide the experts in training, whose gradients have no place for copies"
    return [
        _Rule("parallel.ep", count % plans.ep == 0, message, plans.ep, f"a divisor of {count}")
        for count in network.expert_counts
    ]


def _head_rules(plans: Plans, network: Decoder) -> list[_Rule]:
    """Rules of attention heads: tensor parallel ranks share them evenly, key and value heads are shared or copied."""
    queries = np.array([block.attention.query_heads for block in network.kinds])
    keys = np.array([block.attention.cache().heads for block in network.kinds])
    return [
        _Rule(
            "parallel.tp",
            (queries[:, None] % plans.tp == 0).all(axis=0),
            "tensor parallelism must divide the attention heads",
            plans.tp,
            f"a divisor of {_listing(queries)}",
        ),
        _Rule(
            "parallel.tp",
            ((keys[:, None] % plans.tp == 0) | (plans.tp % keys[:, None] == 0)).all(axis=0),
            "tensor parallelism must divide the key and value heads, or be a multiple of them that copies each",
            plans.tp,
            f"a divisor or a multiple of {_listing(keys)}",
        ),
    ]


def _listing(numbers: IntArray) -> str:
    return ", ".join(str(number) for number in sorted(set(numbers.tolist())))


def _device_rules(plans: Plans, workload: Workload, system: System, batch: IntArray) -> list[_Rule]:
    """Rules of divisibility of devices, batch and sequence."""
    world, per_replica, tokens = plans.devices, plans.dp * plans.microbatch, plans.cp * plans.tp
    training = workload.phase is Phase.TRAIN
    return [
        _Rule(
            "parallel",
            world == system.devices,
            "dp*tp*pp*cp is not the number of devices",
            world,
            f"a product of {system.devices}",
        ),
        _Rule(
            "parallel.interleave",
            (plans.interleave == 1) | (batch // np.maximum(1, per_replica) % plans.pp == 0),
            "interleaving needs whole rounds of microbatches, one for each stage",
            plans.interleave,
            "1 where pp does not divide the microbatches",
        ),
        _Rule(
            "parallel.cp",
            workload.sequence % tokens == 0 if training else np.ones(len(plans), dtype=bool),
            "context times tensor parallelism must divide the sequence",
            tokens,
            f"a divisor of {workload.sequence}",
        ),
        _Rule(
            "parallel.microbatch",
            batch % per_replica == 0,
            "dp times the microbatch must divide the global batch",
            per_replica,
            f"a divisor of {workload.batch}",
        ),
        _Rule(
            "parallel.ep",
            (plans.dp * plans.cp * plans.tp) % (plans.ep * plans.etp) == 0,
            "ep times etp must divide dp*cp*tp",
            plans.ep * plans.etp,
            "a divisor of dp*cp*tp",
        ),
    ]


def _tier_rules(plans: Plans, system: System) -> list[_Rule]:
    """Rules that a group with a given network tier fits into that tier."""
    reach = np.array([*(tier.domain or system.devices for tier in system.network.values()), 2**62])  # the last: auto
    spans = {"tp": plans.tp, "dp": plans.tp * plans.cp * plans.dp, "pp": plans.devices}
    conditions = []
    for group, span in spans.items():
        holds = (span <= reach[getattr(plans, f"{group}_tier")]) | (getattr(plans, group) == 1)
        conditions.append(
            _Rule(f"collectives.{group}_tier", holds, "the tier does not reach the group", span, "a wider tier")
        )
    return conditions
