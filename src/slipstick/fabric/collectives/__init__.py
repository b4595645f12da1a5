"""Collective algorithms, one a file: each returns the `Schedule` of its messages."""
