"""Published and measured rows, replayed: one reference format a file."""
