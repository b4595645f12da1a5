"""Collective algorithms, one a file; `by_name` finds the schedule of a collective by both names."""
