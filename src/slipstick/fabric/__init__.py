"""Event simulation of networks: topologies, routing, collectives, switches, and flows that share links."""
