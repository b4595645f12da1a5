"""Compression of trained networks: sensitivities, shift schedules, bias correction, shared pools, retraining."""
