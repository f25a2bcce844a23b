"""An example of a package that extends dashf-pyomo; its modules register what they hold when they are imported."""
