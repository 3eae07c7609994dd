"""SQL for the events: sessions of impressions, some clicked, some of those bought."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from ab_pipeline.sample_data.draws import standard_normal, uniform
from ab_pipeline.sample_data.spec import SampleSpec
from ab_pipeline.sample_data.users import allocation_ctes

_ONE_DAY = dt.timedelta(days=1)
_EPOCH = dt.date(1970, 1, 1)
_ITEMS = 5_000
_EVENTS_PER_SESSION = 6
_SESSION_SECONDS = 600
# With the widest taste, weekend and lift these stay below 1, so no lift is cut off and the truth stays true.
_CLICK_RATE = 0.12
_PURCHASE_RATE = 0.15
_WEEKEND_PURCHASES = 1.3
_MEDIAN_AMOUNT = 2_500
_AMOUNT_SIGMA = 1.0


@dataclass(frozen=True)
class Span:
    """Consecutive days, `last` included, in which the same experiments run."""

    first: dt.date
    last: dt.date

    @property
    def days(self) -> int:
        """How many days."""
        return (self.last - self.first).days + 1


def spans(spec: SampleSpec, max_events: int) -> Iterator[Span]:
    """The sample's days, oldest first, in spans of at most `max_events` events, or of one day."""
    turns = {day for e in spec.experiments for day in (e.start_date, e.end_date + _ONE_DAY)}
    inner = sorted(day for day in turns if spec.first_day < day <= spec.end_date)
    step = dt.timedelta(days=min(spec.days, max(1, max_events // spec.events_per_day)))
    for first, following in pairwise([spec.first_day, *inner, spec.end_date + _ONE_DAY]):
        start = first
        while start < following:
            yield Span(start, min(start + step, following) - _ONE_DAY)
            start += step


def landed_late(spec: SampleSpec) -> str:
    """SQL that is true of an event which lands after the others."""
    return f"{uniform(spec.seed, 'landing', 'event_key')} < {spec.late_share}"


def events_query(spec: SampleSpec, span: Span, *, numbers: range, where: str = "true") -> str:
    """Events number `numbers` of each day of the span, as `user_event` has them.

    An event follows from its day and number alone, whatever other days and events are asked for.
    """

    def draw(stream: str, key: str = "event_key") -> str:
        return uniform(spec.seed, stream, key)

    amount_deviation = standard_normal(spec.seed, "amount", "event_key")
    sessions_per_day = max(1, spec.events_per_day // _EVENTS_PER_SESSION)
    return f"""
        with {allocation_ctes(spec)},

        effect as (
            select
                user_id,
                product(click_factor) as click_factor,
                product(purchase_factor) as purchase_factor,
                product(amount_factor) as amount_factor
            from allocation
            where date '{span.first}' between start_date and end_date
            group by user_id
        ),

        numbered as (
            select
                {(span.first - _EPOCH).days} + i // {len(numbers)} as day_number,
                (day_number - {spec.moved_by.days}) << 32 | ({numbers.start} + i % {len(numbers)}) as event_key
            from range({span.days * len(numbers)}) as event(i)
            where {where}
        ),

        in_session as (
            select
                event_key,
                date '{_EPOCH}' + day_number::integer as day,
                isodow(day) >= 6 as is_weekend,
                (day_number - {spec.moved_by.days}) << 32
                    | floor({draw("session")} * {sessions_per_day})::bigint as session_key
            from numbered
        ),

        impression as (
            select
                event_key,
                day,
                is_weekend,
                1 + floor({_heavy_tailed(draw("user", "session_key"))} * {spec.users})::integer as user_id,
                1 + floor({_heavy_tailed(draw("item"))} * {_ITEMS})::integer as item_id,
                -- the mean of two draws peaks at noon: weekdays then peak at 16:00, weekends at 14:00
                ({draw("hour", "session_key")} + {draw("minute", "session_key")}) / 2
                    + case when is_weekend then 2 else 4 end / 24
                    + {draw("second")} * {_SESSION_SECONDS} / 86400 as time_of_day
            from in_session
        ),

        rated as (
            select
                impression.*,
                {_CLICK_RATE} * (0.5 + {draw("taste", "user_id")}) * coalesce(click_factor, 1) as click_rate,
                {_PURCHASE_RATE} * case when is_weekend then {_WEEKEND_PURCHASES} else 1 end
                    * coalesce(purchase_factor, 1) as purchase_rate,
                {_MEDIAN_AMOUNT} * coalesce(amount_factor, 1) as median_amount
            from impression
            left join effect using (user_id)
        ),

        funnel as (
            select
                *,
                {draw("click")} < click_rate as clicked,
                clicked and {draw("purchase")} < purchase_rate as purchased
            from rated
        )

        select
            user_id,
            day::timestamp + to_microseconds(floor((time_of_day % 1) * 86400e6)::bigint) as datestamp,
            item_id,
            clicked::integer as clicked,
            purchased::integer as purchased,
            case
                when purchased
                    then round(median_amount * exp({_AMOUNT_SIGMA} * {amount_deviation}))::integer
                else 0
            end as paidamount
        from funnel
    """


def _heavy_tailed(draw: str) -> str:
    # Nearly squared: the busiest tenth gets 3 times its share. Not quite, or the first user gets 70 times.
    return f"({draw} * (0.03 + 0.97 * {draw}))"
