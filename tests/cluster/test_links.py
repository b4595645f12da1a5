"""Link constants: every file loads and is physical; unknown names fall back to generic."""

from __future__ import annotations

from pathlib import Path

import pytest

from slipstick.cluster.constants.links import _LinkConstants, link_constants
from slipstick.core.catalogue import Catalogue
from slipstick.core.errors import SpecErrors


@pytest.mark.parametrize("technology", link_constants.names())
def test_constants_are_physical(technology: str) -> None:
    constants = _LinkConstants.of_technology(technology)
    assert constants.source
    assert constants.technology == technology
    for family in ("gather", "reduce", "exchange", "tree"):
        protocols = getattr(constants, family)
        assert protocols or family == "tree"
        for protocol in protocols:
            assert 0 < protocol.efficiency <= 1
            assert min(protocol.base, protocol.hop, protocol.own) >= 0
            assert protocol.limit > 0
        assert [p.efficiency for p in protocols] == sorted(p.efficiency for p in protocols)
        if protocols:
            assert protocols[-1].limit == float("inf")


def test_unknown_names_are_generic_and_say_so() -> None:
    generic = _LinkConstants.of_technology("generic")
    for name in ("carrier-pigeon", "../links", "", "nvlink4/../nvlink4"):
        constants = _LinkConstants.of_technology(name)
        assert constants.gather == generic.gather
        assert not constants.calibrated


def test_a_member_of_a_family_takes_its_constants() -> None:
    assert _LinkConstants.of_technology("infiniband-ndr").gather == _LinkConstants.of_technology("infiniband").gather
    assert _LinkConstants.of_technology("nvlink5").calibrated
    assert not _LinkConstants.of_technology("infiniband-hdr").calibrated


def test_a_broken_file_names_all_its_errors(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("calibrated: true\nsource: none\ngather: 3\n")
    with pytest.raises(SpecErrors) as caught:
        Catalogue(_LinkConstants, tmp_path).resolve("broken")
    assert {"gather", "reduce", "exchange", "hierarchical", "congestion"} <= {e.path for e in caught.value.errors}
