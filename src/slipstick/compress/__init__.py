"""Compression of trained networks: sensitivities, schedules of shifts, bias correction, pools, retraining."""
