"""Suite of SWIS and its peers: SCALE-Sim cycles, packed bytes and ZigZag's layer, compared with closed forms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, get_args

from slipstick.array.convolution import _Convolution
from slipstick.array.dram_traffic import _dram_traffic
from slipstick.array.estimate import _array_run
from slipstick.array.format_steps import BITS
from slipstick.array.matrix_products import Product
from slipstick.array.systolic import _ArrayPass, _systolic_pass
from slipstick.core.catalogue import resolve_system
from slipstick.core.device_kinds import Dataflow
from slipstick.core.plan import Plan
from slipstick.core.workload import Phase, Workload
from slipstick.formats.swis import Swis
from slipstick.networks.graphs import ResNet
from slipstick.report.published import PaperSuite, Row, RowDict, number, register_suite
from slipstick.report.row_texts import require_unit

_LAYER = re.compile(r"(\d+)x\1x(\d+) (\d)x\3 (\d+)(?: stride (\d))? valid")  # square images and kernels
_TPU_LIKE = re.compile(r"tpu_like(?: \((\d+)x(\d+)\))?")
_GROUP = re.compile(r"SWIS(-C)? N=(\d)(?:, (8 bit positions|combination index))?")
_ARRAY = re.compile(r"(\d+) rows x (\d+) columns, (\w\w)")
# ResNet-18's conv2_1a, the image padded by hand (theory of issue 3, section 4.2)
_CONV2 = _Convolution(name="conv2_1a", height=58, width=58, channels=64, kernel=3, filters=64)
# words of conv2_1a, from its sizes above
_INPUTS, _WEIGHTS, _OUTPUTS = 58 * 58 * 64, 576.0 * 64, _CONV2.pixels * 64
_MEMORY = 2.0**16  # bytes an operand in SCALE-Sim's run: 64 kB
_TPU_SIDE = 32  # of ZigZag's tpu_like, where its rows name no other
_ZIGZAG_LAYER = "ResNet-18 conv2_1a 56x56 pad 1, 8 bit"
_SCALESIM_LAYER = ("ResNet-18 conv2_1a", "8x8 output stationary")
_MODELLED_MEMORY = "64 kB"  # in the source of the rows whose DRAM traffic is compared
_ZIGZAG_WHY = (
    "the array's own cycles, without waiting for memories; ZigZag's loops are of its own search, and its cycles hold "
    "the filling of memories and waits at their ports"
)


_TABLES = frozenset(("scalesim3", "zigzag", "ptq_mobilenetv2", "decomposition_speed", "talk"))


def _recognises(row: RowDict) -> bool:
    """Return whether a row is of this suite, by table and source; another file's table `storage` is about pools."""
    named = f"{row['config']} {row['source']}"
    return row["table"] in _TABLES or (
        row["table"] in ("paper", "storage") and ("SWIS" in named or "2103.01308" in named)
    )


def _row(row: RowDict, case: str) -> Row | str:
    """Return our figure beside a row's, in its unit, or the reason why there is none."""
    answer = _answer(row)
    if isinstance(answer, str):
        return answer
    ours, kind, note = answer
    require_unit(row, *_UNITS[kind])
    source = f"{row['table']}: {row['seen_or_memory']}"
    return Row(case, kind, number(row, "value", case=case), ours, row["unit"], source, note)


_UNITS = {
    "cycles": ("cycles",), "utilisation": ("%",), "words": ("words",), "DRAM words": ("words",),
    "bits": ("bit", "bits"), "compression": ("x",),
}  # fmt: skip
_Answer = tuple[float, str, str]  # ours, kind, note


def _answer(row: RowDict) -> _Answer | str:
    if row["table"] == "scalesim3":
        return _scalesim(row)
    if row["table"] == "zigzag":
        return _zigzag(row)
    if row["table"] == "storage":
        return _storage(row)
    if row["metric"].startswith("top-1"):
        return "accuracy: slipstick adapt"
    reasons: Mapping[str, str] = {
        "paper": "up to, of networks and shifts that the abstract does not name: examples/12_swis_array.py prints ours",
        "ptq_mobilenetv2": "noise of weights: slipstick adapt",
        "decomposition_speed": "a speed of this project's own draft: benchmarks/decompose_rate.py",
    }
    return reasons.get(row["table"].replace("talk", "paper"), "not answered by the model of arrays")


def _scalesim(row: RowDict) -> _Answer | str:
    if row["metric"] in ("run time", "peak memory"):
        return "of the simulator itself: benchmarks/array_rate.py"
    passed = _pass(row)
    if passed is None:
        return "a layer or an array of another description"
    known = {
        "compute cycles": (float(passed.cycles), "cycles", ""),
        "utilisation": (100 * float(passed.utilisation), "utilisation", ""),
        "SRAM ifmap reads": (float(passed.inputs), "words", ""),
        "SRAM filter reads": (float(passed.weights), "words", ""),
        "SRAM ofmap writes": (
            float(passed.outputs), "words",
            "SCALE-Sim counts 80 words for a fold of 64 outputs, we count 64: every finished sum leaves once",
        ),
    }  # fmt: skip
    return known.get(row["metric"]) or _dram_words(row)


def _dram_words(row: RowDict) -> _Answer | str:
    """Return our DRAM traffic of conv2_1a, in words of a byte, with the memories of SCALE-Sim's run."""
    moved = _dram_traffic(
        Product("conv2_1a", "conv", _CONV2.pixels, _CONV2.reduction, _CONV2.filters, _INPUTS, _OUTPUTS, taps=3 * 3),
        _WEIGHTS, _MEMORY, _MEMORY, 8, 8,
    )  # fmt: skip
    why = (
        f"ours takes the order that moves least ({moved.order}); SCALE-Sim fetches what its folds ask for as they come"
    )
    known = {"DRAM ifmap reads": moved.inputs, "DRAM filter reads": moved.weights, "DRAM ofmap writes": moved.outputs}
    if row["metric"] not in known:
        return "stalls for the DRAM, which depend on the simulator's prefetching"
    if (row["model"], row["config"]) != _SCALESIM_LAYER or _MODELLED_MEMORY not in row["source"]:
        return "DRAM traffic of a layer, an array or memories of another description"
    return known[row["metric"]], "DRAM words", why


def _pass(row: RowDict) -> _ArrayPass | None:
    """Return our closed form of a row's layer on its array; None if they are not described in the usual way."""
    layer, array = _LAYER.fullmatch(row["model"]), _ARRAY.fullmatch(row["config"])
    if (row["model"], row["config"]) == _SCALESIM_LAYER:
        return _systolic_pass(_CONV2.pixels, _CONV2.reduction, _CONV2.filters, 8, 8, "os")
    if layer is None or array is None or array[3] not in get_args(Dataflow):
        return None
    side, channels, kernel, filters, stride = (int(text or 1) for text in layer.groups())
    side += -(side - kernel) % stride  # SCALE-Sim rounds the output's side up, as if the input had the missing lines
    shape = _Convolution(height=side, width=side, channels=channels, kernel=kernel, filters=filters, stride=stride)
    dataflow: Dataflow = array[3]  # type: ignore[assignment]
    return _systolic_pass(shape.pixels, shape.reduction, shape.filters, int(array[1]), int(array[2]), dataflow)


def _storage(row: RowDict) -> _Answer | str:
    size, layout = re.fullmatch(r"M=(\d+)", row["model"]), _GROUP.fullmatch(row["config"])
    if size is None or layout is None:
        return "not a group of weights"
    coding: Literal["rank", "positions"] = "rank" if layout[3] == "combination index" else "positions"
    shifts, group = int(layout[2]), int(size[1])
    encoding = Swis(shifts, group, consecutive=bool(layout[1]), bits=BITS, layout=coding)
    bits = encoding.record_bits(shifts)
    known = {
        "bits per group": (float(bits), "bits", ""), "compression vs 8 bit": (BITS * group / bits, "compression", ""),
    }  # fmt: skip
    return known.get(row["metric"], "another property of a group of weights than its size")


def _zigzag(row: RowDict) -> _Answer | str:
    if row["metric"] == "energy":
        return "of ZigZag's own parts table, which is not here; ours is data/array/energy.yaml"
    if row["metric"] != "latency":
        return "of the simulator itself: benchmarks/array_rate.py"
    array = _TPU_LIKE.fullmatch(row["config"])
    if array is None:
        return f"ZigZag's {row['config']}: another array than its tpu_like, which alone is described here"
    rows, columns = (int(side or _TPU_SIDE) for side in array.groups())
    if row["model"] == _ZIGZAG_LAYER:
        passed = _systolic_pass(_CONV2.pixels, _CONV2.reduction, _CONV2.filters, rows, columns, "ws")
        return float(passed.cycles), "cycles", _ZIGZAG_WHY
    if row["model"] != "ResNet-18 whole":
        return "a network or a layer of another description"
    net = ResNet(name="resnet-18", block="basic", blocks=(2, 2, 2, 2))
    tpu = resolve_system(_tpu_like(rows, columns))
    costed = _array_run(Workload(network=net, phase=Phase.INFER, sequence=1), tpu, Plan())
    return float(sum(layer.cycles for layer in costed.layers)), "cycles", _ZIGZAG_WHY


def _tpu_like(rows: int, columns: int) -> dict[str, object]:
    """Return ZigZag's tpu_like as a system; where its weights stay is our reading."""
    device = {"rows": rows, "columns": columns, "dataflow": "ws", "element": "parallel", "group": 1}
    return {"base": "int8-8x8", "name": "tpu-like", "device": device}


SUITE = register_suite(
    PaperSuite(
        name="swis",
        columns=frozenset(("table", "model", "config", "metric", "value", "unit", "source", "seen_or_memory")),
        about="arrays: cycles of SCALE-Sim and ZigZag, bytes of packed weights",
        recognise=_recognises,
        case=lambda row: f"{row['table']} {row['model']}, {row['config']}: {row['metric']}", answer=_row,
    )
)  # fmt: skip
