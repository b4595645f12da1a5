"""TensorFlow Lite files, read without TensorFlow, run in integers, and written with constants replaced in place."""

from __future__ import annotations

from slipstick.trained.tflite.patch import patch, patched
from slipstick.trained.tflite.tflite_file import parse_tflite, read_tflite

__all__ = ["parse_tflite", "patch", "patched", "read_tflite"]
