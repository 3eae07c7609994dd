"""What starts work: raw data that changed, the clock, and failures that someone must hear of."""
