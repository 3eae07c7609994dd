"""Families of p-values against statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from ab_pipeline.experiments.multiplicity import benjamini_hochberg, holm

P_VALUES = st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=12)


@settings(max_examples=15, deadline=None)
@given(P_VALUES, st.sampled_from([(holm, "holm"), (benjamini_hochberg, "fdr_bh")]))
def test_adjusted_as_by_statsmodels_and_tests_that_were_not_made_stay_out(p_values: list, method: tuple) -> None:
    adjust, name = method
    made = [p for p in p_values if p is not None]
    expected = iter(np.array(multipletests(made, method=name)[1]).tolist() if made else [])
    assert adjust(p_values) == [None if p is None else pytest.approx(next(expected)) for p in p_values]
