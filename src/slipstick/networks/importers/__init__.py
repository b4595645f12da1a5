"""Importers of networks as sizes: ONNX files and torch modules, read as operator graphs."""
