"""Networks from files and modules of others: ONNX files and torch modules, as operator graphs of sizes."""
