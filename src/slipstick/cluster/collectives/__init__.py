"""Time of collective operations [s] in closed form: algorithms, the hierarchy of links, the network of a system."""
