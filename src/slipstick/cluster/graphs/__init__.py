"""Operator graphs (networks other than decoders) on a cluster: data-parallel training and inference."""
