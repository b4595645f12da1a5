"""Studies of the paper behind the cluster model, each with a picture."""
