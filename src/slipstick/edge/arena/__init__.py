"""Arena of a network's tensors: lifetimes and bounds, greedy and optimal layouts, patches, order, memory tiers."""
