"""Draws are uniform or normal, and independent between streams and between rows."""

import duckdb
import pytest

from ab_pipeline.sample_data.draws import standard_normal, uniform

DRAWS = 200_000
FIVE_SIGMA = 5 / DRAWS**0.5


def measure(expression: str) -> float:
    sql = f"select {expression} from range({DRAWS}) as row(k)"
    with duckdb.connect() as connection:
        return connection.execute(sql).fetchall()[0][0]


def test_uniform_draws_fill_the_unit_interval_evenly() -> None:
    draw = uniform(1, "a", "k")
    assert measure(f"min({draw})") >= 0
    assert measure(f"max({draw})") < 1
    for share in (0.01, 0.5, 0.9):
        assert measure(f"avg(({draw} < {share})::integer)") == pytest.approx(share, abs=FIVE_SIGMA)


@pytest.mark.parametrize(
    "other",
    [uniform(1, "b", "k"), uniform(2, "a", "k"), uniform(1, "a", "k + 1"), uniform(1, "a", "k", "1")],
    ids=["stream", "seed", "row", "keys"],
)
@pytest.mark.parametrize("share", [0.5, 0.125])
def test_draws_that_differ_in_anything_are_independent(other: str, share: float) -> None:
    both = measure(f"corr(({uniform(1, 'a', 'k')} < {share})::integer, ({other} < {share})::integer)")
    assert both == pytest.approx(0, abs=FIVE_SIGMA)


def test_normal_draws_have_mean_zero_deviation_one_and_normal_tails() -> None:
    draw = standard_normal(1, "a", "k")
    assert measure(f"avg({draw})") == pytest.approx(0, abs=FIVE_SIGMA)
    assert measure(f"stddev({draw})") == pytest.approx(1, abs=FIVE_SIGMA)
    assert measure(f"avg((abs({draw}) < 1.959964)::integer)") == pytest.approx(0.95, abs=FIVE_SIGMA)
