"""Engines, the models that answer a Workload, System and Plan, and the code that joins two domains."""
