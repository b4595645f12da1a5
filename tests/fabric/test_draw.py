"""Pictures of fabrics: what they show is what was simulated."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError
from slipstick.core.topology import Topology
from slipstick.fabric import builders
from slipstick.fabric.collectives import hierarchical
from slipstick.fabric.fabric_pictures import _load_svg, load_page, load_windows
from slipstick.fabric.flows import run
from slipstick.fabric.tasks import lower
from slipstick.fabric.topology_file import resolve_topology, topologies

MESH = resolve_topology("wafer-mesh")
RUN = run(lower(hierarchical.all_reduce(4, 5, 2, both_orders=True), MESH, 1e9), MESH)


@pytest.mark.parametrize("name", topologies.names())
def test_every_topology_of_the_catalogue_can_be_drawn(name: str) -> None:
    topology = resolve_topology(name)
    root = ET.fromstring(_load_svg(topology))  # noqa: S314
    assert sum("link" in (element.get("class") or "") for element in root.iter()) == topology.links
    assert sum(element.get("class") in ("npu", "io") for element in root.iter()) == len(
        topology.nodes
    ) - topology.kinds.count("switch")


def test_windows_hold_every_byte_once() -> None:
    for count in (1, 3, 10):
        shown = load_windows(RUN, MESH, count)
        assert sum(window.seconds for window in shown) == pytest.approx(RUN.time)
        np.testing.assert_allclose(sum(window.carried for window in shown), RUN.bytes_on(MESH), rtol=1e-9)


def test_loads_are_those_of_the_run_and_at_most_full() -> None:
    text = _load_svg(MESH, load_windows(RUN, MESH, 1), "one")
    loads = [float(found) for found in re.findall(r"([\d.]+) % loaded", text)]
    assert len(loads) == MESH.links
    assert max(loads) <= 100
    busiest = RUN.busy.max() / RUN.time
    assert f"{100 * busiest:.0f} %" in re.search(r"busiest: [^<]+", text)[0]


def test_several_windows_move_and_stop_for_those_who_want_no_motion() -> None:
    text = _load_svg(MESH, load_windows(RUN, MESH, 4), "moving")
    assert text.count('class="window"') == 4
    assert "prefers-reduced-motion" in text
    page = load_page(MESH, load_windows(RUN, MESH, 4), "moving")
    assert page.count("<svg") == 4
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page


def test_names_are_escaped_and_a_graph_without_places_is_drawn() -> None:
    graph = Topology.of("<b>", {"<a>": "npu", "b": "npu"}, [("<a>", "b", 1e9, 0.0), ("b", "<a>", 1e9, 0.0)])
    text = _load_svg(graph)
    assert "<a>" not in text.replace("&lt;a&gt;", "")
    ET.fromstring(text)  # noqa: S314


def test_too_many_links_to_see_are_refused() -> None:
    with pytest.raises(SlipstickError, match="too many links"):
        _load_svg(builders.fully_connected(200, 1e9, 0.0))
