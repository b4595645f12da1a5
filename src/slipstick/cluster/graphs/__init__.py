"""Operator graphs on a cluster: data-parallel training and inference of networks that are no decoders."""
