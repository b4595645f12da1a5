"""Collective algorithms, one per file; `by_name` returns the schedule of a collective by algorithm and collective."""
