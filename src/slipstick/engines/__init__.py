"""Engines that answer questions: from what a user writes to a Workload, System and Plan, and what joins two domains."""
