"""SQL for the users: who they are, and which variants they are in."""

from __future__ import annotations

from itertools import accumulate

from ab_pipeline.raw_data.contract import USER_EVENT
from ab_pipeline.sample_data.draws import uniform
from ab_pipeline.sample_data.spec import SampleSpec

_UNKNOWN_TO_METADATA = 0.02
_AGES = {"18-24": 0.18, "25-34": 0.28, "35-44": 0.21, "45-54": 0.14, "55-64": 0.09, "65+": 0.05}
_GENDERS = {"female": 0.47, "male": 0.43, "other": 0.03}  # what is missing from 1 is NULL, as in `_AGES`


def metadata_query(spec: SampleSpec) -> str:
    """One row per known user, as `user_metadata` has it."""
    return f"""
        select
            user_id,
            {_category(uniform(spec.seed, "age", "user_id"), _AGES)} as age,
            {_category(uniform(spec.seed, "gender", "user_id"), _GENDERS)} as gender,
            timestamp '{spec.first_day}'
                - to_seconds(floor({uniform(spec.seed, "profile", "user_id")} * 365 * 86400)) as updated_at
        from range(1, {spec.users + 1}) as known(user_id)
        where {uniform(spec.seed, "known", "user_id")} >= {_UNKNOWN_TO_METADATA}
    """


def allocation_ctes(spec: SampleSpec) -> str:
    """The CTEs `arm` and `allocation`: one row per user and variant that hashing puts the user in.

    Each experiment cuts [0, 1) into one bucket per arm, together as long as its allocation.
    """
    return f"""
        arm(experiment_id, start_date, end_date, variant_id, bucket_start, bucket_end,
            click_factor, purchase_factor, amount_factor, recorded_share) as (values {_arms(spec)}),

        allocation as (
            select arm.*, member.user_id
            from range(1, {spec.users + 1}) as member(user_id)
            cross join arm
            where {uniform(spec.seed, "bucket", "experiment_id", "user_id")} >= bucket_start
                and {uniform(spec.seed, "bucket", "experiment_id", "user_id")} < bucket_end
        )
    """


def variant_query(spec: SampleSpec) -> str:
    """One row per recorded assignment, as `user_variant` has it.

    Who was active before the experiment is assigned at its start, others at their first event; who
    came after its end is not assigned.
    """
    return f"""
        with {allocation_ctes(spec)},

        first_event as (
            select user_id, min(datestamp) as first_event_at
            from {USER_EVENT.relation}
            group by user_id
        )

        select
            user_id,
            variant_id,
            greatest(first_event_at, start_date::timestamp) as assigned_at
        from allocation
        inner join first_event using (user_id)
        where first_event_at < end_date + 1
            and start_date <= date '{spec.end_date}'
            and {uniform(spec.seed, "recorded", "experiment_id", "user_id")} < recorded_share
        order by assigned_at, user_id, variant_id
    """


def _category(draw: str, shares: dict[str, float]) -> str:
    cases = " ".join(
        f"when {draw} < {upper} then '{label}'"
        for label, upper in zip(shares, accumulate(shares.values()), strict=True)
    )
    return f"case {cases} end"


def _arms(spec: SampleSpec) -> str:
    rows: list[str] = []
    for experiment in spec.experiments:
        ends = accumulate(variant.expected_weight * experiment.allocation for variant in experiment.variants)
        start = 0.0
        for variant, end in zip(experiment.variants, ends, strict=True):
            rows.append(
                f"('{experiment.experiment_id}', date '{experiment.start_date}',"
                f" date '{experiment.end_date}', '{variant.variant_id}', {start}, {end},"
                f" {1 + variant.click_rate_lift}::double, {1 + variant.purchase_rate_lift}::double,"
                f" {1 + variant.amount_lift}::double, {variant.recorded_share})"
            )
            start = end
    return ", ".join(rows)
