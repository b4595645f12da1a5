"""Broken and hostile files: one clear error each, no large allocation, no code run."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError
from slipstick.datasets import data_set
from slipstick.datasets.cifar import _from_jpeg
from slipstick.datasets.idx_file import _read_idx
from slipstick.datasets.image_files import _decode_picture
from slipstick.datasets.npz_file import _read_npz

pytest.importorskip("PIL", reason="Pillow is not installed (extra: data)")

SMALL = 16 * 2**20  # bytes that reading a hostile file may take at most

BOMB = bytes(4 * SMALL)


@pytest.fixture(autouse=True)
def _little_memory() -> Iterator[None]:
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < SMALL


def header(*shape: int, kind: int = 8) -> bytes:
    return bytes([0, 0, kind, len(shape)]) + b"".join(struct.pack(">I", size) for size in shape)


IDX = {
    "empty": (b"", "not an idx file"),
    "text": (b"hello world", "not an idx file"),
    "floats": (header(2, kind=13) + bytes(8), "does not hold unsigned bytes"),
    "no sizes": (header(2, 2)[:7], "ends within its header"),
    "short": (header(2, 2) + bytes(3), "the header says 4 bytes, the file holds 3"),
    "long": (header(2, 2) + bytes(5), "the file holds more than 4"),
    "huge": (header(2**32 - 1, 2**32 - 1, 2**32 - 1), "is too large"),
    "huge and empty": (header(2**29), "the file holds 0"),
}


@pytest.mark.parametrize("name", IDX)
@pytest.mark.parametrize("packed", [False, True])
def test_idx(tmp_path: Path, name: str, packed: bool) -> None:
    raw, message = IDX[name]
    path = tmp_path / ("x.gz" if packed else "x")
    path.write_bytes(gzip.compress(raw) if packed else raw)
    with pytest.raises(SlipstickError, match=message):
        _read_idx(path)


GZIP_BOMB = gzip.compress(header(10) + BOMB)


def test_gzip_that_is_none_or_cut_or_a_bomb(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    whole = gzip.compress(header(100) + bytes(range(100)))
    for raw in (b"no gzip", whole[:-12], whole[:20] + b"\xff\xff\xff" + whole[23:]):
        path.write_bytes(raw)
        with pytest.raises(SlipstickError, match="gzip"):
            _read_idx(path)
    path.write_bytes(GZIP_BOMB)
    with pytest.raises(SlipstickError, match="holds more than 10"):
        _read_idx(path)


class Runs:
    """What a pickle would execute."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("executed"),))


def npz(**entries: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in entries.items():
            archive.writestr(f"{name}.npy", raw)
    return file.getvalue()


def npy(text: str, body: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + body


def describe(shape: str, dtype: str = "|u1") -> str:
    return f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n"


NPZ = {
    "no zip": (b"nothing", "not a usable npz file"),
    "cut": (npz(x=npy(describe("(3,)"), b"abc"))[:-9], "not a usable npz file"),
    "absent": (npz(y=npy(describe("(3,)"), b"abc")), "x: no such array"),
    "objects": (npz(x=npy(describe("(1,)", "|O"), pickle.dumps([Runs()]))), "Python objects"),
    "floats": (npz(x=npy(describe("(1,)", "<f8"), bytes(8))), "float64 of shape"),
    "planes": (npz(x=npy(describe("(1, 3)"), b"abc")), "allowed: uint8, 1 dimensions"),
    "short": (npz(x=npy(describe("(3,)"), b"ab")), "its header says 3 bytes"),
    "long": (npz(x=npy(describe("(3,)"), b"abcd")), "its header says 3 bytes"),
    "bomb": (npz(x=npy(describe("(3,)"), BOMB)), "its header says 3 bytes"),
    "huge": (npz(x=npy(describe("(9999999999999,)"))), "is too large"),
    "negative": (npz(x=npy(describe("(-3,)"), b"abc")), "not a usable npz file"),
    "code": (npz(x=npy("__import__('os').system('touch executed')\n")), "not a usable npz file"),
    "no npy": (npz(x=b"abc"), "not a usable npz file"),
}


@pytest.mark.parametrize("name", NPZ)
def test_npz(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    raw, message = NPZ[name]
    (tmp_path / "x.npz").write_bytes(raw)
    with pytest.raises(SlipstickError, match=message) as caught:
        _read_npz(tmp_path / "x.npz", {"x": ("uint8", 1)})
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "executed").exists()


def test_npz_with_any_bit_flipped(tmp_path: Path) -> None:
    whole = npz(x=npy(describe("(64,)"), bytes(range(64))))
    wanted, path = np.arange(64, dtype=np.uint8), tmp_path / "x.npz"
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :])
        try:
            found = _read_npz(path, {"x": ("uint8", 1)})["x"]
        except SlipstickError:
            continue
        assert (found == wanted).all()  # the checksum saw nothing: a byte that does not matter


def png(width: int, height: int) -> bytes:
    """Return a PNG that says how large it is, with hardly any pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    about = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", about) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("raw", [b"", b"no picture", png(2**15, 2**15), png(2**30, 2**30), png(64, 64), png(8, 8)[:40]])
def test_pictures(raw: bytes) -> None:
    with pytest.raises(SlipstickError, match=r"^x: "):
        _decode_picture(raw, where="x")


def test_strip_that_would_grow_into_a_bomb() -> None:
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (60_000, 1)).save(file, "PNG")
    with pytest.raises(SlipstickError, match="60000 x 1 pixels grow"):
        _decode_picture(file.getvalue(), where="x", size=224)


def test_labels_outside_the_classes(tmp_path: Path) -> None:
    arrays = {"train_image": np.zeros((2, 4, 4), np.uint8), "test_image": np.zeros((1, 4, 4), np.uint8)}
    np.savez(tmp_path / "x.npz", **arrays, train_label=np.uint8([0, 10]), test_label=np.uint8([0]))
    with pytest.raises(SlipstickError, match=r"x\.train: a label is outside of the classes; got 10; allowed: 0 to 9"):
        data_set(tmp_path / "x.npz")
    np.savez(tmp_path / "x.npz", **arrays, train_label=np.uint8([0]), test_label=np.uint8([0]))
    with pytest.raises(SlipstickError, match=r"2 images and labels of shape \(1,\)"):
        data_set(tmp_path / "x.npz")


@pytest.mark.parametrize("offsets", [[0, 5], [1, 9], [0, 12, 9], [0, 10**9], [], [0, 0, 9]])
def test_jpeg_offsets(tmp_path: Path, offsets: list[int]) -> None:
    arrays: dict[str, Any] = {"jpeg_header": np.zeros(3, np.uint8)}
    for split in ("train", "test"):
        arrays[f"{split}_scan"], arrays[f"{split}_label"] = np.zeros(9, np.uint8), np.zeros(1, np.uint8)
        arrays[f"{split}_offset"] = np.array(offsets, np.uint32)
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(SlipstickError, match="offsets that do not divide"):
        _from_jpeg(tmp_path / "x.npz")


def test_cifar_batch_and_folder(tmp_path: Path) -> None:
    (tmp_path / "data_batch_1.bin").write_bytes(bytes(3074))
    with pytest.raises(SlipstickError, match="3074 bytes are not records of 3073 bytes"):
        data_set(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SlipstickError, match="has no pictures"):
        data_set(tmp_path / "empty")
    with pytest.raises(SlipstickError, match="not a data set"):
        data_set(tmp_path / "data_batch_1.bin")
