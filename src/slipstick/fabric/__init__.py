"""Fabrics in events: topologies, routing, collectives, switches, and flows that share every link."""
