"""The verbs in Python: what the command line calls. `slipstick` itself exports them by name."""
