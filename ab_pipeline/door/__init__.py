"""The door in front of Dagster's web server: who is there, what they may do, and what they did."""
