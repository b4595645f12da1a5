"""Safe reader of tensors in files of `torch.save`: their pickle is interpreted, and nothing that it names is called.

A .pth file is a program for Python's pickle machine. Here its operations are looked at as data: those that a dict of
tensors is made of are followed, and whatever would call anything else is an error. Then come the tensors' bytes: behind
one another in the format until torch 1.5, as entries of a zip file since.
"""

from __future__ import annotations

import io
import math
import pickletools
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from slipstick.core.errors import SlipstickError
from slipstick.core.files import read_bytes

_MAX_BYTES = 2**31  # of a file
_MAX_PROGRAM = 2**24  # bytes of its program: 300 tensors take 42 kB
_MAGIC = 0x1950A86A20F9469CFC6C  # the first number of the older format: torch/serialization.py, MAGIC_NUMBER
_DTYPES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_BROKEN = (ValueError, TypeError, KeyError, IndexError, AttributeError, RuntimeError, zipfile.BadZipFile, EOFError)


@dataclass(frozen=True)
class _Global:
    """Name of a function or class in a pickle, never resolved."""

    name: str


@dataclass(frozen=True)
class _Storage:
    """Reference to a storage of numbers elsewhere in the file."""

    dtype: torch.dtype
    key: str
    count: int


@dataclass(frozen=True)
class _View:
    """Tensor as a strided view of a storage."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


_MARK = object()


def _read_torch_file(path: str | Path) -> dict[str, Tensor]:
    """Return the tensors of a state dict that `torch.save` wrote, by name.

    Errors
    ------
    SlipstickError for a file that would call anything but what makes tensors, that holds anything else than a dict of
    tensors, or that is broken.
    """
    raw = read_bytes(path, limit=_MAX_BYTES)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pickletools warns of odd texts, which are refused all the same
            tensors, fetch = _zipped(raw) if zipfile.is_zipfile(io.BytesIO(raw)) else _legacy(raw)
        if not isinstance(tensors, dict):
            raise ValueError(f"it holds {type(tensors).__name__}, not a dict of tensors")
        return {_text(name): _tensor(view, fetch) for name, view in tensors.items()}
    except _BROKEN as error:
        raise SlipstickError(f"not a usable file of torch.save: {error}", path=str(path)) from None


def _legacy(raw: bytes) -> tuple[Any, Callable[[_Storage], bytes]]:
    file = io.BytesIO(raw)
    magic, _, system, tensors, keys = (_run(file) for _ in range(5))
    if magic != _MAGIC or not system["little_endian"]:
        raise ValueError("not little-endian numbers behind torch's own first number")
    places: dict[str, int] = {}
    sizes = _sizes(tensors)
    for key in keys:  # in front of each storage its number of elements, in 8 bytes
        places[key] = file.tell() + 8
        file.seek(places[key] + sizes.get(key, 0))
    return tensors, lambda storage: raw[places[storage.key] : places[storage.key] + _bytes(storage)]


def _zipped(raw: bytes) -> tuple[Any, Callable[[_Storage], bytes]]:
    archive = zipfile.ZipFile(io.BytesIO(raw))
    (program,) = (entry for entry in archive.infolist() if entry.filename.endswith("/data.pkl"))
    if program.file_size > _MAX_PROGRAM:
        raise ValueError(f"a program of {program.file_size} bytes")
    top = program.filename.removesuffix("data.pkl")

    def fetch(storage: _Storage) -> bytes:
        with archive.open(f"{top}data/{storage.key}") as file:
            return file.read(_bytes(storage))

    with archive.open(program) as file:
        return _run(io.BytesIO(file.read(_MAX_PROGRAM))), fetch


def _sizes(tensors: Any) -> dict[str, int]:
    """Return the bytes of every storage that a state dict's tensors refer to."""
    return {view.storage.key: _bytes(view.storage) for view in tensors.values() if isinstance(view, _View)}


def _bytes(storage: _Storage) -> int:
    return storage.count * storage.dtype.itemsize


def _tensor(view: object, fetch: Callable[[_Storage], bytes]) -> Tensor:
    if not isinstance(view, _View):
        raise ValueError(f"it holds {type(view).__name__} where a tensor should be")
    elements = math.prod(view.size)
    last = view.offset + sum((size - 1) * stride for size, stride in zip(view.size, view.stride, strict=True))
    small = min(view.offset, *view.size, *view.stride, 0) < 0
    if small or elements > view.storage.count or (elements and last >= view.storage.count):
        raise ValueError(f"a tensor of {view.size} in a storage of {view.storage.count}")
    raw = fetch(view.storage)
    if len(raw) != _bytes(view.storage):
        raise ValueError("a storage ends early")
    if not elements:
        return torch.zeros(view.size, dtype=view.storage.dtype)
    numbers = torch.frombuffer(bytearray(raw), dtype=view.storage.dtype)
    return numbers.as_strided(view.size, view.stride, view.offset).clone()


def _run(file: io.BytesIO) -> Any:
    """Return the object that a pickle program describes, interpreting it to its end."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    start = file.tell()
    for opcode, argument, _ in pickletools.genops(file):
        if file.tell() - start > _MAX_PROGRAM:
            raise ValueError(f"a program of more than {_MAX_PROGRAM} bytes")
        if opcode.name == "STOP":
            return stack.pop()
        _step(opcode.name, argument, stack, memo)
    raise ValueError("a program without an end")


_PUSHES = ("BINUNICODE", "SHORT_BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT")
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "MARK": lambda: _MARK,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def _step(name: str, argument: Any, stack: list[Any], memo: dict[int, Any]) -> None:
    """Interpret one pickle operation, without calling what the file names."""
    if name in ("PROTO", "FRAME"):
        return
    if name in _PUSHES:
        stack.append(argument)
    elif name in _CONSTANTS:
        stack.append(_CONSTANTS[name]())
    elif name in ("BINPUT", "LONG_BINPUT"):
        memo[argument] = stack[-1]
    elif name == "MEMOIZE":
        memo[len(memo)] = stack[-1]
    elif name in ("BINGET", "LONG_BINGET"):
        stack.append(memo[argument])
    elif name == "GLOBAL":
        stack.append(_Global(argument.replace(" ", ".")))
    elif name in _TUPLES:
        count = _TUPLES[name]
        stack[-count:] = [tuple(stack[-count:])]
    elif name == "TUPLE":
        stack.append(tuple(_marked(stack)))
    elif name in ("APPENDS", "SETITEMS", "APPEND", "SETITEM", "BUILD"):
        _fill(name, stack)
    elif name == "BINPERSID":
        stack.append(_storage(stack.pop()))
    elif name == "REDUCE":
        arguments = stack.pop()
        stack.append(_called(stack.pop(), arguments))
    else:
        raise ValueError(f"it does {name}, which no dict of tensors needs")


def _marked(stack: list[Any]) -> list[Any]:
    """Pop the items above the last mark off the stack, with the mark."""
    place = next(place for place in range(len(stack) - 1, -1, -1) if stack[place] is _MARK)
    items = stack[place + 1 :]
    del stack[place:]
    return items


def _fill(name: str, stack: list[Any]) -> None:
    """Put items into the list or dict below them; attributes of a dict are dropped."""
    if name == "BUILD":
        stack.pop()
        return
    count = {"APPEND": 1, "SETITEM": 2}.get(name)
    items = _marked(stack) if count is None else [stack.pop() for _ in range(count)][::-1]
    if name.startswith("APPEND"):
        stack[-1].extend(items)
    else:
        stack[-1].update(zip(items[::2], items[1::2], strict=True))


def _storage(about: Any) -> _Storage:
    kind, named, key, _, count = about[:5]
    dtype = _DTYPES.get(named.name.removeprefix("torch."))
    if kind != "storage" or dtype is None or not isinstance(count, int) or not 0 <= count <= _MAX_BYTES:
        raise ValueError(f"a storage of {named.name}")
    return _Storage(dtype, _text(key), count)


def _called(function: Any, arguments: Any) -> Any:
    """Return the result of one of the three functions that a state dict's pickle may call."""
    name = function.name if isinstance(function, _Global) else type(function).__name__
    if name == "collections.OrderedDict" and arguments == ():
        return {}
    if name == "torch._utils._rebuild_tensor_v2":
        storage, offset, size, stride = arguments[:4]
        whole = all(type(number) is int for number in (offset, *size, *stride))
        if whole and isinstance(storage, _Storage):
            return _View(storage, offset, tuple(size), tuple(stride))
    if name == "torch._utils._rebuild_parameter" and isinstance(arguments[0], _View):
        return arguments[0]
    raise ValueError(f"it would call {name}")


def _text(name: object) -> str:
    if not isinstance(name, str):
        raise ValueError(f"a name that is {type(name).__name__}")
    return name
