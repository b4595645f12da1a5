"""Constants of the cluster models, a set for each generation, technology or serving engine, read from data/."""
