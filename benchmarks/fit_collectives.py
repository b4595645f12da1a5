"""Fit the constants of ``data/collectives``: NVLink 3 to 5 on nccl_measured.csv, EFA on llm_nanotron_h100.csv.

    python benchmarks/fit_collectives.py [--data ../shared/reference] [--leave-out 4] [--write]

Prints the mean absolute error by GPU, operation, group and size; with --leave-out the rows of that group size are kept
from the fit and reported; with --write the YAML files of the fitted technologies are replaced.
"""

from __future__ import annotations

import argparse
import csv
import math
from pathlib import Path
from typing import ClassVar

import numpy as np
from scipy.optimize import least_squares

from slipstick.cluster.collectives.collective_time import _collective
from slipstick.cluster.collectives.network_tiers import NetworkTier
from slipstick.cluster.constants.links import _InSwitch, _LinkConstants, _Protocol
from slipstick.core.files import write_text

FOLDER = Path(__file__).parents[1] / "src" / "slipstick" / "data" / "collectives"
NVLINK = {"nvlink3": ("a100_sxm", 300e9), "nvlink4": ("h100_sxm", 450e9), "nvlink5": ("b200_sxm", 900e9)}
FAMILIES = {"gather": ("all_gather", "reduce_scatter"), "reduce": ("all_reduce",), "exchange": ("all_to_all",)}
PROTOCOLS = ("LL", "LL128", "Simple")
LIMITS = (math.inf, *(2.0**k for k in range(17, 23)))  # shard bytes at which the library changes to Simple
# base [us], hop [us], efficiency, own of the three protocols. LL reaches a quarter (NCCL, tuning.cc), LL128 120 of 128.
LOWER = np.log([[0.5, 0.05, 0.002, 0.05], [0.5, 0.05, 0.25, 0.05], [0.5, 0.1, 0.3, 0.05]])
UPPER = np.log([[40, 10, 0.25, 100], [60, 10, 0.9375, 30], [150, 30, 1.0, 10]])
STARTS = [
    np.log([[base, 1, share, own], [base + 2, 1.5, 0.35, 1], [simple, 4, 0.8, 1]])
    for base in (5.0, 8.0)
    for share, own in ((0.02, 5), (0.05, 30))
    for simple in (15.0, 30.0)
]
IN_SWITCH = np.log([40.0, 0.6])  # base [us], efficiency: where the fit starts
IN_SWITCH_RANKS = {"nvlink4": 8, "nvlink5": 8}  # the smallest group in whose rows the switch's reduction shows
# EFA's low-latency protocol was not in the probe: assumed latency of a small message, and up to which shard it serves
EFA_SMALL = _Protocol(name="LL", base=20e-6, hop=30e-6, efficiency=0.25, own=0.0, limit=65536.0)
STRANGER = _LinkConstants(calibrated=True, gather=(), reduce=(), exchange=(), hierarchical=False, congestion=0.0)

# The probe sees the network in one of two states, from one job to the next (most early jobs one, most later jobs the
# other): the time of its reduce-scatter lies near 3.5 ms + 0.3 ms a node, or near 2.5 ms a node. Between them:
SLOW_ABOVE = (3.5e-3, 0.9e-3)  # [s], [s a node]
PROBE = 2.0**30  # the probe's fp32 tensor of 256 Mi elements [B] (nanotron e3b886c6, measure_bandwidth)
COPY_RATE = 2 * PROBE / 0.77e-3  # torch's list interface copies the tensor first: fits the one-node rows [B/s]


def read(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


class Rows:
    """The measured rows of one GPU as arrays."""

    def __init__(self, rows: list[dict[str, str]], gpu: str) -> None:
        mine = [row for row in rows if row["gpu"] == gpu]
        self.op = np.array([row["op"].replace("alltoall", "all_to_all") for row in mine])
        self.ranks = np.array([float(row["num_gpus"]) for row in mine])
        self.size = np.array([float(row["message_elements"]) * float(row["dtype_bytes"]) for row in mine])
        self.time = np.array([float(row["latency_us"]) for row in mine]) * 1e-6

    def predict(self, technology: str, constants: _LinkConstants, chosen: np.ndarray) -> np.ndarray:
        """Return our times of the chosen rows [s]."""
        tier = [NetworkTier(technology, 8, NVLINK[technology][1], constants)]
        found = np.zeros(len(self.op))
        for op in np.unique(self.op[chosen]):
            at = chosen & (self.op == op)
            found[at] = _collective(op, self.size[at], self.ranks[at], tiers=tier).time
        return found[chosen]


def with_family(constants: _LinkConstants, family: str, x: np.ndarray, limit: float, min_ranks: int) -> _LinkConstants:
    """Return `constants` with the protocols of one family (and the switch, for "reduce") from the logarithms `x`."""
    rows = np.exp(x[:12]).reshape(3, 4)
    protocols = tuple(
        _Protocol(
            name=name,
            base=row[0] * 1e-6,
            hop=row[1] * 1e-6,
            efficiency=row[2],
            own=row[3],
            limit=limit if name != "Simple" else math.inf,
        )
        for name, row in zip(PROTOCOLS, rows, strict=True)
    )
    values: dict[str, object] = {family: protocols}
    if len(x) > 12:
        values["in_switch"] = _InSwitch(base=math.exp(x[12]) * 1e-6, efficiency=math.exp(x[13]), min_ranks=min_ranks)
    return constants.model_copy(update=values)


def fit_family(technology: str, rows: Rows, family: str, chosen: np.ndarray, start: _LinkConstants) -> _LinkConstants:
    """Return `start` with one family fitted on the chosen rows: robust least squares of the logarithm of the time."""
    min_ranks = IN_SWITCH_RANKS.get(technology, 0) if family == "reduce" else 0
    extra = IN_SWITCH if min_ranks else np.zeros(0)
    bounds = (np.append(LOWER, extra - 2.0), np.append(UPPER, np.minimum(extra + 2.0, [9.0, 0.0][: len(extra)])))
    best: tuple[float, _LinkConstants] | None = None
    for limit in LIMITS:
        for initial in STARTS:

            def residual(x: np.ndarray, limit: float = limit) -> np.ndarray:
                constants = with_family(start, family, x, limit, min_ranks)
                return np.log(rows.predict(technology, constants, chosen) / rows.time[chosen])

            fit = least_squares(
                residual, np.append(initial, extra), bounds=bounds, loss="soft_l1", f_scale=0.05, max_nfev=120
            )
            if best is None or fit.cost < best[0]:
                best = fit.cost, with_family(start, family, fit.x, limit, min_ranks)
    assert best is not None
    return best[1]


def fit_nvlink(technology: str, rows: Rows, leave_out: int) -> _LinkConstants:
    """Return the constants of one NVLink generation."""
    constants = STRANGER.model_copy(update={"technology": technology})
    for family, ops in FAMILIES.items():
        chosen = np.isin(rows.op, ops) & (rows.ranks != leave_out)
        constants = fit_family(technology, rows, family, chosen, constants)
    return constants


def report(technology: str, rows: Rows, constants: _LinkConstants, only: int = 0) -> np.ndarray:
    """Print the mean absolute error by operation and group, from 1 MB and below; return the errors (size, error)."""
    every = np.ones(len(rows.op), dtype=bool)
    error = np.abs(rows.predict(technology, constants, every) / rows.time - 1.0)
    large = rows.size >= 1e6
    for op in np.unique(rows.op):
        cells = []
        for ranks in np.unique(rows.ranks):
            at = (rows.op == op) & (rows.ranks == ranks)
            if only in (0, ranks):
                cells.append(f"{ranks:.0f} GPUs {error[at & large].mean():6.1%} {error[at & ~large].mean():6.1%}")
        print(f"  {technology} {op:15s} (>= 1 MB, below)  " + "   ".join(cells))
    at = rows.ranks == only if only else every
    print(f"  {technology} all: >= 1 MB {error[at & large].mean():.1%}, below {error[at & ~large].mean():.1%}")
    return np.array([(e, big) for e, big in zip(error[at], large[at], strict=True)])


class Probe:
    """What nanotron measured at the start of each job: medians of the time by group size, in one network state."""

    OPS: ClassVar[dict[str, str]] = {
        "all_reduce": "nccl_allreduce_gbps",
        "all_gather": "nccl_allgather_gbps",
        "reduce_scatter": "nccl_reducescatter_gbps",
    }
    NODE = 8

    def __init__(self, rows: list[dict[str, str]], slow: bool) -> None:
        rows = [row for row in rows if row["nccl_reducescatter_gbps"] and int(row["n_gpus"]) > self.NODE]
        rows = [row for row in rows if self._slow(float(row["n_gpus"]), row["nccl_reducescatter_gbps"]) == slow]
        ranks = np.array([float(row["n_gpus"]) for row in rows])
        self.ranks = np.unique(ranks)
        self.rows = {op: [(n, self._time(op, n, row[c])) for n, row in zip(ranks, rows, strict=True) if row[c]]
                     for op, c in self.OPS.items()}  # fmt: skip
        self.median = {
            op: np.array([np.median([t for m, t in found if m == n]) for n in self.ranks])
            for op, found in self.rows.items()
        }

    def _slow(self, ranks: float, gbps: str) -> bool:
        return self._time("reduce_scatter", ranks, gbps) > SLOW_ABOVE[0] + SLOW_ABOVE[1] * ranks / self.NODE

    @staticmethod
    def _time(op: str, ranks: float, gbps: str) -> float:
        factor = 2.0 if op == "all_reduce" else 1.0  # the probe prints bus bandwidth
        return factor * (ranks - 1) / ranks * PROBE / (float(gbps) * 1e9)

    def predict(self, op: str, constants: _LinkConstants, ranks: np.ndarray) -> np.ndarray:
        """Return our times of the probe, its copies included [s]."""
        inside = NetworkTier("nvlink4", 8, 450e9, _LinkConstants.of_technology("nvlink4"))
        tiers = [inside, NetworkTier("efa", 4096, 50e9, constants)]
        copy = 0.0 if op == "all_reduce" else 2 * PROBE / COPY_RATE
        return _collective(op, PROBE, ranks, tiers=tiers).time + copy


def efa_constants(technology: str, x: np.ndarray, tree: bool) -> _LinkConstants:
    """Return EFA constants from logarithms: ring hop, efficiency, all-reduce ring hop, tree hop, tree efficiency."""
    hop, efficiency, reduce_hop, tree_hop, tree_efficiency = np.exp(x)

    def family(step: float, share: float) -> tuple[_Protocol, ...]:
        return (EFA_SMALL, _Protocol(name="Simple", base=EFA_SMALL.base, hop=step, efficiency=share, own=0.0))

    trees = family(tree_hop, tree_efficiency) if tree else ()
    gather, reduce = family(hop, efficiency), family(reduce_hop, efficiency)
    # direct sends wait for one network latency, not for one per peer
    direct = _Protocol(name="Simple", base=hop, hop=EFA_SMALL.base / 8, efficiency=efficiency, own=0.0)
    exchange = (EFA_SMALL, direct)
    families = {"gather": gather, "reduce": reduce, "exchange": exchange, "tree": trees}
    return STRANGER.model_copy(update={"technology": technology, **families})


def fit_efa(technology: str, probe: Probe, tree: bool) -> _LinkConstants:
    """Return the constants of the network between the nodes: five numbers for the medians of three operations."""

    def residual(x: np.ndarray) -> np.ndarray:
        constants = efa_constants(technology, x, tree)
        return np.concatenate(
            [np.log(probe.predict(op, constants, probe.ranks) / probe.median[op]) for op in probe.OPS]
        )

    start, low, high = ([1e-3, 0.8, 1e-3, 3e-4, 0.6], [1e-6, 0.2, 1e-6, 1e-6, 0.2], [1e-2, 0.95, 1e-2, 1e-2, 0.95])
    fit = least_squares(residual, np.log(start), bounds=(np.log(low), np.log(high)), loss="soft_l1", f_scale=0.1)
    constants = efa_constants(technology, fit.x, tree)
    for op, found in probe.rows.items():
        ranks, time = np.array(found).T
        error = np.abs(probe.predict(op, constants, ranks) / time - 1.0)
        cells = [f"{n:.0f}: {error[ranks == n].mean():.1%}" for n in np.unique(ranks)]
        print(f"  {technology:8s} {op:15s} " + "  ".join(cells) + f"  all {error.mean():.1%}")
    return constants


def generic_constants(fitted: list[_LinkConstants]) -> dict[str, tuple[_Protocol, ...]]:
    """Return the medians of the fitted technologies, protocol by protocol."""
    found = {}
    for family in FAMILIES:
        columns = zip(*(getattr(constants, family) for constants in fitted), strict=True)
        found[family] = tuple(
            _Protocol(
                name=column[0].name,
                limit=max(p.limit for p in column),
                **{f: float(np.median([getattr(p, f) for p in column])) for f in ("base", "hop", "efficiency", "own")},
            )
            for column in columns
        )
    return found


def yaml_text(constants: _LinkConstants, source: str, notes: list[str]) -> str:
    """Return the YAML file of one technology."""
    lines = [f"# {note}" for note in [*notes, "Written by: python benchmarks/fit_collectives.py --write"]]
    lines += [f"calibrated: {str(constants.calibrated).lower()}", f'source: "{source}"']
    lines += [f"hierarchical: {str(constants.hierarchical).lower()}", f"congestion: {constants.congestion:.3g}"]
    for family in ("gather", "reduce", "exchange", "tree"):
        protocols = getattr(constants, family)
        lines += [f"{family}:"] if protocols else []
        for p in protocols:
            limit = f", limit: {p.limit:.0f}" if math.isfinite(p.limit) else ""
            values = f"base: {p.base:.4g}, hop: {p.hop:.4g}, efficiency: {p.efficiency:.4g}, own: {p.own:.4g}"
            lines.append(f"  {p.name}: {{{values}{limit}}}")
    if constants.in_switch is not None:
        s = constants.in_switch
        lines.append(f"in_switch: {{base: {s.base:.4g}, efficiency: {s.efficiency:.4g}, min_ranks: {s.min_ranks}}}")
    return "\n".join(lines) + "\n"


def nvlink(options: argparse.Namespace) -> None:
    """Fit the three NVLink generations, and take the generic constants from them."""
    measured = read(options.data / "nccl_measured.csv")
    errors, fitted = [], []
    for technology, (gpu, _) in NVLINK.items():
        rows = Rows(measured, gpu)
        fitted.append(fit_nvlink(technology, rows, options.leave_out))
        errors.append(report(technology, rows, fitted[-1], options.leave_out))
        notes = ["NCCL over NVLink in one node of 2 to 8 GPUs, 512 B to 537 MB. Larger domains extrapolate."]
        text = yaml_text(fitted[-1], f"calibrated on nccl_measured.csv ({gpu} rows)", notes)
        if options.write:
            write_text(FOLDER / f"{technology}.yaml", text)
    error = np.vstack(errors)
    print(f"all: >= 1 MB {error[error[:, 1] == 1, 0].mean():.1%}, below {error[error[:, 1] == 0, 0].mean():.1%}")
    if options.write:
        values = {**generic_constants(fitted), "calibrated": False, "hierarchical": True}
        source = "assumed: medians of the constants fitted for nvlink3, nvlink4 and nvlink5"
        write_text(
            FOLDER / "generic.yaml",
            yaml_text(STRANGER.model_copy(update=values), source, ["A link of unknown technology."]),
        )


def efa(options: argparse.Namespace) -> None:
    """Fit the network between nodes in its two states."""
    rows = read(options.data / "llm_nanotron_h100.csv")
    for technology, slow in (("efa", False), ("efa-slow", True)):
        constants = fit_efa(technology, Probe(rows, slow), tree=not slow)
        state = f"the {'slow' if slow else 'fast'} state of its network: nccl_*_gbps"
        notes = [
            "Nodes of 8 H100 with 400 GB/s of network; the technology (EFA) is inferred, the file does not name it.",
            "Fitted on the 1 GiB probe of nanotron's start, 16 to 512 GPUs; the hop is that of long messages.",
            "LL, its limit and the base latencies: assumed.",
        ]
        if slow:
            notes.append("The same cluster in another state: a network hop takes milliseconds, for a reason not known.")
        if options.write:
            text = yaml_text(constants, f"calibrated on llm_nanotron_h100.csv ({state})", notes)
            write_text(FOLDER / f"{technology}.yaml", text)


def main() -> None:
    """Fit, report, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "reference")
    parser.add_argument("--leave-out", type=int, default=0, help="group size kept from the NVLink fit")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--only", choices=("nvlink", "efa"), help="fit only these")
    options = parser.parse_args()
    if options.only != "efa":
        nvlink(options)
    if options.only != "nvlink":
        efa(options)


if __name__ == "__main__":
    main()
