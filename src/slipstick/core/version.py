"""The version of slipstick, which is part of every report and of the hash of its inputs."""

__version__ = "0.1.0"
