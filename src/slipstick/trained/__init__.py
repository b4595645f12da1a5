"""Networks with weights: what accuracy is measured on and what is compressed, from ONNX, .tflite and torch."""

from __future__ import annotations

from slipstick.trained.network import TrainedNetwork, WeightLayer, right_answers
from slipstick.trained.open import open_network

__all__ = ["TrainedNetwork", "WeightLayer", "open_network", "right_answers"]
