"""Plans that the real pipeline makes, drawn: forecast, problem and plan of each example site on its weather."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from controller.planning import MadePlan, plan_site
from controller.records.views import PlanHead, StoredPlan
from controller.reports.figures import PlanView, plan_figures
from controller.reports.page import to_html
from controller.reports.plan_page import plan_page
from controller.reports.summary import summarise
from sites.load import find_site, load_site
from tests.controller.reports.drawing_checks import assert_inside, told

AT = datetime(2025, 1, 15, 17, 0, tzinfo=UTC)


@pytest.fixture(scope="module", params=["container", "cabinet", "jetson-box"])
def made(request: pytest.FixtureRequest) -> tuple[str, MadePlan]:
    """The name of an example site and a plan of its rules: whole, and quick to make."""
    site = load_site(request.param)
    return request.param, plan_site(site, at_utc=AT, folder=find_site(request.param).parent, policy_name="rules")


def test_every_figure_of_a_real_plan_is_whole(made: tuple[str, MadePlan]) -> None:
    name, found = made
    zone = ZoneInfo(load_site(name).location.time_zone)
    view = PlanView(plan=found.plan, problem=found.problem, forecast=found.forecast, zone=zone, now_utc=AT)
    figures = plan_figures(view)
    assert {"power", "soc", "pv", "price"} <= {each.name for each in figures}
    for each in figures:
        for drawing in each.drawings:
            assert told(assert_inside(drawing))


def test_its_summary_closes_the_bus(made: tuple[str, MadePlan]) -> None:
    _, found = made
    summary = summarise(found.plan, found.problem)
    battery = sum(each.battery_kw * each.hours for each in found.plan.intervals)
    assert summary.pv_used_kwh + summary.genset_kwh + battery == pytest.approx(
        summary.load_kwh, rel=1e-3, abs=0.01 * summary.load_kwh
    )


def test_it_is_a_page(made: tuple[str, MadePlan]) -> None:
    name, found = made
    head = PlanHead(
        id="a" * 32,
        made_utc=AT,
        expires_utc=AT + timedelta(hours=2),
        policy=found.plan.policy,
        level=found.plan.level,
        status=found.plan.status,
        review="auto",
    )
    stored = StoredPlan(head=head, plan=found.plan, problem=found.problem, forecast=found.forecast)
    page = to_html(plan_page(stored, load_site(name), AT))
    assert f"{name}: plan of" in page
    assert "None" not in page
    assert "nan" not in page.replace("nance", "")
