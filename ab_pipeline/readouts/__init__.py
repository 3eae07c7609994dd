"""Read-outs of the warehouse: its sums go into the pure functions of `experiments`, their results back into tables."""
