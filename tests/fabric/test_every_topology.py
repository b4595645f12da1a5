"""Every topology of the catalogue, and one of every family, pass the shipped suite."""

from __future__ import annotations

import re
from typing import Any

import pytest

from slipstick.core.errors import SlipstickError
from slipstick.fabric.topology_file import resolve_topology, topologies
from slipstick.testing import TopologySuite

SHAPES: dict[str, dict[str, Any]] = {
    "graph": {
        "nodes": {"a": "npu", "b": "npu", "s": "switch"},
        "links": [{"between": ["a", "s"], "bandwidth": 1e9}, {"between": ["s", "b"], "bandwidth": 2e9}],
    },
    "ring": {"shape": [5]},
    "fully_connected": {"shape": [4]},
    "mesh": {"shape": [3, 4]},
    "torus": {"shape": [4, 3, 3]},
    "hypercube": {"shape": [3]},
    "switch": {"shape": [6], "reduces": True},
    "tree": {"shape": [3, 4], "uplink": "2 GB/s"},
    "fat_tree": {"shape": [4]},
    "dragonfly": {"shape": [3, 4, 2]},
    "cube_mesh": {},
    "wafer_mesh": {"shape": [3, 4], "io_bandwidth": "1 GB/s"},
    "fred": {"shape": [4, 2], "uplink": "2 GB/s", "io": [1, 1], "io_bandwidth": "1 GB/s"},
}
FAMILIES = [
    {"name": family, "family": family, **({} if family == "graph" else {"bandwidth": "1 GB/s", "latency": "20 ns"})}
    | sizes
    for family, sizes in SHAPES.items()
]


class TestCatalogue(TopologySuite):
    topologies = tuple(topologies.names())


class TestFamilies(TopologySuite):
    topologies = tuple(FAMILIES)


def test_no_family_is_left_out() -> None:
    with pytest.raises(SlipstickError) as caught:
        resolve_topology({"name": "x", "family": "no such"})
    listed = re.search(r"one of (.*)", str(caught.value))
    assert listed is not None
    assert set(listed[1].split(", ")) == SHAPES.keys()
