"""ImageNet sample: one image per class of the 1,000, from a zip file of JPEGs and a table of class names."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from pathlib import Path

import numpy as np

from slipstick.core.errors import SlipstickError
from slipstick.core.files import read_text
from slipstick.datasets.image_files import _decode_picture
from slipstick.datasets.images import DataSet, Images
from slipstick.datasets.npz_file import BROKEN

_SIDE = 224  # pixels: the usual input of networks for ImageNet
_CLASSES = 1000  # of ImageNet's challenge
_MAX_JPEG_BYTES = 2**22  # these have about 14 kB
_MAX_PICTURES = 50_000  # ImageNet's whole validation set: 7.5 GB unpacked
_NAME = re.compile(r"(?:.*/)?(\d{4})_n\d{8}\.jpe?g")


def _imagenet_sample(folder: Path) -> DataSet:
    """Return the data set of images_224.zip: 1,000 test images, without training images.

    They come from ImageNet's training images: quote differences between networks, not accuracies.
    """
    path = folder / "images_224.zip"
    try:
        with zipfile.ZipFile(path) as archive:
            test = _read(archive, str(path))
    except BROKEN as error:
        raise SlipstickError(f"not a usable zip file: {error}", path=str(path)) from None
    except OSError as error:
        raise SlipstickError(error.strerror or "cannot be read", path=str(path)) from None
    nothing = test.take(slice(0))
    return DataSet("imagenet-sample", nothing, test, _names(folder / "labels.csv"), "one training image a class")


def _read(archive: zipfile.ZipFile, path: str) -> Images:
    matches = [(entry, _NAME.fullmatch(entry.filename)) for entry in archive.infolist()]
    pictures = sorted((int(match[1]), entry.filename, entry) for entry, match in matches if match)
    if not 0 < len(pictures) <= _MAX_PICTURES:
        raise SlipstickError(f"{len(pictures)} pictures named NNNN_nXXXXXXXX.jpg", path=path, allowed="1 to 50000")
    images = np.empty((len(pictures), _SIDE, _SIDE, 3), np.uint8)
    for number, (_, name, entry) in enumerate(pictures):
        with archive.open(entry) as file:
            raw = file.read(_MAX_JPEG_BYTES + 1)
        if len(raw) > _MAX_JPEG_BYTES:
            raise SlipstickError("the picture is too large", path=f"{path}: {name}", allowed=f"{_MAX_JPEG_BYTES} bytes")
        images[number] = _decode_picture(raw, where=f"{path}: {name}", size=_SIDE)
    return Images(images, np.array([label for label, *_ in pictures], np.int64))


def _names(path: Path) -> tuple[str, ...]:
    rows = list(csv.DictReader(io.StringIO(read_text(path))))
    if [row.get("index") for row in rows] != [str(number) for number in range(_CLASSES)]:
        raise SlipstickError("not the 1,000 classes in order", path=str(path), allowed="columns index, synset, name")
    return tuple(row["name"] or "" for row in rows)
