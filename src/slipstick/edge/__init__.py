"""Boards with microcontrollers: memories and latency, kernels in C, the firmware of a network and its emulation."""
