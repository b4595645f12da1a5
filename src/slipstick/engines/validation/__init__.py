"""Validation suites that need several of the model packages; importing a module here registers its suite."""
