"""A folder of files that appears whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from slipstick.core.errors import SlipstickError

_MANIFEST = "MANIFEST"  # lists the files of a folder that `emit` wrote, so that it may replace them


def check_folder(path: str | Path, *, overwrite: bool = False) -> Path:
    """Return the path of a folder that may be written: new, empty, or with `overwrite` an earlier one of `emit`.

    Errors
    ------
    SlipstickError for a file or a link, a folder that holds anything else, and one that cannot be written.
    """
    target = Path(path)
    name = str(path)
    if "\0" in name:
        raise SlipstickError("not a folder's name", path="out", value=name)
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise SlipstickError("not a folder", path="out", value=name, allowed="a new folder, or an empty one")
    if target.is_dir():
        _check_content(target, overwrite=overwrite)
    parent = target.absolute().parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise SlipstickError("cannot be written", path="out", value=name, allowed="a folder that you may write")
    return target


def write_folder(path: str | Path, files: Mapping[str, bytes], *, overwrite: bool = False) -> Path:
    """Write files (relative name -> content) into a folder beside it, which takes its place at the end.

    Errors
    ------
    SlipstickError as `check_folder`; after any error, nothing is there that was not there before.
    """
    target = check_folder(path, overwrite=overwrite).absolute()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise SlipstickError(error.strerror or "cannot be written", path="out", value=str(path)) from None
    try:
        for name, content in files.items():
            file = staging / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        (staging / _MANIFEST).write_text("\n".join([*sorted(files), ""]), "utf-8")
        staging.chmod(0o755)  # a temporary folder is closed to others; this one is read by them
        _replace(target, staging)
    except OSError as error:
        raise SlipstickError(error.strerror or "cannot be written", path="out", value=str(path)) from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return target


def _check_content(target: Path, *, overwrite: bool) -> None:
    """Raise an error for a folder with files, unless all of them are an earlier firmware's and may be replaced."""
    present = sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if not path.is_dir())
    if not present:
        return
    if not overwrite:
        allowed = "a new folder, an empty one, or --overwrite"
        raise SlipstickError("a folder that holds files already", path="out", value=str(target), allowed=allowed)
    manifest = target / _MANIFEST
    known = manifest.read_text("utf-8").splitlines() if manifest.is_file() else []
    foreign = [name for name in present if name not in {*known, _MANIFEST} and not name.startswith("build/")]
    if foreign:
        message = f"holds files that emit did not write, such as {foreign[0]!r}"
        raise SlipstickError(message, path="out", value=str(target), allowed="another folder")


def _replace(target: Path, staging: Path) -> None:
    """Put the staged folder in the target's place; an earlier one is put back if that fails."""
    if not target.exists():
        staging.rename(target)
        return
    earlier = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    target.rename(earlier)
    try:
        staging.rename(target)
    except OSError:
        earlier.rename(target)
        raise
    shutil.rmtree(earlier, ignore_errors=True)
