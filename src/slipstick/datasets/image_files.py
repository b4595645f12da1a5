"""Decoder of compressed image files, with Pillow: sizes are checked before pixels are decoded."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require

_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "WEBP")  # the plain ones: the fewer decoders, the fewer their faults
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".pgm", ".ppm", ".webp")
_MAX_PIXELS = 2**26  # 64 M pixels, 192 MiB unpacked: more than any camera's picture


def _decode_picture(raw: bytes, *, where: str, size: int | None = None) -> NDArray[np.uint8]:
    """Return a compressed image file as RGB bytes [height, width, 3].

    Parameters
    ----------
    raw : the file's bytes.
    where : the picture's name in errors.
    size : side of a square [pixels]: the picture is scaled to it by its short side, and its middle kept.

    Errors
    ------
    SlipstickError for a file that is no picture, is broken, or has more than 64 M pixels.
    """
    image_module = require("PIL.Image", "data")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own warning of large pictures: the limit below is lower
            with image_module.open(io.BytesIO(raw), formats=_FORMATS) as picture:
                width, height = picture.size
                if width * height > _MAX_PIXELS:
                    raise SlipstickError(f"{width} x {height} pixels", path=where, allowed=f"at most {_MAX_PIXELS}")
                rgb = picture.convert("RGB")
                return np.asarray(rgb if size is None else _square(rgb, size), np.uint8)
    except SlipstickError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever their format makes them stumble over
        raise SlipstickError(f"not a usable picture: {error}", path=where) from None


def _square(picture: Any, size: int) -> Any:
    width, height = picture.size
    scale = size / min(width, height)
    wide, high = max(size, round(width * scale)), max(size, round(height * scale))
    if wide * high > _MAX_PIXELS:  # a strip one pixel high grows with the square of `size`
        raise ValueError(f"{width} x {height} pixels grow to {wide} x {high}")
    left, top = (wide - size) // 2, (high - size) // 2
    grown = picture if (wide, high) == (width, height) else picture.resize((wide, high), 3)  # 3 is bicubic
    return grown.crop((left, top, left + size, top + size))
