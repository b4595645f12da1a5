"""Reports, the result of every verb: metrics with unit and source, tables, findings; as text, JSON and HTML."""
