"""A file with one row per user, read into the sums that the read-out needs."""
