"""A net under refactoring: the whole answers to the questions of questions.yaml, stored and compared to the last digit.

``python tests/answers/store.py store [FOLDER]`` asks all questions and writes their answers, ``check [FOLDER]`` asks
them again and says which values differ: figures (exit code 1), the serialised inputs, refusals. It uses nothing of
slipstick but its command line, ``slipstick.cli:main``, so that it holds while modules move. Run it from the root of a
checkout, whose examples it reads; PYTHONPATH=src makes it ask that checkout's code.

A difference that is meant is named in the CHANGELOG. Then either its answer is stored anew (``--only NAME``), or it is
entered under ``explained`` in questions.yaml, which keeps the old answer to compare with.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import gzip
import hashlib
import io
import json
import math
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["COLUMNS"] = "120"

import yaml

sys.path.insert(0, str(Path(__file__).parent))  # the folder may be copied, and stands outside any package

from stored_inputs import make_inputs

HERE = Path(__file__).parent

INPUT_KEYS = ("inputs", "input_hash", "slipstick", "schema")  # of a report: what was asked, not what was answered
GROUPS = ("figures", "inputs", "refusals", "explained")
HASHED = (".tflite", ".onnx", ".packed", ".yaml", ".svg")  # files that hold no time of day and no duration
SHOWN = 20  # differences that are printed for a question
MISSING = "(absent)"
TOLERANCE = 1e-12  # relative: what exp, log and sums of another processor may change in the last digits


@dataclass(frozen=True)
class Question:
    """One command line, and what its answer depends on."""

    name: str
    ask: str
    after: tuple[str, ...] = ()
    shared: bool = False
    torch: bool = False
    local: bool = False
    slow: bool = False
    text: bool = False
    group: str = "figures"
    volatile: tuple[str, ...] = ()
    explained: tuple[tuple[str, str], ...] = ()  # patterns of paths with the reason why they differ

    @property
    def portable(self) -> bool:
        """Whether a test can ask it anywhere, and quickly."""
        return not (self.shared or self.torch or self.local or self.slow)


@dataclass(frozen=True)
class Folders:
    """What the names in braces stand for: inputs made once, shared data, files of this run."""

    cache: Path
    shared: Path
    scratch: Path

    def fill(self, word: str) -> str:
        """Replace the names in braces by paths."""
        for name, path in self._named():
            word = word.replace(f"{{{name}}}", str(path))
        return word

    def hide(self, value: Any) -> Any:
        """Replace the paths in an answer by the names in braces."""
        if isinstance(value, dict):
            return {key: self.hide(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.hide(item) for item in value]
        if isinstance(value, str):
            for name, path in self._named():
                value = value.replace(str(path), f"{{{name}}}")
        return value

    def _named(self) -> list[tuple[str, Path]]:
        return [("scratch", self.scratch), ("cache", self.cache), ("shared", self.shared)]


@dataclass
class Session:
    """The answers of one run, each question asked at most once."""

    questions: dict[str, Question]
    folders: Folders
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)

    def answer(self, name: str) -> dict[str, Any]:
        """Ask a question after those whose files it reads; return its exit code and its JSON, text or message."""
        if name not in self.answers:
            question = self.questions[name]
            for earlier in question.after:
                self.answer(earlier)
            self.answers[name] = self._ask(question)
        return self.answers[name]

    def _ask(self, question: Question) -> dict[str, Any]:
        words = [self.folders.fill(word) for word in shlex.split(question.ask)]
        as_json = not question.text and question.group != "refusals"
        code, out, err = command([*words, "--json"] if as_json else words)
        if question.group == "refusals":
            return {"exit": code, "printed": self.folders.hide(out), "message": self.folders.hide(err)}
        if code:
            return {"exit": code, "message": self.folders.hide(err)}
        if not as_json:
            return {"exit": code, "text": self.folders.hide(out).splitlines()}
        (self.folders.scratch / f"{question.name}.json").write_text(out, "utf-8")
        written = [Path(word) for word in words if word.startswith(str(self.folders.scratch))]
        hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in written if path.suffix in HASHED}
        return {"exit": code, "answer": self.folders.hide(json.loads(out)), **({"files": hashes} if hashes else {})}


def command(words: list[str]) -> tuple[int, str, str]:
    """Run the command line inside this process: exit code, standard output, standard error."""
    from slipstick.cli import main

    out, err = io.StringIO(), io.StringIO()
    code: Any = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(words)
        except SystemExit as stop:
            code = stop.code
    return int(code or 0), out.getvalue(), err.getvalue()


def load_questions(path: Path = HERE / "questions.yaml") -> dict[str, Question]:
    """Read the questions by name; patterns of volatile paths that hold for all are added to each."""
    data = yaml.safe_load(path.read_text("utf-8"))
    common = tuple(data["volatile"])
    questions = {}
    for name, fields in data["questions"].items():
        volatile = common + tuple(fields.pop("volatile", ()))
        after = tuple(fields.pop("after", ()))
        explained = tuple(
            (entry["paths"], entry["reason"])
            for entry in data["explained"]
            if fnmatch.fnmatchcase(name, entry["questions"])
        )
        questions[name] = Question(name=name, after=after, volatile=volatile, explained=explained, **fields)
    return questions


# ---- differences


def differences(question: Question, old: Any, new: Any, tolerance: float = 0.0) -> dict[str, list[str]]:
    """Return what differs by group: one line for each path, with the stored and the new value.

    With a tolerance numbers may differ by it, relatively, and files that were written are not compared.
    """
    by_group: dict[str, list[str]] = {}
    for path, before, after in _walk(old, new, ()):
        dotted = ".".join(path).removeprefix("answer.")
        if any(fnmatch.fnmatchcase(dotted, pattern) for pattern in question.volatile):
            continue
        if tolerance and (path[0] == "files" or _close(before, after, tolerance)):
            continue
        reason = next((why for pattern, why in question.explained if fnmatch.fnmatchcase(dotted, pattern)), None)
        group = _group(question, path) if reason is None else "explained"
        line = f"{dotted}: {_brief(before)} -> {_brief(after)}"
        by_group.setdefault(group, []).append(line if reason is None else f"{line} ({reason})")
    return by_group


def _group(question: Question, path: tuple[str, ...]) -> str:
    is_input = question.group == "figures" and path[0] == "answer" and path[1:2] and path[1] in INPUT_KEYS
    return "inputs" if is_input else question.group


def _walk(old: Any, new: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _walk(old.get(key, MISSING), new.get(key, MISSING), (*path, key))
    elif isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            yield (*path, "length"), len(old), len(new)
        for index, (before, after) in enumerate(zip(old, new, strict=False)):
            yield from _walk(before, after, (*path, str(index)))
    elif old != new or isinstance(old, bool) != isinstance(new, bool):
        yield path, old, new


def _close(old: Any, new: Any, tolerance: float) -> bool:
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (old, new))
    return numbers and math.isclose(old, new, rel_tol=tolerance)


def _brief(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 160 else f"{text[:157]}..."


# ---- files


def read_answer(folder: Path, name: str) -> Any:
    """Read one stored answer; None if there is none."""
    path = folder / f"{name}.json.gz"
    return json.loads(gzip.decompress(path.read_bytes())) if path.exists() else None


def write_answer(folder: Path, name: str, answer: Any) -> None:
    """Write one answer, the same bytes for the same answer."""
    text = json.dumps(answer, sort_keys=True, ensure_ascii=False, indent=None, separators=(",", ":"))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))


# ---- the script


def write_trained(path: Path) -> None:
    """Train the network that the file is named after on digits, for six epochs."""
    words = ["train", path.stem, "--epochs", "6", "--threads", "1", "--precision", "fp32", "--out", str(path)]
    code, _, err = command(words)
    if code:
        raise SystemExit(err)


def main() -> int:
    """Store the answers, or check them."""
    options = _parse()
    questions = load_questions()
    names = [name for name in questions if _wanted(questions[name], options)]
    with tempfile.TemporaryDirectory(prefix="answers-") as scratch:
        folders = Folders(options.cache.resolve(), options.shared.resolve(), Path(scratch))
        os.environ["SLIPSTICK_DATA"] = str(folders.shared)
        make_inputs(folders.cache, None if options.portable else write_trained)
        session = Session(questions, folders)
        print("asked:", _asked())
        if options.verb == "store":
            return _store(session, names, options.folder)
        return _check(session, names, options)


def _asked() -> str:
    """Where the code lies that answers, so that nobody checks another checkout's by mistake."""
    import slipstick

    return str(Path(slipstick.__file__).parent)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("verb", choices=("store", "check"))
    parser.add_argument("folder", nargs="?", type=Path, default=HERE / "answers")
    parser.add_argument(
        "--only", nargs="+", default=[], help="names of questions, their beginnings, or patterns with *"
    )
    parser.add_argument(
        "--portable", action="store_true", help="only what needs no shared data, no torch, and is quick"
    )
    parser.add_argument("--tolerance", type=float, default=0.0, help="relative difference of numbers that is allowed")
    parser.add_argument("--cache", type=Path, default=Path("../answers-cache"), help="folder of inputs made once")
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="folder of shared data")
    parser.add_argument("--all", action="store_true", help="print every difference, not only the first ones")
    return parser.parse_args()


def _wanted(question: Question, options: argparse.Namespace) -> bool:
    if options.portable and not question.portable:
        return False
    patterns = [(text if "*" in text else f"{text}*") for text in options.only]
    return not patterns or any(fnmatch.fnmatchcase(question.name, pattern) for pattern in patterns)


def _store(session: Session, names: list[str], folder: Path) -> int:
    for name in names:
        start = time.perf_counter()
        answer = session.answer(name)
        write_answer(folder, name, answer)
        refused = session.questions[name].group == "refusals"
        odd = "" if bool(answer["exit"]) == refused else f"  EXIT {answer['exit']}: {answer.get('message', '')}"
        print(f"{name}: stored, {time.perf_counter() - start:.1f} s{odd}", flush=True)
    return 0


def _check(session: Session, names: list[str], options: argparse.Namespace) -> int:
    counts = dict.fromkeys(GROUPS, 0)
    for name in names:
        stored = read_answer(options.folder, name)
        if stored is None:
            print(f"{name}: not stored")
            continue
        try:
            by_group = differences(session.questions[name], stored, session.answer(name), options.tolerance)
        except Exception as error:  # a crash while modules move is one more difference
            by_group = {"figures": [f"{type(error).__name__}: {error}"]}
        print(f"{name}: {_summary(by_group)}", flush=True)
        for group, lines in by_group.items():
            counts[group] += 1
            limit = len(lines) if options.all else SHOWN
            print(*(f"    {group}: {line}" for line in lines[:limit]), sep="\n")
            if len(lines) > limit:
                print(f"    {group}: and {len(lines) - limit} more")
    print(f"{len(names)} questions; with differences in", ", ".join(f"{key} {n}" for key, n in counts.items()))
    return 1 if counts["figures"] else 0


def _summary(by_group: dict[str, list[str]]) -> str:
    return ", ".join(f"{len(lines)} {group} differ" for group, lines in by_group.items()) or "equal"


if __name__ == "__main__":
    sys.exit(main())
