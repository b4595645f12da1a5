"""Published and measured figures of arrays compared with ours, one validation suite per module."""
