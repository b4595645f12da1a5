"""The version of slipstick: it stands in every report, and in the hash of its inputs."""

__version__ = "0.1.0"
