"""A training step in closed form: layers, messages, pipeline stages, optimizer and memory, over arrays of plans."""
