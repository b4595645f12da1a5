"""The bytes of a packed file, written and read by hand; what is refused, with the message that names it."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slipstick.core.encoding import Encoded
from slipstick.core.errors import SlipstickError
from slipstick.formats import Int, Pool, Swis
from slipstick.formats.packed_file import (
    NetworkRest,
    is_packed,
    parse_packed,
    parse_packed_network,
    read_packed,
    stored_bytes,
    write_packed,
)

RNG = np.random.default_rng(3)
DENSE = RNG.normal(size=(3, 8))
SIDE = {"pool": RNG.integers(-9, 10, (4, 8)).astype(np.int8)}
TENSORS = {
    "a": Int(8, axis=0, symmetric=False).encode(DENSE),
    "b": Swis(3).encode(DENSE, {"shifts": np.array([1, 2, 3])}),
    "c": Pool(4).encode(DENSE, SIDE),
    "d": Pool(4).encode(RNG.normal(size=(5, 8)), SIDE),
}
REST = NetworkRest(".onnx", b"all else" * 50)
KINDS = {"U8": 1, "I8": 1, "U16": 2, "I32": 4, "F32": 4}


@pytest.fixture
def raw(tmp_path: Path) -> bytes:
    assert write_packed(tmp_path / "w", TENSORS, REST) == (tmp_path / "w").stat().st_size
    return (tmp_path / "w").read_bytes()


def header_of(raw: bytes) -> tuple[dict[str, Any], bytes]:
    size = int.from_bytes(raw[:8], "little")
    return json.loads(raw[8 : 8 + size]), raw[8 + size :]


def test_the_file_by_hand(raw: bytes) -> None:
    header, body = header_of(raw)
    assert (len(raw) - len(body)) % 8 == 0, "arrays begin at a whole number of 8 bytes"
    metadata = header.pop("__metadata__")
    text = metadata["slipstick-packed"]
    assert metadata["slipstick-sha256"] == hashlib.sha256(text.encode() + body).hexdigest()
    about = json.loads(text)
    assert set(about) == {"version", "tensors", "network"}
    assert about["version"] == 1
    assert about["network"] == {"kind": ".onnx", "rest": "network"}
    at = 0
    for entry in sorted(header.values(), key=lambda entry: entry["data_offsets"]):
        size = KINDS[entry["dtype"]] * int(np.prod(entry["shape"]))
        assert entry["data_offsets"] == [at, at + size], "no gaps"
        assert at % KINDS[entry["dtype"]] == 0, "aligned"
        at += size
    assert at == len(body)

    def array(key: str) -> bytes:
        start, end = header[key]["data_offsets"]
        return body[start:end]

    for name, encoded in TENSORS.items():
        entry = about["tensors"][name]
        assert entry["format"] == encoded.encoding.name
        assert entry["shape"] == list(encoded.shape)
        assert array(entry["codes"]) == encoded.codes.tobytes()
        assert {key: array(place) for key, place in entry["side"].items()} == {
            key: values.tobytes() for key, values in encoded.side.items()
        }
    assert about["tensors"]["c"]["side"]["pool"] == about["tensors"]["d"]["side"]["pool"], "stored once"
    assert zlib.decompress(array("network")) == REST.file
    arrays = {place for entry in about["tensors"].values() for place in (entry["codes"], *entry["side"].values())}
    assert set(header) == arrays | {"network"}


def test_bytes_as_stored_count_equal_arrays_once() -> None:
    each = [array for encoded in TENSORS.values() for array in (encoded.codes, *encoded.side.values())]
    assert stored_bytes(TENSORS) == sum(array.nbytes for array in each) - 4 * 8
    assert stored_bytes({"c": TENSORS["c"]}) == TENSORS["c"].nbytes
    other = {"x": Int(8).encode([[1.0, 127.0]]), "y": Int(8).encode([[1.0], [127.0]])}
    assert stored_bytes(other) == 2 + 4, "the same bytes are one array, whatever the tensors' shapes"
    assert stored_bytes({}) == 0


def test_the_rest_of_a_network_comes_back(raw: bytes, tmp_path: Path) -> None:
    tensors, rest = parse_packed_network(raw)
    assert rest == REST
    assert list(tensors) == list(TENSORS)
    assert list(read_packed(tmp_path / "w")) == list(TENSORS)
    write_packed(tmp_path / "plain", TENSORS)
    assert parse_packed_network((tmp_path / "plain").read_bytes())[1] is None
    assert is_packed(raw)
    assert not is_packed(b"")
    header, body = header_of(raw)
    header["__metadata__"] = {"other": ""}
    text = json.dumps(header).encode()
    assert not is_packed(len(text).to_bytes(8, "little") + text + b'"slipstick-packed"' + body), "in the header alone"


def test_a_rest_may_be_as_large_as_the_limit_and_no_larger(raw: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slipstick.formats.packed_file._MAX_REST", len(REST.file))
    assert parse_packed_network(raw)[1] == REST
    monkeypatch.setattr("slipstick.formats.packed_file._MAX_REST", len(REST.file) - 1)
    with pytest.raises(SlipstickError, match="damaged, or too large; allowed: at most 399 bytes"):
        parse_packed_network(raw)


Change = Callable[[dict[str, Any], dict[str, Any], bytearray], None]


def changed(raw: bytes, change: Change) -> bytes:
    """Return the file with its description, header or arrays changed, and the digest right again."""
    header, body = header_of(raw)
    about, arrays = json.loads(header["__metadata__"]["slipstick-packed"]), bytearray(body)
    change(about, header, arrays)
    text = about if isinstance(about, str) else json.dumps(about)
    if "__metadata__" in header:
        digest = hashlib.sha256(text.encode() + arrays).hexdigest()
        header["__metadata__"] = {"slipstick-packed": text, "slipstick-sha256": digest}
    coded = json.dumps(header).encode()
    return len(coded).to_bytes(8, "little") + coded + bytes(arrays)


def rest_changed(data: bytes) -> Change:
    """Return a change that puts other bytes in the place of the rest, which is moved to the end."""

    def change(about: dict[str, Any], header: dict[str, Any], body: bytearray) -> None:
        about["network"]["rest"] = "new"
        header["new"] = {"dtype": "U8", "shape": [len(data)], "data_offsets": [len(body), len(body) + len(data)]}
        body += data

    return change


def updated(*path: str, **values: Any) -> Change:
    """Return a change of the description at a path."""

    def change(about: dict[str, Any], header: dict[str, Any], body: bytearray) -> None:
        place = about
        for key in path:
            place = place[key]
        place.update(values)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (updated(version=2), "f: not a file of packed weights; allowed: version 1"),
        (updated(tensors=[1]), "not a file of packed weights"),
        (lambda about, header, body: header.pop("__metadata__"), "allowed: a header with slipstick-packed"),
        (lambda about, header, body: body.extend(b"123"), "f: 3 bytes belong to no array"),
        (updated("network", kind=3), "f: network: not the rest of a network"),
        (updated("network", more=3), "f: network: not the rest of a network"),
        (updated("network", rest="nothing"), "f: network: an array of it is missing"),
        (updated("network", rest=["network"]), "f: network: an array of it is missing"),
        (updated("network", rest="a.scale"), "f: network: an array of it is missing"),
        (rest_changed(b"no deflated bytes"), "f: network: damaged: "),
        (rest_changed(zlib.compress(b"x") + b"more"), "damaged, or too large; allowed: at most 536870912 bytes"),
        (rest_changed(zlib.compress(b"x" * 500)[:-3]), "damaged, or too large"),
        (updated("tensors", a=[1]), "f: a: not a packed tensor"),
        (updated("tensors", "a", more=1), "f: a: not a packed tensor"),
        (updated("tensors", "a", format=8), "f: a: not a packed tensor"),
        (updated("tensors", "a", side=[]), "f: a: not a packed tensor"),
        (updated("tensors", "a", codes=3), "f: a: an array of it is missing"),
        (updated("tensors", "a", "side", scale="nothing"), "f: a: an array of it is missing"),
        (updated("tensors", "a", codes="a.scale"), "f: a: codes are not bytes; got 'float32'"),
        (updated("tensors", "a", codes="c.pool"), "f: a: codes are not bytes"),
        (updated("tensors", "a", shape=[3, -8]), "f: a: not a shape"),
        (updated("tensors", "a", shape=[3, True, 8]), "f: a: not a shape"),
        (updated("tensors", "a", shape=[1] * 9), "not a shape; .*allowed: up to 8 whole numbers"),
        (updated("tensors", "a", shape=[0, 2**32]), "f: a: too large; .*at most 2147483648 elements"),
        (updated("tensors", "a", shape=[2**16, 2**16]), "f: a: too large"),
        (updated("tensors", "a", shape=[2**33]), "f: a: not a shape"),
        (updated("tensors", "a", shape=[4, 6]), "f: a: "),
        (lambda about, header, body: header["a.scale"].update(dtype="F64"), "f: a.scale: not a type of the file"),
        (lambda about, header, body: header["a.scale"].update(dtype=4), "f: a.scale: not a type of the file"),
        (lambda about, header, body: header["a.scale"].update(more=4), "not an array of a safetensors file"),
        (lambda about, header, body: header.update(x=4), "f: x: not an array of a safetensors file"),
        (lambda about, header, body: header["a.scale"].update(shape=[4]), "f: a.scale: bytes missing, or not where"),
        (lambda about, header, body: body.clear(), "bytes missing"),
        *(
            (
                lambda about, header, body, offsets=offsets: header["a.scale"].update(data_offsets=offsets),
                "bytes missing",
            )
            for offsets in (5, [], "05", {"0": 1}, [0.5, 12], [True, 12], None)
        ),
    ],
)
def test_what_is_wrong_is_named(raw: bytes, change: Change, words: str) -> None:
    assert parse_packed(changed(raw, lambda about, header, body: None), where="f")
    with pytest.raises(SlipstickError, match=words):
        parse_packed(changed(raw, change), where="f")


def test_arrays_may_stand_in_any_order_of_the_header(raw: bytes) -> None:
    def turned(about: dict[str, Any], header: dict[str, Any], body: bytearray) -> None:
        for key in list(header)[::-1]:
            header[key] = header.pop(key)

    tensors = parse_packed(changed(raw, turned))
    for name, encoded in TENSORS.items():
        np.testing.assert_array_equal(tensors[name].values, encoded.values)


def test_headers_that_are_none(raw: bytes) -> None:
    header, body = header_of(raw)
    cases = {
        b"": "not a safetensors file",
        (2**24 + 1).to_bytes(8, "little") + b" " * (2**24 + 8): "not a safetensors file",
        (3).to_bytes(8, "little") + b"{}": "its end is missing",
        (2).to_bytes(8, "little") + b"\xff\xfe": "the header is not UTF-8 text",
        (2).to_bytes(8, "little") + b"[]": "a header with slipstick-packed",
        raw[:-1]: "bytes missing",
    }
    header["__metadata__"] = {"slipstick-packed": 3}
    text = json.dumps(header).encode()
    cases[len(text).to_bytes(8, "little") + text + body] = "a header with slipstick-packed"
    for content, words in cases.items():
        with pytest.raises(SlipstickError, match=words):
            parse_packed(content)
    damaged = bytearray(raw)
    damaged[-1] ^= 1
    with pytest.raises(SlipstickError, match="damaged: the digest is of other contents"):
        parse_packed(bytes(damaged))


def test_eight_axes_and_tensors_of_nothing_are_kept(tmp_path: Path) -> None:
    shapes = [(1, 1, 1, 1, 1, 1, 3, 2), (0, 4), ()]
    tensors = {str(shape): Int(8).encode(np.ones(shape)) for shape in shapes}
    write_packed(tmp_path / "w", tensors)
    assert [encoded.shape for encoded in read_packed(tmp_path / "w").values()] == shapes


def test_types_that_the_file_does_not_know_are_refused(tmp_path: Path) -> None:
    wide = Encoded(Int(8), (1,), np.zeros(1, np.uint8), {"scale": np.zeros(1)})
    for call in (lambda: stored_bytes({"w": wide}), lambda: write_packed(tmp_path / "x", {"w": wide})):
        with pytest.raises(SlipstickError, match=r"w.scale: not a type of the file; got 'float64'; allowed: F32, I32"):
            call()


@pytest.fixture
def short(raw: bytes) -> bytes:
    """Return the file as version 1 of short files has it: the container with its header deflated."""
    start = 8 + int.from_bytes(raw[:8], "little")
    header = zlib.compress(raw[8:start].rstrip(), 9)
    return b"".join([b"slipzip1", len(header).to_bytes(4, "little"), header, raw[start:]])


@pytest.fixture
def compact(tmp_path: Path) -> bytes:
    assert write_packed(tmp_path / "s", TENSORS, REST, short=True) == (tmp_path / "s").stat().st_size
    return (tmp_path / "s").read_bytes()


@pytest.mark.parametrize("kind", ["short", "compact"])
def test_small_files_come_back(request: pytest.FixtureRequest, kind: str) -> None:
    small = request.getfixturevalue(kind)
    assert is_packed(small)
    tensors, rest = parse_packed_network(small)
    assert rest == REST
    assert list(tensors) == list(TENSORS)
    for name, encoded in TENSORS.items():
        assert tensors[name].encoding == encoded.encoding
        np.testing.assert_array_equal(encoded.encoding.decode(tensors[name]), encoded.encoding.decode(encoded))
    assert tensors["c"].side["pool"] is tensors["d"].side["pool"]


def test_a_compact_file_by_hand(compact: bytes, raw: bytes) -> None:
    from slipstick.formats.compact_file import _DICTIONARY

    size = int.from_bytes(compact[8:12], "little")
    inflate = zlib.decompressobj(wbits=-15, zdict=_DICTIONARY)
    tensors, rest = json.loads(inflate.decompress(compact[12 : 12 + size]))
    assert compact[:8] == b"slipzip2"
    assert compact[-32:] == hashlib.sha256(compact[:-32]).digest()
    assert [row[:3] for row in tensors] == [[n, e.encoding.name, list(e.shape)] for n, e in TENSORS.items()]
    shifts = {"shifts": ["uint8", [3]], "codes": len(TENSORS["b"].codes)}
    assert [row[3:] for row in tensors] == [[], [shifts], [], [{"pool": 2}]]
    body = b""
    for number, encoded in enumerate(TENSORS.values()):
        body += encoded.codes.tobytes()
        for key in sorted(encoded.side, key=lambda key: key == "shifts"):
            body += b"" if number == 3 and key == "pool" else encoded.side[key].tobytes()
    deflated = zlib.compress(REST.file, 9)
    assert rest == [".onnx", len(deflated)]
    assert compact[12 + size : -32] == body + deflated
    assert size < 150, "header of four tensors and a network"
    assert len(raw) - len(compact) > 1000


def test_a_side_array_is_stored_in_fp16_where_that_changes_nothing(tmp_path: Path) -> None:
    tensor = TENSORS["c"]
    sizes = {}
    for name, scale in (("half", [0.5, 2.0**-20, 3.0]), ("single", [0.5, 0.1, 3.0]), ("large", [0.5, 70000.0, 3.0])):
        side = {**tensor.side, "scale": np.array(scale, np.float32)}
        sizes[name] = write_packed(
            tmp_path / name, {"c": Encoded(tensor.encoding, (3, 8), tensor.codes, side)}, short=True
        )
        back = read_packed(tmp_path / name)["c"].side["scale"]
        assert back.dtype == np.float32
        np.testing.assert_array_equal(back, side["scale"])
    assert sizes["large"] == sizes["single"]
    assert sizes["single"] - sizes["half"] < 6, "the mark takes a few bytes of the header"
    assert sizes["half"] != sizes["single"]


@pytest.mark.parametrize("kind", ["short", "compact"])
def test_a_small_file_that_is_cut_changed_or_hostile_is_one_error(
    request: pytest.FixtureRequest, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = request.getfixturevalue(kind)
    size = int.from_bytes(small[8:12], "little")
    broken = [small[:place] for place in range(8, len(small), 7)]
    broken += [small[:place] + bytes([small[place] ^ 4]) + small[place + 1 :] for place in range(8, len(small), 5)]
    broken += [small + b"x", small[:8] + (2**32 - 1).to_bytes(4, "little") + small[12:]]
    packer = zlib.compressobj(9, wbits=15 if kind == "short" else -15)
    many = packer.compress(b"[" * 3_000_000) + packer.flush()
    broken += [small[:8] + len(many).to_bytes(4, "little") + many + small[12 + size :]]
    monkeypatch.setattr("slipstick.formats.packed_file._MAX_HEADER", 2**21)  # the last one inflates to more
    monkeypatch.setattr("slipstick.formats.compact_file._MAX_HEADER", 2**21)
    for content in broken:
        with pytest.raises(SlipstickError) as caught:
            parse_packed(content)
        assert "\n" not in str(caught.value)


def rewritten(compact: bytes, header: Any) -> bytes:
    """Return a compact file with another header, its digest right again."""
    size = int.from_bytes(compact[8:12], "little")
    packer = zlib.compressobj(9, wbits=-15)
    deflated = packer.compress(json.dumps(header).encode()) + packer.flush()
    whole = compact[:8] + len(deflated).to_bytes(4, "little") + deflated + compact[12 + size : -32]
    return whole + hashlib.sha256(whole).digest()


ROWS = [
    ["a", "int8:symmetric=false,axis=0", [3, 8]],
    ["b", "swis:shifts=3,group=4", [3, 8], {"shifts": ["uint8", [3]], "codes": len(TENSORS["b"].codes)}],
    ["c", "pool:size=4,vector=8", [3, 8]],
    ["d", "pool:size=4,vector=8", [5, 8], {"pool": 2}],
]


@pytest.mark.parametrize(
    ("place", "row"),
    [
        (0, ["a", "int8:axis=0", [2**30, 2**30]]),
        (0, ["a", "int8:axis=0", [-3, 8]]),
        (0, ["a", "int8:axis=0", [3, True]]),
        (0, ["a", "int8:axis=0", [1] * 9]),
        (0, ["a", "int8:axis=0", "3"]),
        (0, ["a", "int8:axis=0", [2**15, 2**15]]),
        (0, ["a", "swis:99", [3, 8]]),
        (0, ["a", 8, [3, 8]]),
        (0, ["a", "int8:axis=0"]),
        (0, ["a", "int8:axis=0", [3, 8], {"other": 0}]),
        (0, {"a": 1}),
        (1, ["a", "swis:3", [3, 8]]),
        (1, ["b", "swis:3", [3, 8]]),
        (1, ["b", "swis:3", [3, 8], {"shifts": ["object", [3]], "codes": len(TENSORS["b"].codes)}]),
        (1, ["b", "swis:3", [3, 8], {"shifts": ["uint8", [-3]], "codes": len(TENSORS["b"].codes)}]),
        (1, ["b", "swis:3", [3, 8], {"shifts": ["uint8", [3]], "codes": -1}]),
        (3, ["d", "pool:size=4,vector=8", [5, 8], {"pool": 3}]),
        (3, ["d", "pool:size=4,vector=8", [5, 8], {"pool": -1}]),
        (3, ["d", "pool:size=4,vector=8", [5, 8], {"pool": 0}]),
        (3, ["d", "pool:size=8,vector=4", [5, 8], {"pool": 2}]),
        (3, ["d", "pool:size=4,vector=8", [5, 8], {"scale": 2}]),
        (3, ["d", "pool:size=4,vector=8", [5, 8], {"pool": "F16"}]),
    ],
)
def test_hostile_headers_of_compact_files_are_one_error(compact: bytes, place: int, row: Any) -> None:
    rest = [".onnx", len(zlib.compress(REST.file, 9))]
    good = [[name, TENSORS[name].encoding.name, *more] for name, _, *more in ROWS]
    assert list(parse_packed(rewritten(compact, [good, rest]))) == list(TENSORS)
    changed_rows = [*good]
    changed_rows[place] = row
    for header in ([changed_rows, rest], [good, [".onnx", 2**40]], [good, 3], good, {"a": 1}, [good, rest, 1]):
        with pytest.raises(SlipstickError) as caught:
            parse_packed(rewritten(compact, header))
        assert "\n" not in str(caught.value)
