"""What `doctor` and `watch` both look at, each judged in one place."""
