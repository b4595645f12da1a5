"""Networks: definitions of their layers, and importers from the files that users have."""
