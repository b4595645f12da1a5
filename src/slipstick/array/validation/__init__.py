"""Published and measured figures of arrays beside ours: one suite a module."""
