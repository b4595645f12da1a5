"""Constants of the cluster models, one set per device generation, link technology or serving engine, from data/."""
