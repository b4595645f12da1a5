"""Space of plans: the values of every open field that the network, the devices and training engines allow."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from slipstick.cluster.sweep.plans import PARTITION, TP_PATTERN, Plans, _column_code
from slipstick.core.arrays import AnyArray, BoolArray, IntArray
from slipstick.core.plan import Plan
from slipstick.core.system import System
from slipstick.core.workload import Phase, Workload
from slipstick.networks.decoder.decoder import Decoder

_MAX_DEGREE = 64  # of tensor parallelism
_MAX_TOKENS = 65_536  # of a microbatch: products are as efficient as they get long before
_MAX_SEQUENCES = 64  # of a microbatch
_MIN_TOKENS = 1024  # of a context parallel rank: below it, attention is shorter than the exchange of its keys
_FOLLOWING = {"dp", "tp_tier", "pp_tier", "dp_tier"}  # `auto` is no choice there
_DIVISION = ("tp", "pp", "cp", "microbatch", "ep", "etp")  # they divide devices and batch; layers' sizes follow
_Column = AnyArray


@dataclass(frozen=True)
class _PlanSpace:
    """Space of a question's plans: columns of the given fields, and the values of those that are left open.

    stated : column of `Plans` -> its value.
    division : open degrees of parallelism, and the microbatch -> values; they fix the sizes of a device's work.
    options : other open fields -> values.
    """

    workload: Workload
    system: System
    stated: Mapping[str, Any]
    division: Mapping[str, tuple[int, ...]]
    options: Mapping[str, tuple[int, ...]]

    @classmethod
    def of(cls, plan: Plan, workload: Workload, system: System) -> _PlanSpace:
        """Return the space of the plan's ``auto`` fields; fields that it gives keep their values."""
        asked = {**plan.parallel.model_dump(), **plan.collectives.model_dump()}
        auto = {name for name, value in asked.items() if value == "auto"} - _FOLLOWING
        choices = _default_values(workload, system) if auto else {}
        opened = {
            name: tuple(_column_code(name, value) for value in values)
            for name, values in choices.items()
            if name in auto
        }
        plain = Plans.of([plan.off().filled("parallel", {"dp": 1})], system)
        own = {"dp", "etp", "pp_overlap", *opened}  # those of `own` that are given come back
        columns = {field.name: getattr(plain, field.name)[0] for field in fields(Plans) if field.name not in own}
        follows = {name for name in own - opened.keys() if asked[name] in ("auto", "tp")}  # from the other columns
        columns |= {name: getattr(plain, name)[0] for name in own - opened.keys() - follows}
        division = {name: opened.pop(name) for name in _DIVISION if name in opened}
        return cls(workload, system, columns, division, opened)

    @property
    def is_open(self) -> bool:
        """Whether a field is open that has a choice of values."""
        return any(len(values) > 1 for values in (*self.division.values(), *self.options.values()))

    def divisions(self) -> Plans:
        """Return every possible division of devices and batch, each with the plainest of the open options."""
        return self.divided(self.open_divisions)[0]

    @property
    def open_divisions(self) -> dict[str, _Column]:
        """Columns of every combination of the open degrees."""
        return _grid(self.division)

    def zero_index(self, plans: Plans) -> IntArray:
        """Return which of the open stages of ZeRO each plan has, by its index; 0 where the stage is given, (n,)."""
        stages = self.options.get("zero", ())
        return np.searchsorted(stages, plans.zero) if stages else np.zeros(len(plans), dtype=np.int64)

    @property
    def zero_count(self) -> int:
        """Number of open stages of ZeRO, 1 where the stage is given."""
        return max(1, len(self.options.get("zero", ())))

    @property
    def node(self) -> int:
        """Devices that the innermost network tier joins."""
        return next((tier.domain or self.system.devices for tier in self.system.network.values()), 1)

    def divided(self, columns: Mapping[str, _Column]) -> tuple[Plans, IntArray]:
        """Return the possible ones of some divisions, and the index of each.

        Parameters
        ----------
        columns : of the open degrees, and of given fields that differ from division to division, (n,) each; dp 0 is
            what the other degrees leave.
        """
        count = len(next(iter(columns.values()))) if columns else 1
        filled: dict[str, Any] = {
            **self.stated,
            **{name: values[0] for name, values in self.options.items()},
            **columns,
        }
        ends = PARTITION.index("ends")
        if ends in self.options.get("partition", ()):
            filled["partition"] = ends  # it has room for the most stages
        filled.setdefault("etp", filled["tp"])
        left = np.maximum(1, self.system.devices // (filled["tp"] * filled["pp"] * filled["cp"]))
        filled["dp"] = np.where(filled.get("dp", 0) == 0, left, filled.get("dp", 0))
        plans = Plans.of_columns(count, self._with_following(filled))
        usual = (plans.etp == 1) | (plans.etp == plans.tp) | ("etp" not in self.division)
        index = np.flatnonzero((plans.devices == self.system.devices) & usual)
        index = index[plans.take(index).possible(self.workload, self.system)]
        return plans.take(index), index

    def expanded(
        self, divisions: Plans, options: Mapping[str, tuple[int, ...]] | None = None
    ) -> tuple[Plans, IntArray]:
        """Return the plans of every allowed combination of options for each division, and the division of each.

        Parameters
        ----------
        options : values of the open options, in place of all.
        """
        values = self.options if options is None else options
        combinations = _combinations(values)
        allowed = self._allowed(divisions, combinations)
        row, place = np.nonzero(allowed)
        columns = {field.name: getattr(divisions, field.name)[row] for field in fields(Plans)}
        columns |= {name: column[place] for name, column in combinations.items()}
        return Plans(**self._with_following(columns)), row

    def _with_following(self, columns: dict[str, Any]) -> dict[str, Any]:
        """Return columns with those that follow from others: collectives of sequence parallelism, overlap of stages.

        Megatron-LM overlaps the messages between stages in interleaved schedules, and in these only.
        """
        columns["tp_pattern"] = np.where(columns["sp"], TP_PATTERN.index("rs_ag"), columns["tp_pattern"])
        if "pp_overlap" not in self.stated:
            columns["pp_overlap"] = columns["interleave"] > 1
        return columns

    def deepest_interleave(self, divisions: Plans) -> IntArray:
        """Return the most chunks of a stage that each division can have, (n,)."""
        if "interleave" not in self.options:
            return divisions.interleave
        deepest = np.ones(len(divisions), dtype=np.int64)
        for chunks in self.options["interleave"]:
            some = self._allowed(divisions, _combinations({**self.options, "interleave": (chunks,)})).any(axis=1)
            deepest = np.where(some, np.maximum(deepest, chunks), deepest)
        return deepest

    def _allowed(self, divisions: Plans, options: Mapping[str, _Column]) -> BoolArray:
        """Return which combinations of options (columns) each division (rows) can have.

        Source: Megatron-LM's arguments (interleaving needs a pipeline and whole rounds of microbatches, overlap of
        tensor parallel messages needs sequence parallelism). ZeRO-2 with a pipeline is ZeRO-1
        (`TrainingSetting.scatters_each`).
        """
        count = len(next(iter(options.values()))) if options else 1
        allowed = np.ones((len(divisions), count), dtype=bool)
        tp, pp = divisions.tp[:, None], divisions.pp[:, None]
        sp = options.get("sp", divisions.sp[:, None])
        if "sp" in options:
            allowed &= ~sp | (tp > 1)
        if "tp_overlap" in options:
            allowed &= (options["tp_overlap"] == 0) | (sp & (tp > 1))
        if "regather" in options:
            allowed &= options["regather"] | sp
        if "tp_pattern" in options:
            allowed &= (options["tp_pattern"] == 0) | (~sp & (tp > 1) & (pp > 1))
        if "zero" in options:
            replicas = np.maximum(divisions.dp * divisions.cp, divisions.expert_replicas)[:, None]
            allowed &= (options["zero"] == 0) | ((replicas > 1) & ((options["zero"] != 2) | (pp == 1)))
        if "interleave" in options or "partition" in options:
            allowed &= self._cuts(divisions, options)
        return allowed

    def _cuts(self, divisions: Plans, options: Mapping[str, _Column]) -> BoolArray:
        """Return which cuts into stages and chunks each division can have: enough layers, and whole rounds."""
        layers, pp = Decoder.of(self.workload.network).layers, divisions.pp[:, None]
        chunks = options.get("interleave", divisions.interleave[:, None])
        partition = options.get("partition", divisions.partition[:, None])
        rounds = (self.workload.batch // (divisions.dp * divisions.microbatch))[:, None] % pp == 0
        ends = partition == PARTITION.index("ends")
        enough = pp * chunks <= layers + 2 * ends
        whole = (chunks == 1) | ((pp > 1) & rounds)
        if "partition" not in options:
            return np.asarray(enough & whole)
        balanced = partition == PARTITION.index("balanced")
        return np.asarray(enough & whole & ((partition == 0) | (pp > 1)) & (~balanced | (chunks == 1)))


def _default_values(workload: Workload, system: System) -> dict[str, tuple[Any, ...]]:
    """Return the values of each plan field that the network, the devices and the phase leave a choice of.

    Examples
    --------
    >>> from slipstick.engines.question import ask
    >>> asked = ask("llama-3.1-8b", "h100-sxm-80gb:8", phase="decode")
    >>> _default_values(asked.workload, asked.system)["tp"]
    (1, 2, 4, 8)
    """
    decoder, devices, training = Decoder.of(workload.network), system.devices, workload.phase is Phase.TRAIN
    heads = math.gcd(*(block.attention.query_heads for block in decoder.kinds))
    experts = math.gcd(*(block.mlp.routed.experts for block in decoder.kinds))
    degrees = tuple(ranks for ranks in _divisors(math.gcd(heads, devices)) if ranks <= _MAX_DEGREE)
    values: dict[str, tuple[Any, ...]] = {
        "tp": degrees,
        "pp": tuple(stages for stages in _divisors(devices) if stages <= decoder.layers + 2 * training),
        "cp": (1,),
        "microbatch": (1,),
        "ep": tuple(ranks for ranks in _divisors(experts) if ranks <= devices) if experts else (1,),
        "etp": degrees if experts else (),
    }
    plain = {"interleave": (1,), "partition": ("even",), "zero": (0,), "recompute": ("none",), "sp": (False,)}
    plain |= {"regather": (True,), "tp_pattern": ("all_reduce",), "tp_overlap": ("none",)}
    values |= _training_values(workload, system) if training else plain
    return {name: choices for name, choices in values.items() if choices}


def _training_values(workload: Workload, system: System) -> dict[str, tuple[Any, ...]]:
    shares = _divisors(math.gcd(system.devices, workload.sequence))
    most = min(_MAX_SEQUENCES, _MAX_TOKENS // workload.sequence)
    return {
        "cp": tuple(share for share in shares if share == 1 or workload.sequence // share >= _MIN_TOKENS),
        "microbatch": tuple(size for size in _divisors(workload.batch) if size <= max(1, most)),
        "interleave": _chunk_counts(Decoder.of(workload.network).layers),
        "partition": ("even", "balanced", "ends"),
        "zero": (0, 1, 2, 3),
        "recompute": ("none", "selective", "full"),
        "sp": (False, True),
        "regather": (True, False),
        "tp_pattern": ("all_reduce", "p2p_rs_ag"),
        "tp_overlap": ("none", "ring", "pipe"),
    }


def _chunk_counts(layers: int) -> tuple[int, ...]:
    """Return the numbers of chunks of a stage to try: a few, and those that divide the layers, or them and the ends."""
    divisors = {*range(1, 5), *_divisors(layers), *_divisors(layers + 2)}
    return tuple(sorted(count for count in divisors if 2 * count <= layers + 2))


def _divisors(number: int) -> tuple[int, ...]:
    return tuple(d for d in range(1, number + 1) if number % d == 0)


def _grid(values: Mapping[str, Iterable[int]]) -> dict[str, _Column]:
    """Return the columns of all combinations of values."""
    mesh = np.meshgrid(*(np.asarray(list(choices)) for choices in values.values()), indexing="ij")
    return {name: column.ravel() for name, column in zip(values, mesh, strict=True)}


def _combinations(options: Mapping[str, tuple[int, ...]]) -> dict[str, _Column]:
    """Return the columns of the combinations of options that some division can have."""
    columns = _grid(options)
    if not columns:
        return {}
    count = len(next(iter(columns.values())))
    every = {name: columns.get(name, np.full(count, value)) for name, value in _UNSTATED.items()}
    sp = every["sp"].astype(bool)
    sensible = np.where(sp, every["tp_pattern"] == 0, every["regather"] & (every["tp_overlap"] == 0))
    sensible |= "sp" not in options
    sensible &= (every["partition"] != PARTITION.index("balanced")) | (every["interleave"] == 1)
    return {name: column[sensible] for name, column in columns.items()}


# options that are not open, with values that leave the others free
_UNSTATED: dict[str, Any] = {
    "sp": False, "tp_pattern": 0, "regather": True, "tp_overlap": 0, "partition": 0, "interleave": 1,
}  # fmt: skip
