"""Look-up of data sets by name, or by the path of a user's own files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from slipstick.core.errors import SlipstickError
from slipstick.datasets.cifar import BATCHES, _from_binary, _from_jpeg
from slipstick.datasets.classes import DIGITS, FASHION
from slipstick.datasets.data_folder import _find_files
from slipstick.datasets.digits import _digits
from slipstick.datasets.image_folder import _from_folder
from slipstick.datasets.imagenet_sample import _imagenet_sample
from slipstick.datasets.images import DataSet
from slipstick.datasets.mnist import _from_idx, _from_npz, _has_idx


@dataclass(frozen=True)
class _NamedDataSet:
    """Data set of the catalogue: description, licence, reader, file locations, and how to obtain it."""

    about: str
    licence: str
    read: Callable[[Path], DataSet]
    places: tuple[str, ...] = ()
    cure: str = ""


_SET_VARIABLE = "name the folder above it in SLIPSTICK_DATA"


def _mnist(path: Path) -> DataSet:
    if path.is_file():
        return _from_npz(path, "mnist", about="MNIST, first 3,000 test images")
    return _from_idx(path, "mnist", DIGITS, "MNIST")


KNOWN: dict[str, _NamedDataSet] = {
    "digits": _NamedDataSet(
        "1,797 handwritten digits, 8 x 8 grey, of scikit-learn: no download",
        "CC BY 4.0 (UCI Machine Learning Repository)",
        lambda _: _digits(),
    ),
    "mnist": _NamedDataSet(
        "handwritten digits, 28 x 28 grey, 60,000 to train, 10,000 to test (3,000 in mnist_63k.npz)",
        "CC BY-SA 3.0, as it is usually distributed",
        _mnist,
        ("mnist/mnist_63k.npz", "mnist", "MNIST/raw"),
        f"put its four idx files into a folder mnist and {_SET_VARIABLE}",
    ),
    "fashion-mnist": _NamedDataSet(
        "10 kinds of clothing, 28 x 28 grey, 60,000 to train, 10,000 to test",
        "MIT",
        lambda folder: _from_idx(folder, "fashion-mnist", FASHION, "Fashion-MNIST"),
        ("fashion-mnist", "FashionMNIST/raw"),
        f"on Debian: apt install dataset-fashion-mnist; else put its four idx files there and {_SET_VARIABLE}",
    ),
    "cifar10": _NamedDataSet(
        "10 kinds of things, 32 x 32 RGB, 50,000 to train, 10,000 to test; the original binary version",
        "none stated; cite Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
        _from_binary,
        ("cifar-10-batches-bin", "cifar10"),
        f"unpack cifar-10-binary.tar.gz of its authors there and {_SET_VARIABLE}",
    ),
    "cifar10-jpeg": _NamedDataSet(
        "CIFAR-10 as JPEG copies: not the original's pixels",
        "none stated; cite the same report, and say that these are the JPEG copies",
        _from_jpeg,
        ("cifar10_jpeg/cifar10_jpeg.npz", "cifar10_jpeg.npz"),
        _SET_VARIABLE,
    ),
    "imagenet-sample": _NamedDataSet(
        "one picture of each of ImageNet's 1,000 classes, 224 x 224 RGB, to test only",
        "the images' owners', for non-commercial research and education",
        _imagenet_sample,
        ("imagenet_sample_1000",),
        _SET_VARIABLE,
    ),
}


def names() -> dict[str, str]:
    """Return the names of the catalogue's data sets, with their descriptions."""
    return {name: known.about for name, known in KNOWN.items()}


def data_set(spec: str | Path | DataSet, *, root: str | Path | None = None, size: int | None = None) -> DataSet:
    """Return the data set of a name, or of the path of a user's files.

    Parameters
    ----------
    spec : a name (see `names`); the path of a folder with pictures, idx files or CIFAR's binary batches; that of an npz
        file with train_image, train_label, test_image and test_label; or a DataSet, which is returned as it is.
    root : the folder of the named sets' files; the environment variable SLIPSTICK_DATA unless given.
    size : the side [pixels] to which a folder's pictures are brought (see `_from_folder`).

    Errors
    ------
    SlipstickError for an unknown name (with the nearest), files that are missing (with how to get them) or broken.

    Examples
    --------
    >>> data_set("digits").classes[:3]
    ('0', '1', '2')
    """
    if isinstance(spec, DataSet):
        return spec
    known = KNOWN.get(str(spec).strip().casefold())
    if known is not None:
        name = str(spec).strip().casefold()
        return known.read(_find_files(name, known.places, root=root, cure=known.cure) if known.places else Path())
    path = Path(spec).expanduser()
    if not path.exists():
        raise SlipstickError("no such data set, file or folder", path="data", value=str(spec), allowed=KNOWN)
    return _own(path, size)


def _own(path: Path, size: int | None) -> DataSet:
    if path.is_file():
        if path.suffix != ".npz":
            raise SlipstickError(
                "not a data set", path=str(path), value=path.suffix, allowed="a folder, or an npz file"
            )
        return _from_npz(path, path.stem)
    if _has_idx(path):
        return _from_idx(path, path.name, DIGITS)
    if (path / BATCHES[0]).exists():
        return _from_binary(path, path.name)
    return _from_folder(path, size=size)
