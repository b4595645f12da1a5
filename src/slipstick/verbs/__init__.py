"""Verbs in Python, which the command line calls; `slipstick` exports them by name."""
