"""Inference of decoders in closed form: prefill, decode, whole requests, and serving engines under load."""
