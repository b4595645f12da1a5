"""Training on a wafer: strategies, traffic patterns, I/O controllers, one iteration as a graph of tasks."""
