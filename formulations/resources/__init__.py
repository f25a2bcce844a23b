"""AO part 2: bandwidth, powers and speeds with association and offloading fixed, one formulation a file."""
