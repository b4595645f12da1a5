"""Suites that need more than one of the model packages: importing a module registers it."""
