"""Which runs a clean-up removes."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ab_pipeline.maintenance.cleanup.inventory import Inventory, Place, RunFacts, Store
from ab_pipeline.maintenance.cleanup.plan import OLD, TOO_LARGE, Plan, plan_cleanup
from ab_pipeline.maintenance.cleanup.policy import NEEDED, Policy

NOW = datetime(2025, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def ended(days_ago: float | None, run_id: str = "run", job: str = "refresh", **facts: object) -> RunFacts:
    ended_at = None if days_ago is None else NOW - days_ago * DAY
    return RunFacts(**{"run_id": run_id, "job": job, "status": "SUCCESS", "ended_at": ended_at, "bytes": 10, **facts})  # type: ignore[arg-type]


def inventory(*runs: RunFacts, total: int = 0, **needed: str) -> Inventory:
    # the newest of each job stays whatever happens
    newest = [ended(0, f"newest of {job}", job) for job in {run.job for run in runs}]
    return Inventory(NOW, (Store("events", Place.DISK, total, 0),), (*runs, *newest), needed)


def removed(plan: Plan) -> dict[str, str]:
    return {removal.run.run_id: removal.reason for removal in plan.removals}


def test_a_run_goes_when_it_ended_longer_ago_than_it_is_kept() -> None:
    runs = inventory(ended(31, "old"), ended(29, "young"))
    assert removed(plan_cleanup(runs, Policy(keep_days=30))) == {"old": OLD}


def test_a_status_and_a_job_have_their_own_days_and_those_of_the_job_win() -> None:
    policy = Policy(30, keep_days_by_status={"FAILURE": 90}, keep_days_by_job={"freshness": 7})
    runs = inventory(
        ended(40, "success"),
        ended(40, "failure", status="FAILURE"),
        ended(10, "check", job="freshness"),
        ended(10, "failed check", job="freshness", status="FAILURE"),
    )
    assert removed(plan_cleanup(runs, policy)).keys() == {"success", "check", "failed check"}


def test_the_newest_runs_of_a_job_stay_however_old() -> None:
    runs = inventory(*(ended(100 + age, f"{age}", job="yearly") for age in range(5)))
    assert removed(plan_cleanup(runs, Policy(30, min_runs_per_job=3))).keys() == {"2", "3", "4"}


def test_a_run_that_has_not_finished_stays_and_counts_as_none_of_the_newest() -> None:
    runs = inventory(ended(None, "going"), ended(40, "old"), ended(50, "older"))
    plan = plan_cleanup(runs, Policy(30, min_runs_per_job=2))
    assert removed(plan).keys() == {"older"}
    assert plan.kept["not finished"] == 1


def test_what_somebody_needs_stays_with_the_reason() -> None:
    plan = plan_cleanup(inventory(ended(99, "needed"), needed="ahead of a cursor"), Policy(30))
    assert removed(plan) == {}
    assert plan.kept["ahead of a cursor"] == 1


def test_no_policy_removes_what_sensors_still_look_at() -> None:
    runs = inventory(ended(2.9, "young"), ended(3.1, "old"), total=1000)
    assert removed(plan_cleanup(runs, Policy(keep_days=0, start_at=1, stop_at=0))).keys() == {"old"}


def test_a_run_that_one_that_stays_repeats_stays_with_all_before_it() -> None:
    runs = inventory(
        ended(99, "first"), ended(98, "second", parents=("first",)), ended(1, "third", parents=("second", "first"))
    )
    assert removed(plan_cleanup(runs, Policy(30))) == {}
    assert removed(plan_cleanup(inventory(*runs.runs[:2]), Policy(30))).keys() == {"first", "second"}


def test_above_the_first_mark_the_oldest_runs_go_until_the_second() -> None:
    runs = inventory(*(ended(days, f"{days}", bytes=100) for days in (4, 5, 6, 7, 40)), total=1000)
    plan = plan_cleanup(runs, Policy(30, start_at=900, stop_at=750))
    assert removed(plan) == {"40": OLD, "7": TOO_LARGE, "6": TOO_LARGE}
    assert removed(plan_cleanup(runs, Policy(30, start_at=1000, stop_at=750))) == {"40": OLD}


def test_what_a_clean_up_cannot_make_smaller_does_not_count_towards_the_marks() -> None:
    runs = inventory(ended(5, "5", bytes=100), total=500)
    with_archive = Inventory(NOW, (*runs.stores, Store("archive", Place.DISK, 9000, 1, is_cleaned=False)), runs.runs)
    assert removed(plan_cleanup(with_archive, Policy(30, start_at=900, stop_at=400))) == {}


ANY_RUNS = st.lists(
    st.builds(
        lambda age, job, status, size, parent: (age, job, status, size, parent),
        st.none() | st.floats(0, 200),
        st.sampled_from("ab"),
        st.sampled_from(["SUCCESS", "FAILURE"]),
        st.integers(0, 100),
        st.none() | st.integers(0, 20),
    ),
    max_size=20,
)
ANY_POLICY = st.builds(
    Policy,
    st.integers(0, 100),
    st.dictionaries(st.just("FAILURE"), st.integers(0, 100)),
    st.dictionaries(st.sampled_from("ab"), st.integers(0, 100)),
    st.integers(1, 5),
    st.none() | st.integers(0, 1000),
    st.none() | st.integers(0, 1000),
)


@given(ANY_RUNS, ANY_POLICY, st.sets(st.integers(0, 20)))
def test_whatever_the_policy_nothing_that_must_stay_goes(
    drawn: list[tuple[float | None, str, str, int, int | None]], policy: Policy, needed: set[int]
) -> None:
    runs = [
        ended(age, str(number), job, status=status, bytes=size, parents=() if parent is None else (str(parent),))
        for number, (age, job, status, size, parent) in enumerate(drawn)
    ]
    facts = Inventory(NOW, (Store("events", Place.DISK, 1000, 0),), tuple(runs), {str(run): "needed" for run in needed})
    plan = plan_cleanup(facts, policy)
    going = removed(plan).keys()
    staying = [run for run in runs if run.run_id not in going]
    assert len(going) + sum(plan.kept.values()) == len(runs)
    assert not going & facts.needed.keys()
    for removal in plan.removals:
        assert removal.run.ended_at
        assert removal.run.ended_at < NOW - NEEDED
    for run in staying:
        assert not going & set(run.parents)
    for job in {run.job for run in runs}:
        finished = [run for run in runs if run.job == job and run.ended_at]
        stay = [run for run in staying if run.job == job and run.ended_at]
        assert len(stay) >= min(policy.min_runs_per_job, len(finished))
