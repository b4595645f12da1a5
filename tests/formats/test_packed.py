"""Packed files: a network's formats in one file; damaged and hostile files give one clear error each."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest

from slipstick.core.encoding import Encoded
from slipstick.core.errors import SlipstickError
from slipstick.formats import Int, Pool, Round, Swis, encoding_of
from slipstick.formats.packed_file import KEY, parse_packed, read_packed, write_packed
from slipstick.formats.pool_vectors import _fit_pool

RNG = np.random.default_rng(0)
CONV, DENSE = RNG.normal(size=(6, 3, 3, 8)), RNG.normal(size=(5, 16))
DEPTHWISE = RNG.normal(size=(7, 3, 3, 1))


def network() -> dict[str, Encoded]:
    pool, kernels = _fit_pool([CONV, DENSE], 16), _fit_pool([CONV, DEPTHWISE], 16, 9, kind="xy")
    return {
        "first": Int(8, axis=0).encode(CONV),
        "conv": Swis(3).encode(CONV, {"shifts": np.array([1, 2, 3, 4, 5, 7])}),
        "windows": Round(3).encode(CONV, {"shifts": np.array([7, 2, 3, 1, 5, 4])}),
        "pooled": Pool(16).encode(CONV, {"pool": pool}),
        "dense": Pool(16).encode(DENSE, {"pool": pool}),
        "kernels": Pool(16, 9, kind="xy").encode(CONV, {"pool": kernels}),
        "depthwise": Pool(16, 9, kind="xy").encode(DEPTHWISE, {"pool": kernels}),
        "blocks": encoding_of("nvfp4").encode(DENSE),
    }


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("packed") / "net.safetensors"
    assert write_packed(path, network()) == path.stat().st_size
    return path.read_bytes()


def test_a_network_comes_back_and_the_pool_is_stored_once(raw: bytes) -> None:
    found, wanted = parse_packed(raw), network()
    assert list(found) == list(wanted)
    for name, encoded in wanted.items():
        assert found[name].encoding == encoded.encoding
        assert found[name].shape == encoded.shape
        assert found[name].nbytes == encoded.nbytes
        np.testing.assert_array_equal(encoded.encoding.decode(found[name]), encoded.encoding.decode(encoded))
    assert found["pooled"].side["pool"] is found["dense"].side["pool"]
    assert found["kernels"].side["pool"] is found["depthwise"].side["pool"] is not found["dense"].side["pool"]


def test_safetensors_reads_the_arrays(raw: bytes) -> None:
    load = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed").load
    arrays = load(raw)
    np.testing.assert_array_equal(arrays["conv.codes"], network()["conv"].codes)


def test_every_truncation_is_one_error(raw: bytes) -> None:
    for length in [*range(64), *range(64, len(raw), 37), len(raw) - 1]:
        with pytest.raises(SlipstickError):
            parse_packed(raw[:length])
    with pytest.raises(SlipstickError):
        parse_packed(raw + b"\0")


def test_every_flipped_bit_is_one_error(raw: bytes) -> None:
    for bit in RNG.choice(8 * len(raw), 1500, replace=False):
        damaged = bytearray(raw)
        damaged[bit // 8] ^= 1 << int(bit) % 8
        with pytest.raises(SlipstickError) as caught:
            parse_packed(bytes(damaged))
        assert "\n" not in str(caught.value)


def rewritten(raw: bytes, change) -> bytes:
    """The file with its description changed, its digest right again."""
    import hashlib

    size = int.from_bytes(raw[:8], "little")
    header, body = json.loads(raw[8 : 8 + size]), raw[8 + size :]
    about = json.loads(header["__metadata__"][KEY])
    change(about["tensors"], header)
    text = json.dumps(about)
    digest = hashlib.sha256(text.encode() + body).hexdigest()
    header["__metadata__"] = {KEY: text, "slipstick-sha256": digest}
    coded = json.dumps(header).encode()
    return len(coded).to_bytes(8, "little") + coded + body


def hostile() -> Iterator[tuple[str, object]]:
    def entry(key: str, value: object) -> object:
        return lambda tensors, header: tensors["conv"].update({key: value})

    yield "huge shape", entry("shape", [2**30, 2**30])
    yield "negative shape", entry("shape", [-6, 72])
    yield "text shape", entry("shape", "6")
    yield "many axes", entry("shape", [1] * 9)
    yield "another shape", entry("shape", [6, 3, 3, 12])
    yield "other filters", entry("shape", [3, 3, 3, 16])
    yield "boolean shape", entry("shape", [True, 72])
    yield "unknown format", entry("format", "swis:99")
    yield "another format", entry("format", "swis:3,group=5")
    yield "no text", entry("format", {"a": 1})
    yield "missing codes", entry("codes", "nothing")
    yield "codes of others", entry("codes", "conv.scale")
    yield "no side", entry("side", {})
    yield "wrong side", entry("side", {"scale": "conv.codes"})
    yield "list side", entry("side", [1])
    yield "offsets", lambda tensors, header: header["conv.codes"].update(data_offsets=[0, 2**60])
    yield "huge array", lambda tensors, header: header["conv.codes"].update(shape=[2**40])
    yield "array type", lambda tensors, header: header["conv.codes"].update(dtype="O")
    yield "other kernels", lambda tensors, header: tensors["kernels"].update(shape=[6, 8, 3, 3])
    yield (
        "kernels as channels",
        lambda tensors, header: tensors["kernels"].update(format="pool:size=16,vector=8,kind=xy"),
    )
    yield "pool of floats", lambda tensors, header: tensors["dense"]["side"].update(pool="conv.scale")


@pytest.mark.parametrize(("name", "change"), list(hostile()), ids=lambda value: value if isinstance(value, str) else "")
def test_hostile_files_are_one_error(raw: bytes, name: str, change) -> None:
    assert parse_packed(rewritten(raw, lambda tensors, header: None))
    with pytest.raises(SlipstickError) as caught:
        parse_packed(rewritten(raw, change))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"x" * 100, (2**62).to_bytes(8, "little") + b"{}", b"\x02" + b"\0" * 7 + b"[]"]
)
def test_other_files_are_one_error(content: bytes) -> None:
    with pytest.raises(SlipstickError):
        parse_packed(content)


def test_nothing_is_half_written(tmp_path) -> None:
    with pytest.raises(SlipstickError, match="not a type"):
        write_packed(tmp_path / "x", {"w": Encoded(Int(8), (1,), np.zeros(1, np.uint8), {"scale": np.zeros(1)})})
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SlipstickError, match="no such file"):
        read_packed(tmp_path / "x")
