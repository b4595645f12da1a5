"""Firmware of a network: its kernel calls, their memory, C text and projects for several tool chains."""
