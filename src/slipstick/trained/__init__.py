"""Networks with weights: what accuracy is measured on and what is compressed, from ONNX, .tflite and torch."""
