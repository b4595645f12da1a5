"""Trained networks, on which accuracy is measured and which are compressed: from ONNX, .tflite and torch files."""

from __future__ import annotations

from slipstick.trained.network import TrainedNetwork, WeightLayer, right_answers
from slipstick.trained.open import open_network

__all__ = ["TrainedNetwork", "WeightLayer", "open_network", "right_answers"]
