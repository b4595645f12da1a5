"""Files from strangers are parsed, never executed: sizes bounded, duplicate keys refused, nothing half written."""

from __future__ import annotations

import json
import math
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from slipstick.core.errors import SlipstickError

MAX_BYTES = 16 * 2**20  # a model's config.json is some kB; the largest reference table is below 1 MB


def read_text(path: str | Path, *, limit: int = MAX_BYTES) -> str:
    """Return the text of a file of at most `limit` bytes.

    Errors
    ------
    SlipstickError if the file is missing, a folder, larger than `limit`, or not UTF-8.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise SlipstickError("a folder, not a file", path=str(path))
        if size > limit:
            raise SlipstickError(f"{size} bytes is too large", path=str(path), allowed=f"at most {limit} bytes")
        with path.open("rb") as file:
            raw = file.read(limit + 1)  # a device or a pipe has size 0: bound what is read as well
        if len(raw) > limit:
            raise SlipstickError("the file is too large", path=str(path), allowed=f"at most {limit} bytes")
        return raw.decode("utf-8-sig")
    except FileNotFoundError:
        raise SlipstickError("no such file", path=str(path)) from None
    except UnicodeDecodeError:
        raise SlipstickError("not UTF-8 text", path=str(path)) from None
    except OSError as error:
        raise SlipstickError(error.strerror or "cannot be read", path=str(path)) from None


def load_json(path: str | Path, *, limit: int = MAX_BYTES) -> Any:
    """Parse a JSON file as `parse_json` does."""
    return parse_json(read_text(path, limit=limit), where=str(path))


def parse_json(text: str, *, where: str = "") -> Any:
    """Parse JSON text; duplicate keys, NaN, numbers beyond a float and deep nesting are errors.

    Examples
    --------
    >>> parse_json('{"layers": 96}')
    {'layers': 96}
    """
    try:
        return json.loads(
            text,
            object_pairs_hook=lambda pairs: _no_duplicates(pairs, where),
            parse_constant=_refuse,
            parse_float=_finite,
        )
    except json.JSONDecodeError as error:
        raise SlipstickError(f"not JSON: {error.msg} (line {error.lineno}, column {error.colno})", path=where) from None
    except RecursionError:
        raise SlipstickError("nested too deeply", path=where) from None
    except ValueError as error:
        raise SlipstickError(f"not usable JSON: {error}", path=where) from None


def load_yaml(path: str | Path) -> Any:
    """Parse a YAML file with the safe loader: YAML 1.2 floats (1e9), no duplicate keys, no aliases (no bombs)."""
    return parse_yaml(read_text(path), where=str(path))


def parse_yaml(text: str, *, where: str = "") -> Any:
    """Parse YAML text as `load_yaml` does; `where` names it in errors.

    Examples
    --------
    >>> parse_yaml("peak: 1e12")
    {'peak': 1000000000000.0}
    """
    import yaml

    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise SlipstickError("YAML aliases are not accepted", path=where)
        return yaml.load(text, Loader=_strict_loader())  # noqa: S506  a subclass of CSafeLoader: builds no objects
    except yaml.YAMLError as error:
        first = " ".join(str(error).split())
        raise SlipstickError(f"not YAML: {first}", path=where) from None
    except RecursionError:
        raise SlipstickError("nested too deeply", path=where) from None


def write_text(path: str | Path, text: str) -> None:
    """Write a file whole or not at all: to a temporary file beside it, then renamed."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise SlipstickError(error.strerror or "cannot be written", path=str(path)) from None


def _no_duplicates(pairs: list[tuple[str, Any]], where: str) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for key in names if names.count(key) > 1)
        raise SlipstickError("the key stands twice", path=where, value=twice)
    return found


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not a number")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


_LOADER: Any = None


def _strict_loader() -> Any:
    """Build (once) a CSafeLoader that refuses duplicate keys and reads 1e9 as a float."""
    global _LOADER
    if _LOADER is not None:
        return _LOADER
    import yaml

    class StrictLoader(yaml.CSafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            seen: set[Any] = set()
            for key_node, _ in node.value:
                key = self.construct_object(key_node, deep=True)
                if not isinstance(key, str | int | float | bool):
                    raise yaml.YAMLError(f"a key is not a plain value {node.start_mark}")
                if key in seen:
                    raise yaml.YAMLError(f"the key {key!r} stands twice {key_node.start_mark}")
                seen.add(key)
            return super().construct_mapping(node, deep=deep)

    number = re.compile(r"^[-+]?(?:\d[\d_]*\.?[\d_]*|\.\d+)(?:[eE][-+]?\d+)?$")
    StrictLoader.add_implicit_resolver("tag:yaml.org,2002:float", number, list("-+0123456789."))
    _LOADER = StrictLoader
    return _LOADER
