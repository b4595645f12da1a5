"""Placement of operators onto devices: integer programs, independent checks, and pipeline partition."""
