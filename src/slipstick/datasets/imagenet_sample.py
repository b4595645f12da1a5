"""One picture of each of ImageNet's 1,000 classes: a zip file of JPEGs, and a table of the classes' names."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from pathlib import Path

import numpy as np

from slipstick.core.errors import SlipstickError
from slipstick.core.files import read_text
from slipstick.datasets.image_files import decode
from slipstick.datasets.images import DataSet, Images
from slipstick.datasets.npz_file import BROKEN

SIDE = 224  # pixels: the usual input of networks for ImageNet
CLASSES = 1000  # of ImageNet's challenge
MAX_ENTRY = 2**22  # bytes of one JPEG: these have about 14 kB
MAX_ENTRIES = 50_000  # ImageNet's whole validation set: 7.5 GB unpacked
_NAME = re.compile(r"(?:.*/)?(\d{4})_n\d{8}\.jpe?g")


def imagenet_sample(folder: Path) -> DataSet:
    """Return the pictures of images_224.zip as a test set, without any to train on.

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
    found = sorted((int(match[1]), entry.filename, entry) for entry, match in matches if match)
    if not 0 < len(found) <= MAX_ENTRIES:
        raise SlipstickError(f"{len(found)} pictures named NNNN_nXXXXXXXX.jpg", path=path, allowed="1 to 50000")
    images = np.empty((len(found), SIDE, SIDE, 3), np.uint8)
    for number, (_, name, entry) in enumerate(found):
        with archive.open(entry) as file:
            raw = file.read(MAX_ENTRY + 1)
        if len(raw) > MAX_ENTRY:
            raise SlipstickError("the picture is too large", path=f"{path}: {name}", allowed=f"{MAX_ENTRY} bytes")
        images[number] = decode(raw, where=f"{path}: {name}", size=SIDE)
    return Images(images, np.array([label for label, *_ in found], np.int64))


def _names(path: Path) -> tuple[str, ...]:
    rows = list(csv.DictReader(io.StringIO(read_text(path))))
    if [row.get("index") for row in rows] != [str(number) for number in range(CLASSES)]:
        raise SlipstickError("not the 1,000 classes in order", path=str(path), allowed="columns index, synset, name")
    return tuple(row["name"] or "" for row in rows)
