"""Number formats, one family a file."""
