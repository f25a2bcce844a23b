"""The doors into other systems: Pyomo's factories and transformations, CVXPY's solve methods."""
