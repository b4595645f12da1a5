"""Systems with crossbars: a YAML file each."""
