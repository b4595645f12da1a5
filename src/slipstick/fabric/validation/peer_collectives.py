"""The `fabric_collectives_peers` format: times of collectives from other simulators, replayed message by message."""

from __future__ import annotations

from slipstick.core.errors import SlipstickError
from slipstick.core.topology import Topology
from slipstick.fabric import builders
from slipstick.fabric.collectives import hierarchical
from slipstick.fabric.collectives.by_name import ALGORITHMS, collective_schedule
from slipstick.fabric.collectives.synthesized import synthesized_schedule
from slipstick.fabric.flows import Mode, run
from slipstick.fabric.messages import CollectiveSchedule
from slipstick.fabric.tasks import Endpoint, lower
from slipstick.report.published import Row, RowDict, Suite, Validation, number, register_suite

_GIB = 2.0**30  # bytes that the peer calls a gigabyte
# the peer's settings in these runs: 10 ns at each endpoint, a local memory of 100 000 GB/s
_ENDPOINT = Endpoint(delay=10e-9, memory_bandwidth=1e14)
_MAX_MESSAGES = 2**20  # of a row
_IGNORES = "the peer's backend for several dimensions ignores congestion"

_BACKENDS = ("aware", "unaware", "synthesizer")
_SYNTHESISED = ("all_gather", "synthesized")
_PER_DIMENSION = ("bw_GiBps_per_dim", "latency_ns_per_dim")
_ALGORITHMS = {"ring": "ring", "direct": "direct", "halvingDoubling": "halving_doubling"}


class _FabricSuite(Suite):
    """Suite of collectives on rings, fully connected graphs, switches, meshes and tori."""

    name = "fabric"
    columns = frozenset(
        ("tool", "backend", "topology", "dims", "bw_GiBps_per_dim", "latency_ns_per_dim", "collective", "bytes",
         "algorithm", "splits_or_chunks_per_npu", "time_ns")
    )  # fmt: skip
    about = "collectives on fabrics, as other simulators time them"

    def replay(self, rows: list[RowDict]) -> Validation:
        """Return the validation of all rows, each simulated; rows that cannot be compared are named."""
        answered: list[Row] = []
        skipped: list[tuple[str, str]] = []
        for place, row in enumerate(rows, 1):
            case = f"{row['topology']}-{row['dims']}-{row['collective']}-{row['bytes']}-{row['algorithm']}-{place}"
            try:
                published = number(row, "time_ns", case=case) * 1e-9
                ours, note = _answer(row)
            except SlipstickError as error:
                skipped.append((case, str(error)))
                continue
            source = f"{row['tool']}: {row['topology']} {row['backend']}"
            answered.append(Row(case, row["collective"], published, ours, "s", source, note))
        return Validation(self.name, tuple(answered), tuple(skipped), total=len(rows))


def _answer(row: RowDict) -> tuple[float, str]:
    """Return our simulated time [s] of a row, and a note on the comparison."""
    size, splits = number(row, "bytes"), _whole(row["splits_or_chunks_per_npu"], "splits_or_chunks_per_npu")
    if row["backend"] not in _BACKENDS:
        raise SlipstickError(
            "not a backend whose times are known", path="backend", value=row["backend"], allowed=_BACKENDS
        )
    if row["backend"] == "synthesizer":
        if (row["collective"], row["algorithm"]) != _SYNTHESISED or row["topology"] not in ("mesh", "torus"):
            raise SlipstickError(
                "synthesised here: an all_gather on a mesh or torus", path="topology", value=row["topology"]
            )
        grid = _grid(row, wrap=row["topology"] == "torus")
        return _time(synthesized_schedule("all_gather", grid, size, splits), grid, size, Endpoint(), "flows"), ""
    if row["backend"] == "unaware":
        if row["topology"] != "RingxRing":
            raise SlipstickError("in the peer's dimensions of switches every pair has a link of its own")
        if (row["collective"], row["algorithm"]) != ("all_reduce", "ring|ring"):
            raise SlipstickError("another collective than rings of rings", path="algorithm", value=row["algorithm"])
        grid = _grid(row, wrap=True, turned=True)
        schedule = hierarchical.all_reduce(grid.shape[1], grid.shape[0], splits)
        return _time(schedule, grid, size, _ENDPOINT, "messages"), _IGNORES
    topology, ranks = _flat(row), _whole(row["dims"], "dims")
    schedule = _schedule(row, ranks)
    if len(schedule) > _MAX_MESSAGES:
        raise SlipstickError("too many messages", path="dims", value=len(schedule), allowed=f"{_MAX_MESSAGES}")
    whole = size * ranks if row["collective"] == "all_gather" else size  # the peer counts what a node has
    # the peer runs its splits one after the other
    return splits * _time(schedule, topology, whole / splits, _ENDPOINT, "messages"), ""


def _time(schedule: CollectiveSchedule, topology: Topology, size: float, endpoint: Endpoint, mode: Mode) -> float:
    return run(lower(schedule, topology, size, endpoint=endpoint), topology, mode).time


def _schedule(row: RowDict, ranks: int) -> CollectiveSchedule:
    algorithm = _ALGORITHMS.get(row["algorithm"], "")
    if row["collective"] not in ALGORITHMS.get(algorithm, {}):
        value = f"{row['collective']} {row['algorithm']}"
        raise SlipstickError("no such algorithm here", path="algorithm", value=value, allowed=list(_ALGORITHMS))
    return collective_schedule(row["collective"], algorithm, ranks)


def _flat(row: RowDict) -> Topology:
    families = {"Ring": builders.ring, "FullyConnected": builders.fully_connected, "Switch": builders.switch}
    if row["topology"] not in families:
        raise SlipstickError("no such topology here", path="topology", value=row["topology"], allowed=list(families))
    speed, delay = _link(row["bw_GiBps_per_dim"], row["latency_ns_per_dim"])
    return families[row["topology"]](_whole(row["dims"], "dims"), speed, delay)


def _whole(text: str, column: str) -> int:
    """Return a whole number above 0."""
    if not text.isdecimal() or not int(text):
        raise SlipstickError("not a whole number above 0", path=column, value=text)
    return int(text)


def _grid(row: RowDict, *, wrap: bool, turned: bool = False) -> Topology:
    """Return a mesh or torus; `turned`: the ranks of the first dimension are the consecutive ones."""
    shape = tuple(_whole(size, "dims") for size in row["dims"].split("x"))
    if len(shape) != 2:
        raise SlipstickError("not two dimensions", path="dims", value=row["dims"])
    speeds, delays = (set(row[name].split("|")) for name in _PER_DIMENSION)
    if len(speeds) > 1 or len(delays) > 1:
        raise SlipstickError("dimensions of different links", path="bw_GiBps_per_dim", value=row["bw_GiBps_per_dim"])
    speed, delay = _link(speeds.pop(), delays.pop())
    return builders.mesh(shape[::-1] if turned else shape, speed, delay, wrap=wrap)


def _link(rate: str, delay: str) -> tuple[float, float]:
    """Return the bandwidth [B/s] and latency [s] of a link of the peer's table."""
    speed = number({"bw_GiBps_per_dim": rate}, "bw_GiBps_per_dim")
    if speed <= 0:
        raise SlipstickError("not a bandwidth", path="bw_GiBps_per_dim", value=rate)
    return speed * _GIB, number({"latency_ns_per_dim": delay}, "latency_ns_per_dim") * 1e-9


_SUITE = register_suite(_FabricSuite())
