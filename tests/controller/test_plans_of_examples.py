"""Plans of small example sites in winter lie close to the bound, and dark scenarios are met by gensets, not by shedding."""

from __future__ import annotations

import pytest

from controller.following import follow
from controller.planning import plan_site
from controller.reports.plan_text import plan_text
from controller.snapshot import Snapshot
from optimizer.plan import Plan
from sites.load import find_site, load_site
from sites.times import parse_time


def january(name: str, policy: str = "planner") -> Plan:
    site = load_site(name)
    moment = parse_time("2025-01-14T06:00", site.location.time_zone, source="test", field="")
    return plan_site(
        site, at_utc=moment, folder=find_site(name).parent, jobs_file=None, policy_name=policy, seed=0
    ).plan


@pytest.mark.parametrize("name", ["clinic", "jetson-box"])
def test_a_small_site_is_planned_close_to_the_bound(name: str) -> None:
    plan = january(name)
    assert plan.bound_usd is not None
    assert plan.bound_usd - plan.net_value_usd <= 0.05 * plan.work_value_usd


def test_a_tower_with_fuel_starts_its_genset_before_it_sheds_a_carrier() -> None:
    plan = january("cell-tower")
    assert any(row.gensets[0].on for row in plan.intervals)
    assert plan.cost_terms_usd.get("load_shed", 0.0) < plan.cost_terms_usd["fuel"]


def test_no_alternative_is_told_as_cheaper_than_the_plan() -> None:
    for decision in january("cell-tower").decisions:
        if decision.what.startswith("genset") and " stops " in decision.what:
            assert decision.cost_of_alternative_usd is None or decision.cost_of_alternative_usd > 0.0


def test_a_container_plan_says_on_which_nodes_everything_is() -> None:
    site = load_site("container")
    moment = parse_time("2025-06-16T18:30", site.location.time_zone, source="test", field="")
    made = plan_site(site, at_utc=moment, folder=find_site("container").parent)
    first = made.plan.placement[0]
    ran = {each.name: round(each.gpus_by_interval[0]) for each in made.plan.jobs if each.gpus_by_interval[0] >= 0.5}
    assert ran
    found = {each.name: each for each in first.tasks}
    assert not first.left_out
    assert {name: sum(share.gpus for share in found[name].islands) for name in ran} == ran
    orders = follow(made.plan, made.problem, Snapshot(at_utc=moment, battery=None), now=moment)
    assert {each.name: each.islands for each in orders.jobs} == {name: found[name].islands for name in ran}
    text = plan_text(made, site)
    assert "Where the GPUs are" in text
    assert all(name in text.split("Where the GPUs are")[1] for name in ran)
