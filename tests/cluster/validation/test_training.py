"""Constants of the step model: each has its reason, and none knows a row or a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from slipstick.cluster.constants.step_constants import _StepConstants, step_constants
from slipstick.cluster.validation.row_software import reference_software
from slipstick.core.catalogue import Entry
from slipstick.report.published import read_csv

CONSTANTS = set(_StepConstants.model_fields) - set(Entry.model_fields) - {"calibrated", "largest_run"}
KINDS = ("calibrated on", "by hand", "assumed", "vendor data sheet", "Dao 2307.08691")


@pytest.mark.parametrize("generation", step_constants.names())
def test_every_step_constant_has_its_reason(generation: str) -> None:
    constants = _StepConstants.of_generation(generation)
    assert set(constants.sources) - {"largest_run"} == CONSTANTS
    assert all(constants.sources[name].startswith(KINDS) for name in CONSTANTS)
    assert constants.sources.get("largest_run", "counted").startswith("counted")


@pytest.mark.parametrize("generation", step_constants.names())
def test_every_step_constant_stands_in_its_file(generation: str) -> None:
    assert step_constants.entry(generation).model_fields_set >= CONSTANTS


def test_an_unknown_generation_gets_the_generic_constants_marked_as_such() -> None:
    assert not _StepConstants.of_generation("abacus").calibrated


def test_facts_of_a_source_are_fields_of_a_plan_and_say_why() -> None:
    for _, entry in reference_software.items():
        assert entry.plan or entry.unlike
        assert entry.source


def test_no_fact_is_of_a_row_or_of_a_model(reference: Path) -> None:
    _, rows = read_csv(reference / "llm_validation.csv")
    words = {name.lower() for name in reference_software.names()}
    for row in rows:
        assert row["case_id"].lower() not in words
        assert row["model"].lower() not in words
