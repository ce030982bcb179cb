"""Which plans a person has to see, and why."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from controller.daemon.reviewing import is_night, review_reasons
from optimizer.plan import Plan, Status
from optimizer.problem import Problem
from optimizer.rules.roll import rules_plan
from sites.load import load_site
from sites.schema.place import ReviewIf
from sites.schema.site import Site
from tests.optimizer.small_site import START, small_site

BASE = load_site("container")
PROBLEM = small_site()
"""Starts at 20:00Z."""


def site(review: str = "review-if", **rule: object) -> Site:
    tiers = tuple(
        BASE.tiers[0].model_copy(update={"name": each.name, "critical": each.critical}) for each in PROBLEM.tiers
    )
    location = BASE.location.model_copy(update={"time_zone": "Europe/Berlin"})
    planning = BASE.planning.model_copy(update={"review": review, "review_if": ReviewIf.model_validate(rule)})
    return BASE.model_copy(update={"tiers": tiers, "location": location, "planning": planning})


def plan(*, on: tuple[int, ...] = (), shed_kw: float = 0.0, cost_usd: float = 10.0, **change: object) -> Plan:
    """Return a plan whose genset runs in the hours ``on``, sheds the same power all the time, at a cost."""
    made = rules_plan(PROBLEM)
    rows = tuple(
        row.model_copy(
            update={
                "shed_kw": shed_kw,
                "gensets": tuple(each.model_copy(update={"on": step in on}) for each in row.gensets),
            }
        )
        for step, row in enumerate(made.intervals)
    )
    quiet: dict[str, object] = {"intervals": rows, "cost_terms_usd": {"fuel": cost_usd}, "status": Status.FEASIBLE}
    return made.model_copy(update={**quiet, **change})


def reasons(found: Plan, before: Plan | None = None, problem: Problem = PROBLEM, **rule: object) -> tuple[str, ...]:
    return review_reasons(site(**rule), found, problem, before)  # type: ignore[arg-type]


def test_policies() -> None:
    assert review_reasons(site("auto"), plan(on=(3,)), PROBLEM, None) == ()
    assert len(review_reasons(site("review"), plan(), PROBLEM, None)) == 1
    assert reasons(plan()) == ()


def test_what_is_given_up_is_seen() -> None:
    assert "gives up" in reasons(plan(status=Status.INFEASIBLE_AS_POSED))[0]
    assert reasons(plan(status=Status.INFEASIBLE_AS_POSED), gives_up=False) == ()


def test_a_genset_that_starts_at_night_for_the_first_time_is_seen() -> None:
    found = reasons(plan(on=(3, 4, 5)))
    assert found == ("genset g1 starts at night, Sun 00:00, which the plan in force does not",)
    assert reasons(plan(on=(3, 4, 5)), plan(on=(3,))) == ()
    assert reasons(plan(on=(3, 4, 5)), plan(on=(9,))) != ()
    assert reasons(plan(on=(10, 11))) == ()
    assert reasons(plan(on=(3,)), night_start=False) == ()


def test_the_night_is_local_and_may_cross_midnight_or_not() -> None:
    zone = ZoneInfo("Europe/Berlin")
    hours = [is_night(ReviewIf(), START + timedelta(hours=hour), zone) for hour in range(14)]
    assert hours == [False] + [True] * 7 + [False] * 6
    assert is_night(ReviewIf(night_hours=("20:00", "22:00")), START, zone)


def test_shedding_above_a_tier_is_seen() -> None:
    cabin, all_of_it = plan(shed_kw=0.5), plan(shed_kw=1.2)
    assert "cabin goes without 7.0 kWh" in reasons(cabin)[0]
    assert reasons(cabin, shed_above_tier="cabin") == ()
    assert "control goes without" in reasons(all_of_it, shed_above_tier="cabin")[0]


def test_a_cost_jump_is_seen_against_the_plan_in_force_only() -> None:
    assert reasons(plan(cost_usd=60.0)) == ()
    assert "a day costs $103 where the plan in force has $17" in reasons(plan(cost_usd=60.0), plan())[0]
    assert reasons(plan(cost_usd=14.0), plan(cost_usd=1.0)) != ()
    assert reasons(plan(cost_usd=12.0), plan(cost_usd=1.0)) == ()
    assert reasons(plan(cost_usd=60.0), plan(), cost_jump_usd=100.0) == ()


def test_the_site_file_is_checked() -> None:
    with pytest.raises(ValueError, match="not a clock time"):
        ReviewIf(night_hours=("22", "06:00"))
