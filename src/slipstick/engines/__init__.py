"""What answers a question: from what a user writes to a Workload, System and Plan, and what joins two domains."""
