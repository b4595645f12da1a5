"""Native kernels: C source of this package, compiled on demand for this processor, checked when loaded, else absent.

The compiler is the system's ``cc`` or that of the package ziglang. Libraries are kept in the user's own cache folder
under a hash of the source, the options, the compiler and the processor's features; nothing there is loaded that another
user owns or may write. ``SLIPSTICK_KERNELS`` is ``native`` (default), ``avx2`` (no wider instructions than AVX2) or
``portable`` (none of these libraries).
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import importlib.util
import os
import platform
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from slipstick.core.errors import SlipstickError

_SECONDS = 120  # a compilation takes a few; the first of ziglang builds its own parts
_OPTIONS = ("-O3", "-std=gnu11", "-shared", "-fPIC", "-ffp-contract=off", "-fno-math-errno")
_MODE, _OTHERS = 0o700, 0o022  # permissions: all to the user alone; and those to write, of groups and others
_MODES = ("native", "avx2", "portable")
_loaded: dict[tuple[str, str], ctypes.CDLL | None] = {}


def native_library(name: str, check: Callable[[ctypes.CDLL], bool]) -> ctypes.CDLL | None:
    """Return the compiled library of ``native/NAME.c``; None where there is none, or it fails its check.

    Parameters
    ----------
    check : called once a process with the fresh library: whether it agrees with its oracle.

    Errors
    ------
    SlipstickError for an unknown ``SLIPSTICK_KERNELS``.
    """
    mode = os.environ.get("SLIPSTICK_KERNELS") or "native"
    if mode not in _MODES:
        raise SlipstickError("no such kernels", path="SLIPSTICK_KERNELS", value=mode, allowed=_MODES)
    if (name, mode) not in _loaded:
        _loaded[name, mode] = None  # also while the check itself asks
        if mode != "portable":
            _loaded[name, mode] = _checked(Path(__file__).parent / "native" / f"{name}.c", mode, check)
    return _loaded[name, mode]


def _checked(source: Path, mode: str, check: Callable[[ctypes.CDLL], bool]) -> ctypes.CDLL | None:
    """Return the library of a source that passes its check, built if it is not in the cache."""
    with contextlib.suppress(OSError, subprocess.SubprocessError, AttributeError):
        for compiler in _compilers():
            path = _built(source, mode, compiler)
            if path is not None:
                library = ctypes.CDLL(str(path))
                return library if check(library) else None
    return None


def _compilers() -> list[list[str]]:
    """Return the commands of the compilers on this machine, the system's first."""
    system = shutil.which("cc")
    commands = [] if system is None else [[system]]
    if importlib.util.find_spec("ziglang"):
        commands.append([sys.executable, "-m", "ziglang", "cc"])
    return commands


def _built(source: Path, mode: str, compiler: list[str]) -> Path | None:
    """Return the library that a compiler makes of a source, from the cache if it is there; None if it cannot."""
    options = [*_OPTIONS, "-march=x86-64-v3" if mode == "avx2" else "-march=native"]
    version = subprocess.run([*compiler, "--version"], capture_output=True, timeout=_SECONDS, check=False)  # noqa: S603
    texts = [file.read_bytes() for file in (source, *sorted(source.parent.glob(f"{source.stem}_*.h")))]
    parts = [*texts, " ".join(options).encode(), version.stdout, " ".join(compiler).encode(), _features()]
    key = hashlib.sha256(b"\0".join(parts)).hexdigest()[:32]
    folder = _own_folder()
    if folder is None:
        return None
    path = folder / f"{source.stem}-{key}.so"
    if not path.exists():
        fresh = path.with_suffix(f".{os.getpid()}.tmp")
        command = [*compiler, *options, "-o", str(fresh), str(source)]
        ran = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)  # noqa: S603
        if ran.returncode:
            fresh.unlink(missing_ok=True)
            return None
        fresh.chmod(_MODE)
        fresh.replace(path)
    return path if _own(path) else None


def _own_folder() -> Path | None:
    """Return the folder of compiled kernels, made if it is not there; None if another user may write to it."""
    named = os.environ.get("SLIPSTICK_CACHE")
    cache = Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slipstick"
    folder = cache / "native"
    folder.mkdir(mode=_MODE, parents=True, exist_ok=True)
    return folder if _own(folder) else None


def _own(path: Path) -> bool:
    """Return whether a file or folder is this user's own and no other may write to it."""
    if os.name != "posix":
        return False
    status = path.lstat()
    return status.st_uid == os.getuid() and not stat.S_ISLNK(status.st_mode) and not status.st_mode & _OTHERS


def _features() -> bytes:
    """Return what tells this processor's instructions from another's."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return "\n".join(
            sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))})
        ).encode()
    return f"{platform.machine()} {platform.processor()}".encode()
