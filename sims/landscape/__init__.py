"""Search for second-order stationary points of the factored objective."""
