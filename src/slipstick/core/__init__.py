"""The vocabulary: Workload x System x Plan -> Report. Imports nothing else of ours."""
