"""The answers to stored questions stay as they are, while the code that gives them moves."""

from __future__ import annotations

from pathlib import Path

import pytest

from answers.store import (
    HERE,
    TOLERANCE,
    Folders,
    Question,
    Session,
    differences,
    load_questions,
    make_inputs,
    read_answer,
)
from commands import ROOT
from shared_data import SHARED

QUESTIONS = load_questions()
ASKED = [name for name, question in QUESTIONS.items() if question.portable]
STORED = HERE / "answers"


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """Inputs and files of this run in folders of their own."""
    folder = tmp_path_factory.mktemp("answers")
    make_inputs(folder / "cache", None)
    (folder / "scratch").mkdir()
    return Session(QUESTIONS, Folders(folder / "cache", SHARED, folder / "scratch"))


@pytest.mark.parametrize("name", ASKED)
def test_the_answer_is_the_stored_one(session: Session, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "120")
    stored, now = read_answer(STORED, name), session.answer(name)
    if QUESTIONS[name].group == "refusals":  # the words may improve
        assert (now["exit"], now["printed"]) == (stored["exit"], stored["printed"])
        assert now["message"].startswith("slipstick: ")
    else:
        by_group = differences(QUESTIONS[name], stored, now, TOLERANCE)
        assert by_group.get("figures", []) == []


def test_every_question_has_an_answer_and_every_answer_a_question() -> None:
    assert {path.name.removesuffix(".json.gz") for path in STORED.iterdir()} == set(QUESTIONS)


def test_only_refusals_were_refused() -> None:
    refused = {name for name in QUESTIONS if read_answer(STORED, name)["exit"]}
    assert refused == {name for name, question in QUESTIONS.items() if question.group == "refusals"}


def test_differences_are_told_apart() -> None:
    question = Question("any", "estimate", volatile=("metrics.seconds",), explained=(("metrics.moved.*", "why"),))
    old = {"exit": 0, "answer": {"inputs": {"a": 1}, "metrics": {"time": 1.0, "seconds": 3, "moved": {"to": 1}}}}
    new = {
        "exit": 0,
        "answer": {"inputs": {"b": 1}, "metrics": {"time": 1.0 + 1e-15, "seconds": 4, "moved": {"to": 2}}},
    }
    by_group = differences(question, old, new)
    assert by_group["figures"] == ["metrics.time: 1.0 -> 1.000000000000001"]
    assert len(by_group["inputs"]) == 2
    assert by_group["explained"] == ["metrics.moved.to: 1 -> 2 (why)"]
    assert "figures" not in differences(question, old, new, TOLERANCE)


def test_lists_of_other_lengths_and_truths_for_numbers_differ() -> None:
    question = Question("any", "list systems")
    assert differences(question, {"rows": [1, 2]}, {"rows": [1]}) == {"figures": ["rows.length: 2 -> 1"]}
    assert differences(question, {"rows": [1]}, {"rows": [True]}, TOLERANCE) == {"figures": ["rows.0: 1 -> true"]}


def test_inputs_are_made_alike_every_time(tmp_path: Path) -> None:
    contents = []
    for name in ("one", "two"):
        make_inputs(tmp_path / name, None)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        contents.append([(path.relative_to(tmp_path / name), path.read_bytes()) for path in files])
    assert contents[0] == contents[1]
    assert len(contents[0]) > 100
