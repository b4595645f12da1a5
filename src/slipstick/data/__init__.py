"""Numbers as data: YAML only, each with a unit and a source."""
