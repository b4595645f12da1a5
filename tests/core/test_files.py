from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipstick.core.errors import SlipstickError
from slipstick.core.files import (
    load_json,
    load_yaml,
    parse_json,
    parse_yaml,
    read_text,
    replacing,
    require_writable,
    write_text,
)

BOMB = "a: &a [x, x]\n" + "\n".join(f"{b}: &{b} [*{a}, *{a}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, "aliases"),
        ("a: 1\na: 2", "'a' stands twice .line 2"),
        ("a:\n  b: 1\n  b: 1", "'b' stands twice"),
        ("a: !!python/object/apply:os.system [x]", "tags are not accepted"),
        ("!!set {a}", "tags are not accepted"),
        ("[" * 100_000, "nested too deeply"),
        ("{a: " * 500, "nested too deeply"),
        ("? [a]\n: 1", "a key is not a plain value"),
        ("a: 1e999", "not a number"),
        ("a: " + "9" * 5000, "a number of 5000 digits"),
        ("a: [1", "not YAML"),
        ("\0", "not YAML"),
        ("a: b: c", "not YAML"),
        ("a\n---\nb", "not YAML"),
    ],
)
def test_dangerous_yaml_is_one_error(text: str, words: str) -> None:
    start = time.process_time()
    with pytest.raises(SlipstickError, match=words):
        parse_yaml(text, where="x.yaml")
    assert time.process_time() - start < 1


def test_yaml_12_not_11() -> None:
    text = "[yes, no, on, off, y, true, False, 010, 1:30, 2024-01-01, 1e9, .5, -3, 0x1F, ~, .inf, <<, '1']"
    wanted = ["yes", "no", "on", "off", "y", True, False, 10, "1:30", "2024-01-01", 1e9, 0.5, -3, 31, None]
    assert parse_yaml(text) == [*wanted, ".inf", "<<", "1"]


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc:-# '", min_size=1), inner, max_size=3),
    max_leaves=12,
)


@given(PLAIN)
def test_json_round_trip(data: object) -> None:
    assert parse_json(json.dumps(data)) == data


@given(PLAIN)
def test_yaml_reads_json(data: object) -> None:
    """YAML 1.2 is a superset of JSON."""
    assert parse_yaml(json.dumps(data)) == data


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1, "a": 2}', "stands twice"),
        ("[NaN]", "NaN is not a number"),
        ("[-Infinity]", "not a number"),
        ("[1e999]", "not a number"),
        ('{"hidden_size": 40', "not JSON: .*line 1"),
        ("", "not JSON"),
        ("\0", "not JSON"),
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        ("[" * 100 + "]" * 100, "nested too deeply"),
        ("9" * 5000, "a number of 5000 digits"),
        (r'"\ud800"', "surrogate"),
    ],
)
def test_bad_json_is_one_error(text: str, words: str) -> None:
    with pytest.raises(SlipstickError, match=words):
        parse_json(text, where="config.json")


def test_a_gigabyte_is_refused_unread(tmp_path: Path) -> None:
    big = tmp_path / "config.json"
    with big.open("wb") as file:
        file.truncate(2**30)
    start = time.process_time()
    for load in (load_json, load_yaml, read_text):
        with pytest.raises(SlipstickError, match="too large"):
            load(big)
    assert time.process_time() - start < 0.2


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9")
    cases = {
        tmp_path: "a folder",
        tmp_path / "nothing": "no such file",
        tmp_path / "pipe": "not a regular file",
        Path("/dev/zero"): "not a regular file",
        tmp_path / ("x" * 300): "too long",
        tmp_path / "latin.yaml": "not UTF-8",
        tmp_path / "latin.yaml" / "below": "ot a directory",
    }
    for path, words in cases.items():
        with pytest.raises(SlipstickError, match=words):
            read_text(path)
    with pytest.raises(SlipstickError, match="not a file name"):
        read_text("a\0b")


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert load_json(tmp_path / "a.json") == {"a": 1}


def test_files_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "new" / "report.html"
    write_text(target, "first")
    with pytest.raises(UnicodeEncodeError):
        write_text(target, "half \ud800")
    assert target.read_text() == "first"
    assert [path.name for path in target.parent.iterdir()] == ["report.html"]
    with pytest.raises(SlipstickError):
        write_text(target / "below", "x")


def test_a_link_stays_and_a_pipe_is_written_into(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("file")
    write_text(tmp_path / "link", "one")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "one"
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_text(tmp_path / "pipe", "two")
    assert os.read(reader, 10) == b"two"
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo(), "no file took its place"


def test_what_cannot_be_written_is_found_before(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    require_writable(None, tmp_path / "old", tmp_path / "new" / "file", "/dev/null")
    assert (tmp_path / "old").read_text() == "old"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["new", "old"]
    with pytest.raises(SlipstickError, match=r"old/below.*: "):
        require_writable(tmp_path / "old" / "below")
    with pytest.raises(SlipstickError, match="a folder, not a file"):
        require_writable(tmp_path)


def test_an_interrupted_writer_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")

    def interrupted() -> None:
        with replacing(tmp_path / "file") as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]


def test_a_file_has_the_rights_of_a_new_one(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "file", "one")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640
