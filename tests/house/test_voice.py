"""The voice and the sizes of the code are held in every rebuilt folder; the check itself is tried on bad examples."""

from __future__ import annotations

from pathlib import Path

import pytest

from house import voice

SRC = Path(__file__).resolve().parents[2] / "src" / "slipstick"


@pytest.fixture(scope="module")
def modules() -> list[voice.Module]:
    return voice.read_modules(SRC)


def rules_of(text: str, file: str = "optics/lens.py") -> list[str]:
    return [violation.rule for violation in voice.violations([voice.Module(file, text)])]


def test_rebuilt_folders_break_no_rule(modules):
    broken = [str(violation) for violation in voice.violations(modules) if violation.enforced]
    assert not broken, "\n".join(broken)


def test_rebuilt_folders_exist():
    missing = [path for path in voice.REBUILT if not (SRC / path).exists()]
    assert not missing


def test_public_names_stay_below_the_limit(modules):
    names = voice.count_public_names(modules)
    assert names.total() <= voice.MAX_PUBLIC_NAMES, names


def test_exceptions_are_still_needed(modules):
    """The lists of exceptions only shrink: an entry that nothing needs any more is deleted."""
    text = "\n".join(module.text for module in modules)
    assert [owner for owner, _ in voice.FIELDS_ALLOWED if f"class {owner}" not in text] == []
    public = [name for module in modules for name in module.public_classes_and_functions]
    assert not [name for name in voice.CLASSES_ALLOWED if public.count(name) < 2]


def test_a_shared_name_is_enforced_in_all_folders():
    assert voice.Violation("same-class", "networks/a.py", 1, "", ("datasets/b.py",)).enforced


@pytest.mark.parametrize(
    "doc",
    [
        "Those of a magnitude.",
        "All joules.",
        "Return text.",
        "How long work says how far it is.",
        "Return what it takes from all of them.",
        "What nobody takes is an error, not a silent loss.",
        "Which images a network names rightly.",
    ],
)
def test_riddles_are_refused(doc):
    assert voice.docstring_problem(doc)


@pytest.mark.parametrize(
    "doc",
    [
        "Number of bit positions in a magnitude: the most shifts that a filter can keep.",
        "Progress callback: called with (steps_done, steps_total, label).",
        "Return the layers of a network, first to last.",
        "Whether the weights are stored in groups.",
        "Sum.\n\n    The long form explains it.",
    ],
)
def test_sentences_with_a_subject_pass(doc):
    assert voice.docstring_problem(doc) == ""


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("found = 1", "non-name"),
        ("def f(what): ...", "non-name"),
        ("total = sum(each for each in (1, 2))", "non-name"),
        ("wanted = 1", "non-name"),
        ("def f(chosen): ...", "non-name"),
        ("class Lens:\n    beside: int", "non-name"),
        ("for given, shown in (): ...", "non-name"),
        ("def f(looked): ...", "non-name"),
        ("hold = 1", "non-name"),
        ("def f(a, b, c, d, e, f, g, h, i): ...", "parameters"),
        ("def f():\n" + "    pass\n" * 60, "function-size"),
        ("x = 1\n" * 401, "module-size"),
        ("def f(x): return hasattr(x, 'y')", "hasattr"),
        ("FloatArray = NDArray[np.float64]", "array-type"),
        ("def f(x): return isinstance(x, OperatorGraph)", "network-test"),
        ("def f(x): return isinstance(x, Int | Swis)", "format-test"),
        ("def f(system): return system.array is None", "device-test"),
        ("class Lens:\n    def focus(self):\n        '''Those of it.'''", "docstring"),
        ("def _focus():\n    '''Keep the grid.'''", "docstring"),
        ("class _Lens:\n    def focus(self):\n        '''Keep the grid.'''", "docstring"),
    ],
)
def test_each_rule_finds_its_bad_example(text, rule):
    assert rule in rules_of(text)


@pytest.mark.parametrize(
    "text",
    [
        "class Metric:\n    how: str",
        "def f(self, a, b, c, d, e, f, g, h): ...",
        "@numba.njit\ndef f(a, b, c, d, e, f, g, h, i): ...",
        "class _Lens:\n    def focus(self):\n        '''Those that a lens has.'''",
        "def field(values: NDArray[np.float64]): ...",
        "class Lens:\n    '''Thin lens of a 4f processor.'''\n    focus = 1",
    ],
)
def test_good_examples_pass(text):
    assert rules_of(text) == []


def test_verbs_and_compress_are_small():
    line = "x = 1\n"
    assert rules_of(line * 121, "verbs/focus.py") == ["verb-size"]
    assert rules_of(line * 300, "optics/focus.py") == []
    compress = [voice.Module(f"compress/part{part}.py", line * 301) for part in range(4)]
    assert [violation.rule for violation in voice.violations(compress)] == ["compress-size"]


def test_a_name_means_one_thing():
    pair = [voice.Module(f"{folder}/lens.py", f"class Lens{n}: ...") for n, folder in enumerate(("optics", "edge"))]
    assert [violation.rule for violation in voice.violations(pair)] == ["same-stem", "same-stem"]
    twins = [voice.Module(f"optics/{stem}.py", "class Lens: ...") for stem in ("lens", "mirror")]
    assert [violation.rule for violation in voice.violations(twins)] == ["same-class", "same-class"]
    assert voice.violations([voice.Module(f"{folder}/estimate.py", "") for folder in ("verbs", "optics")]) == []


def test_unused_names_are_those_that_no_other_module_reads():
    lens = voice.Module("optics/lens.py", "def focus(): ...\ndef blur(): ...\ndef glare(): ...\ndef _rim(): ...")
    user = voice.Module("optics/user.py", "from slipstick.optics.lens import focus\nTABLE = 'optics.lens:blur'")
    assert [name for _, name, _ in voice.unused_names([lens, user])] == ["glare", "TABLE"]
