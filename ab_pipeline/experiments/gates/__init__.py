"""Questions that the data has to answer before an experiment's is asked: pure functions of counts."""
