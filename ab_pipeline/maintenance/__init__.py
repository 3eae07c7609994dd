"""Operations on Dagster itself: what it stores is backed up, restored, and moved."""
