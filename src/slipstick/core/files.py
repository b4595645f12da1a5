"""Untrusted files, parsed and never executed: sizes bounded, duplicate keys refused, writes atomic."""

from __future__ import annotations

import functools
import json
import math
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from slipstick.core.errors import SlipstickError

_MAX_FILE_BYTES = 16 * 2**20  # a model's config.json is some kB; the largest reference table is below 1 MB
_MAX_DEPTH = 64  # of groups in groups: nothing of ours is deeper than 10, and readers are recursive
_MAX_DIGITS = 300  # of a number that a float can still hold

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_OPEN_ALREADY = ("/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/fd/", "/proc/self/fd/")


def read_text(path: str | Path, *, limit: int = _MAX_FILE_BYTES) -> str:
    """Return the text of a file of at most `limit` bytes.

    Errors
    ------
    SlipstickError if the file is missing, a folder, larger than `limit`, or not UTF-8.
    """
    try:
        return read_bytes(path, limit=limit).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SlipstickError("not UTF-8 text", path=str(path)) from None


def read_bytes(path: str | Path, *, limit: int = _MAX_FILE_BYTES) -> bytes:
    """Return the bytes of a file of at most `limit` bytes.

    Errors
    ------
    SlipstickError if the file is missing, a folder or a pipe, or larger than `limit`.
    """
    name = str(path)
    try:
        about = os.stat(path)
        if stat.S_ISDIR(about.st_mode):
            raise SlipstickError("a folder, not a file", path=name)
        if not stat.S_ISREG(about.st_mode) and not name.startswith(_OPEN_ALREADY):
            raise SlipstickError("not a regular file", path=name)  # opening a pipe may wait for ever
        if about.st_size > limit:
            raise SlipstickError(f"{about.st_size} bytes is too large", path=name, allowed=f"at most {limit} bytes")
        with open(path, "rb") as file:
            raw = file.read((about.st_size or limit) + 1)  # standard input has size 0; read() takes memory at once
    except FileNotFoundError:
        raise SlipstickError("no such file", path=name) from None
    except OSError as error:
        raise SlipstickError(error.strerror or "cannot be read", path=name) from None
    except ValueError:
        raise SlipstickError("not a file name", path=repr(name)) from None  # a NUL in it
    if len(raw) > limit:
        raise SlipstickError("the file is too large", path=name, allowed=f"at most {limit} bytes")
    return raw


def load_json(path: str | Path, *, limit: int = _MAX_FILE_BYTES) -> Any:
    """Return the content of a JSON file, with the errors of `parse_json`."""
    return parse_json(read_text(path, limit=limit), where=str(path))


def parse_json(text: str, *, where: str = "") -> Any:
    """Return the content of JSON text; duplicate keys, NaN, numbers beyond a float and deep nesting are errors.

    Examples
    --------
    >>> parse_json('{"layers": 96}')
    {'layers': 96}
    """
    try:
        parsed = json.loads(
            text,
            object_pairs_hook=lambda pairs: _no_duplicates(pairs, where),
            parse_constant=_refuse,
            parse_float=_finite,
            parse_int=_whole,
        )
    except json.JSONDecodeError as error:
        raise SlipstickError(f"not JSON: {error.msg} (line {error.lineno}, column {error.colno})", path=where) from None
    except RecursionError:
        raise SlipstickError("nested too deeply", path=where) from None
    except ValueError as error:
        raise SlipstickError(f"not usable JSON: {error}", path=where) from None
    _check_depth(parsed, where)
    if _SURROGATE.search(text):
        try:
            json.dumps(parsed, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise SlipstickError("half of a surrogate pair is no text", path=where) from None
    return parsed


def load_yaml(path: str | Path) -> Any:
    """Return the content of a YAML file, by the safe loader: YAML 1.2 floats (1e9), no duplicate keys, no aliases."""
    return parse_yaml(read_text(path), where=str(path))


def load_fields(path: str | Path) -> dict[str, Any]:
    """Return the mapping of fields in a user's YAML file, or JSON file if its name ends in ``.json``.

    Errors
    ------
    SlipstickError for what `read_text` or the parser refuses, and for a file that is no mapping.
    """
    data = load_json(path) if str(path).lower().endswith(".json") else load_yaml(path)
    if not isinstance(data, dict):
        raise SlipstickError("not a mapping of fields", path=str(path), value=data, allowed="field: value, a line each")
    return data


def parse_yaml(text: str, *, where: str = "") -> Any:
    """Return the content of YAML text, as `load_yaml` does; `where` is the text's name in errors.

    Errors
    ------
    SlipstickError for what is no YAML, duplicate keys, anchors and aliases, and nesting too deep.

    Examples
    --------
    >>> parse_yaml("peak: 1e12")
    {'peak': 1000000000000.0}
    """
    import yaml

    try:
        _check_events(text, where)
        return yaml.load(text, Loader=_strict_loader())  # noqa: S506  a subclass of CSafeLoader: builds no objects
    except yaml.MarkedYAMLError as error:
        if "nesting depth" in str(error.problem):  # libyaml's own limit, which its look-ahead meets before ours
            raise SlipstickError("nested too deeply", path=where, allowed=f"at most {_MAX_DEPTH} levels") from None
        at = error.problem_mark or error.context_mark
        place = f" (line {at.line + 1}, column {at.column + 1})" if at else ""
        raise SlipstickError(f"not YAML: {error.problem or error.context}{place}", path=where) from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: _whole, _finite
        raise SlipstickError(f"not YAML: {' '.join(str(error).split())}", path=where) from None


def write_text(path: str | Path, text: str) -> None:
    """Write a text file atomically, in UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write a file atomically, as `replacing` does."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield the name of a temporary file beside `path` that replaces it at the end, or is deleted after an error.

    A link stays, and the file that it points to is replaced; a device or a pipe, such as /dev/stdout, is written into.

    Errors
    ------
    SlipstickError for a folder, and for what the file system refuses.
    """
    try:
        if _is_stream(path):
            with tempfile.TemporaryDirectory() as folder:
                yield (copy := Path(folder) / "copy")
                Path(path).write_bytes(copy.read_bytes())
            return
        target, temporary = _beside(path)
        try:
            yield temporary
            os.replace(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise SlipstickError(error.strerror or "cannot be written", path=str(path)) from None


def require_writable(*paths: str | Path | None) -> None:
    """Raise an error for the first file, None apart, that cannot be written: before hours of work, not behind them.

    Errors
    ------
    SlipstickError for a folder, and for what the file system refuses.
    """
    for path in paths:
        if path is not None and not _is_stream(path):
            try:
                _, temporary = _beside(path)
                try:
                    temporary.touch()
                finally:
                    temporary.unlink(missing_ok=True)
            except OSError as error:
                raise SlipstickError(error.strerror or "cannot be written", path=str(path)) from None


def _is_stream(path: str | Path) -> bool:
    """Return whether a path is a device or a pipe: nothing that a new file may take the place of."""
    if os.path.isdir(path):
        raise SlipstickError("a folder, not a file", path=str(path), allowed="the name of a file")
    return str(path).startswith(_OPEN_ALREADY) or (os.path.exists(path) and not os.path.isfile(path))


def _beside(path: str | Path) -> tuple[Path, Path]:
    """Return the file that a path names, links followed, and the name of a new one in its folder, which is made.

    The name is known before the file is there: an interrupted tempfile.mkstemp leaves a file that nobody knows of.
    """
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    return target, target.with_name(f".{target.name}.{os.urandom(6).hex()}")


def _no_duplicates(pairs: list[tuple[str, Any]], where: str) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for key in names if names.count(key) > 1)
        raise SlipstickError("the key stands twice", path=where, value=twice)
    return mapping


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not a number")


def _whole(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


def _check_events(text: str, where: str) -> None:
    """Raise an error for dangerous YAML before anything is built: aliases (bombs), tags (objects), deep nesting."""
    import yaml

    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        line = f" (line {event.start_mark.line + 1})" if event.start_mark else ""
        if isinstance(event, yaml.AliasEvent):
            raise SlipstickError(f"YAML aliases are not accepted{line}", path=where)
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None:
            raise SlipstickError(f"YAML tags are not accepted{line}", path=where, value=str(event.tag))
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise SlipstickError(f"nested too deeply{line}", path=where, allowed=f"at most {_MAX_DEPTH} levels")


def _check_depth(parsed: Any, where: str) -> None:
    level = [parsed]
    for _ in range(_MAX_DEPTH):
        inside = [node.values() if isinstance(node, dict) else node for node in level if isinstance(node, dict | list)]
        level = [child for children in inside for child in children]
    if any(isinstance(node, dict | list) for node in level):
        raise SlipstickError("nested too deeply", path=where, allowed=f"at most {_MAX_DEPTH} levels")


# YAML 1.2's core schema. 1.1, which PyYAML speaks, reads `no` as false, 1:30 as 90, 010 as 8 and 1e9 as text.
_NULL = re.compile(r"^(?:~|null|Null|NULL|)$")
_BOOL = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")
_INT = re.compile(r"^(?:[-+]?\d[\d_]*|0o[0-7]+|0x[0-9a-fA-F]+)$")
_FLOAT = re.compile(r"^[-+]?(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][-+]?\d+)?$")


@functools.cache
def _strict_loader() -> Any:
    """Return a CSafeLoader class that refuses duplicate keys and resolves plain values as YAML 1.2 does."""
    import yaml

    class StrictLoader(yaml.CSafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            seen: set[Any] = set()
            for key_node, _ in node.value:
                key = self.construct_object(key_node, deep=True) if isinstance(key_node, yaml.ScalarNode) else None
                if not isinstance(key, str | int | float | bool):
                    raise yaml.MarkedYAMLError(problem="a key is not a plain value", problem_mark=key_node.start_mark)
                if key in seen:
                    raise yaml.MarkedYAMLError(
                        problem=f"the key {key!r} stands twice", problem_mark=key_node.start_mark
                    )
                seen.add(key)
            return super().construct_mapping(node, deep=deep)

    def whole(loader: Any, node: Any) -> int:
        text = loader.construct_scalar(node).replace("_", "")
        return int(text, 16) if text[:2] == "0x" else int(text, 8) if text[:2] == "0o" else _whole(text)

    def decimal(loader: Any, node: Any) -> float:
        return _finite(loader.construct_scalar(node).replace("_", ""))

    StrictLoader.yaml_implicit_resolvers = {}
    tag = "tag:yaml.org,2002:"
    for name, pattern, first in (
        ("null", _NULL, ["~", "n", "N", ""]),
        ("bool", _BOOL, list("tTfF")),
        ("int", _INT, list("-+0123456789")),
        ("float", _FLOAT, list("-+0123456789.")),
    ):
        StrictLoader.add_implicit_resolver(tag + name, pattern, first)
    StrictLoader.add_constructor(f"{tag}int", whole)
    StrictLoader.add_constructor(f"{tag}float", decimal)
    return StrictLoader
