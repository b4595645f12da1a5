"""slipstick: how a neural network will run on hardware that you do not have yet."""

__version__ = "0.1.0"
