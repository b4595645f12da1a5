"""Link technologies and device generations without constants: every engine that then uses generic ones says so."""

from __future__ import annotations

import pytest

import slipstick
from slipstick.cluster.constants.generic_constants import constants_findings
from slipstick.core.catalogue import systems
from slipstick.engines.question import find_system
from slipstick.report.report import Report

CHECK = "constants_are_known"
OURS = {"name": "ours", "base": "dgx-h100", "generation": "hoper", "network": {"infiniband": {"technology": "pigeon"}}}
GENERATION, LINK = "system.generation", "system.network.infiniband.technology"


def paths(report: Report) -> list[str]:
    return sorted(finding.path for finding in report.warnings if finding.check == CHECK)


@pytest.mark.parametrize("name", systems.names())
def test_systems_of_the_catalogue_have_no_finding(name: str) -> None:
    assert constants_findings(systems.entry(name)) == ()


def test_a_finding_names_what_is_unknown_and_all_that_is_known() -> None:
    link, generation = constants_findings(find_system(OURS))
    assert (link.path, generation.path) == (LINK, GENERATION)
    assert link.message.startswith("generic constants are used for link technology 'pigeon'; known: efa,")
    assert generation.message == (
        "generic constants are used for device generation 'hoper'; known: ada, ampere, blackwell, generic, hopper"
    )


def test_a_member_of_a_family_of_links_has_the_constants_of_the_family() -> None:
    for technology, known in (
        ("infiniband-ndr", True),
        ("infiniband", True),
        ("infinibandndr", False),
        ("x-ndr", False),
    ):
        data = {"name": "ours", "base": "dgx-h100", "network": {"infiniband": {"technology": technology}}}
        assert (constants_findings(find_system(data)) == ()) is known


def test_a_single_device_has_no_finding_on_links() -> None:
    assert [finding.path for finding in constants_findings(find_system({**OURS, "devices": 1}))] == [GENERATION]
    assert len(constants_findings(find_system({**OURS, "devices": 2}))) == 2


@pytest.mark.parametrize(
    ("workload", "phase"),
    [("llama-3.1-8b", "train"), ("llama-3.1-8b", "prefill"), ("llama-3.1-8b", "decode"), ("resnet-50", "train"),
     ("resnet-50", "infer")],
)  # fmt: skip
def test_every_closed_form_says_which_constants_are_generic(workload: str, phase: str) -> None:
    system = find_system(OURS)
    assert paths(slipstick.estimate(workload, system, phase=phase)) == [GENERATION, LINK]
    assert paths(slipstick.estimate(workload, "dgx-h100", phase=phase)) == []


def test_times_on_a_fabric_need_no_constants_of_links() -> None:
    system = {"name": "ours", "base": "dgx1-v100", "generation": "volto", "devices": 2}
    (nvlink, *_) = find_system("dgx1-v100").network
    system["network"] = {nvlink: {"technology": "pigeon"}}
    asked = find_system(system)
    assert paths(slipstick.place("resnet-18", asked, phase="infer", batch=8, time_limit=20.0)) == [GENERATION]
    assert paths(slipstick.place("resnet-18", "dgx1-v100:2", phase="infer", batch=8, time_limit=20.0)) == []


def test_a_simulated_step_says_which_constants_are_generic() -> None:
    system = {"name": "ours", "base": "wafer-mesh", "generation": "wafr"}
    plan = "tp=1,pp=1,dp=20,microbatch=1,gradients=bf16,zero=2"
    assert paths(slipstick.simulate("resnet-50", find_system(system), plan)) == [GENERATION]
    assert paths(slipstick.simulate("resnet-50", "wafer-mesh", plan)) == []
