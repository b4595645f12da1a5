"""Seconds of collective operations in closed form: algorithms, a hierarchy of links, the network of a system."""
