"""Constants of the step model: each has its reason, and none knows a row or a model."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from slipstick.cluster.constants.step import StepConstants, load_step_constants
from slipstick.core.files import parse_yaml
from slipstick.report.published import read_csv

FOLDER = resources.files("slipstick.data") / "steps"
GENERATIONS = sorted(file.name.removesuffix(".yaml") for file in FOLDER.iterdir() if file.name.endswith(".yaml"))
KINDS = ("calibrated on", "by hand", "assumed", "vendor data sheet", "Dao 2307.08691")


@pytest.mark.parametrize("generation", GENERATIONS)
def test_every_step_constant_has_its_reason(generation: str) -> None:
    constants = load_step_constants(generation)
    named = set(StepConstants.model_fields) - {"generation", "calibrated", "reasons"}
    assert set(constants.reasons) == named
    assert all(reason.startswith(KINDS) for reason in constants.reasons.values())


@pytest.mark.parametrize("generation", GENERATIONS)
def test_every_step_constant_stands_in_its_file(generation: str) -> None:
    file = FOLDER / f"{generation}.yaml"
    assert set(parse_yaml(file.read_text("utf-8"), where=file.name)) == set(StepConstants.model_fields)


def test_an_unknown_generation_gets_the_generic_constants_marked_as_such() -> None:
    assert not load_step_constants("abacus").calibrated


def entries() -> list[dict[str, object]]:
    file = resources.files("slipstick.data") / "validation" / "software.yaml"
    found: list[dict[str, object]] = parse_yaml(file.read_text("utf-8"), where=file.name)["entries"]
    return found


def test_facts_of_a_source_are_fields_of_a_plan_and_say_why() -> None:
    for entry in entries():
        assert set(entry) <= {"match", "plan", "system", "why"}
        assert entry["why"]


def test_no_fact_is_of_a_row_or_of_a_model(reference: Path) -> None:
    _, rows = read_csv(reference / "llm_validation.csv")
    words = {str(entry["match"]).lower() for entry in entries()}
    for row in rows:
        assert row["case_id"].lower() not in words
        assert row["model"].lower() not in words
