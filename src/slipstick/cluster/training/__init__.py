"""Training steps in closed form over arrays of plans: layers, messages, pipeline stages, optimizer, memory."""
