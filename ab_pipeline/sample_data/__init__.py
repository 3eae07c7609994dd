"""A seeded A/B-test data set with known true effects."""
