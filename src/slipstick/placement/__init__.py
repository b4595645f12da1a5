"""Operators onto devices: integer programs, their checks, and pipeline partition."""
