"""AO part 1: association and offloading with the resources fixed on all pairs, one formulation a file."""
