"""Suites of rows that the fabric simulators replay."""
