"""The nouns of slipstick, Workload x System x Plan -> Report; imports no other package of slipstick."""
