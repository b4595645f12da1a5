"""Validation suites that the fabric simulators replay."""
