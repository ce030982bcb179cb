"""Jobs, days, forecast, fuel, alarms, audit: what they say of a measured day, and of a store that is not there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from controller.overrides.giving import give_order
from controller.overrides.orders import Disable, ForbidGenset, HoldJob, PinJob, ShedTier, Standing
from controller.records.reading import Reader
from controller.records.views import Delivery, Override, StoredJob, StoredPlan, TelemetryPoint
from controller.reports.fuel_outlook import daily_uses
from controller.reports.why_not_now import Standpoint, why_not_now
from controller.web.app import PLACES
from controller.web.forecast_page import score
from forecasting.records import Forecast
from optimizer.plan import Decision, JobPlan, Plan
from tests.controller.reports.measured_day import MIDNIGHT
from tests.controller.web.conftest import Visit
from tests.controller.web.container_day import container_day, write_day
from tests.controller.web.test_pages import Outline

NEW_YORK = ZoneInfo("America/New_York")


@pytest.fixture
def measured_store(measured: tuple[str, StoredPlan]) -> str:
    """Address of a store with a whole day behind it."""
    return measured[0]


def _page(visit: Visit, store: str, path: str) -> Outline:
    answer = visit(store).get(path)
    assert answer.status_code == 200
    return Outline(answer.text)


@pytest.mark.parametrize("path", [path for path, _ in PLACES])
def test_every_page_stands_in_every_state(
    visit: Visit, measured_store: str, day_store: str, empty_store: str, path: str
) -> None:
    for store in (measured_store, day_store, empty_store):
        page = _page(visit, store, path)
        assert page.inline == []
        assert len(page.ids) == len(set(page.ids))
        assert page.nameless == []
        assert page.levels[0] == 1
        assert all(later - sooner <= 1 for sooner, later in pairwise(page.levels))


def test_jobs_are_listed_with_their_end(visit: Visit, measured_store: str) -> None:
    words = _page(visit, measured_store, "/jobs").text
    assert "satellite-tiles-0115-1 done, late" in words
    assert "fine-tuning-0114-2 done 100\u202f%" in words


def test_a_job_has_a_page_of_its_own(visit: Visit, measured_store: str) -> None:
    words = _page(visit, measured_store, "/jobs/satellite-tiles-0115-1").text
    assert "submitted by ops" in words
    assert visit(measured_store).get("/jobs/nothing").status_code == 404


def test_a_day_comes_as_a_frame_and_its_contents(visit: Visit, measured_store: str) -> None:
    client = visit(measured_store)
    frame = client.get("/history?day=2025-01-15").text
    assert 'data-fragment="/fragments/history/2025-01-15"' in frame
    words = Outline(client.get("/fragments/history/2025-01-15").text).text
    assert "Energy balance" in words
    assert "Residual" in words
    assert "no telemetry" in client.get("/fragments/history/2024-01-01").text


def test_a_day_can_be_kept_as_a_file(visit: Visit, measured_store: str) -> None:
    answer = visit(measured_store).get("/history/2025-01-15/report")
    assert 'filename="container-2025-01-15.html"' in answer.headers["content-disposition"]
    assert "<script" not in answer.text


@pytest.mark.parametrize("day", ["yesterday", "2025-13-40", "<script>"])
def test_what_is_no_day_is_said_so(visit: Visit, measured_store: str, day: str) -> None:
    answer = visit(measured_store).get("/history", params={"day": day})
    assert answer.status_code == 404
    assert "write one such as" in answer.text
    assert "<script>" not in answer.text


def test_the_days_before_and_after_are_linked_but_not_the_future(visit: Visit, measured_store: str) -> None:
    client = visit(measured_store)
    assert "/history?day=2025-01-17" not in client.get("/history?day=2025-01-16").text
    assert "/history?day=2025-01-16" in client.get("/history?day=2025-01-15").text


def test_a_plan_that_waits_is_listed_and_can_be_read(visit: Visit, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'pending.sqlite'}"
    write_day(url, container_day(), review="pending")
    words = _page(visit, url, "/review").text
    assert "Waiting made stands" in words
    assert "optimal" in words
    assert "Plan that waits for review (mdc review approve " + "a" * 32 in _page(visit, url, "/").text
    assert "Value and cost" in _page(visit, url, f"/plans/{'a' * 32}").text
    assert visit(url).get("/plans/nothing").status_code == 404


def test_overrides_are_shown_for_as_long_as_they_act(visit: Visit, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'override.sqlite'}"
    day = container_day()
    write_day(url, day)
    now = day.snapshot.at_utc
    earlier = now - timedelta(hours=9)
    for at, hours, order, why in (
        (earlier, 1, ShedTier(tier="crew-cabin"), "empty"),
        (now, 2, ForbidGenset(genset="diesel-1"), "noise"),
    ):
        standing = Standing(order=order, expires_utc=at + timedelta(hours=hours))
        give_order(url, day.site, standing, who="ops", why=why, now=at)
    words = _page(visit, url, "/").text
    assert "Overrides in force genset diesel-1: stop noise ops, until Wed 15 Jan 14:04" in words
    assert "crew-cabin" not in words
    audit = _page(visit, url, "/audit").text
    assert "in force" in audit
    assert "expired" in audit
    assert "genset diesel-1 stop until 2025-01-15 19:04Z: noise" in audit


def test_alarms_and_commands(visit: Visit, day_store: str) -> None:
    assert "one GPU of node 6 answers no more" in _page(visit, day_store, "/alarms").text
    assert "Nobody has commanded anything yet." in _page(visit, day_store, "/audit").text


def test_why_a_job_does_not_run_now(measured: tuple[str, StoredPlan]) -> None:
    url, stored = measured
    with Reader(url, "container") as reader:
        job = reader.job("fine-tuning-0114-2")
    assert job is not None
    plan, start = stored.plan, stored.plan.start_utc
    planned = next(each for each in plan.jobs if each.name == job.name)
    later = planned.model_copy(update={"start_utc": start + timedelta(hours=9)})
    waits = job.model_copy(update={"state": "queued"})

    def said(plan: Plan | None, *, of: StoredJob = waits, **known: object) -> str:
        usual = {"now": start, "followed": True, "overrides": (), "zone": NEW_YORK}
        return why_not_now(of, Standpoint(plan=plan, **{**usual, **known})).text  # type: ignore[arg-type]

    def with_job(changed: JobPlan | None, base: Plan = plan) -> Plan:
        others = tuple(each for each in base.jobs if each.name != job.name)
        return base.model_copy(update={"jobs": others if changed is None else (*others, changed)})

    assert said(None) == "no plan has been made yet"
    assert said(with_job(None)) == "it came after the plan of Wed 15 Jan 00:00 was made; the next one places it"
    running = job.model_copy(update={"state": "running"})
    assert said(plan, of=running) == "runs now, ends Wed 15 Jan 04:30"
    assert said(plan, of=job.model_copy(update={"state": "done"})).startswith("it is over: done Wed 15 Jan")
    none = with_job(planned.model_copy(update={"start_utc": None}))
    assert said(none) == "does not run in the next 2 days: other work and loads are worth more"
    prices = [{"price_usd_per_kwh": 0.3 if each.start_utc < later.start_utc else 0.1} for each in plan.intervals]
    changed = tuple(each.model_copy(update=price) for each, price in zip(plan.intervals, prices, strict=True))
    cheaper = plan.model_copy(update={"intervals": changed})
    assert said(with_job(later, cheaper)) == "starts Wed 15 Jan 09:00, when one more kWh costs $0.10 instead of $0.30"
    flat = tuple(each.model_copy(update={"price_usd_per_kwh": 0.2}) for each in plan.intervals)
    level = plan.model_copy(update={"intervals": flat})
    assert said(with_job(later, level)) == "starts Wed 15 Jan 09:00, in 9\u202fh, when its GPUs are free"
    assert said(with_job(later, level), followed=False).endswith("; that plan is not in force")
    decisions = (
        Decision(what=f"job {job.name}0 starts 15 12:00Z", reason_code="PLAN", text="another job's"),
        Decision(
            what=f"job {job.name} starts 15 14:00Z",
            reason_code="SUN_SURPLUS",
            text="waits for 15 14:00Z: the sun is free then",
            cost_of_alternative_usd=12.5,
        ),
    )
    decided = with_job(later, level).model_copy(update={"decisions": decisions})
    told = "starts Wed 15 Jan 09:00: the sun is free then. Starting now would cost about $12.50 more"
    assert said(decided) == told
    unreleased = waits.model_copy(
        update={"job": waits.job.model_copy(update={"release_utc": start + timedelta(hours=2)})}
    )
    assert said(decided, of=unreleased) == "it may not start before Wed 15 Jan 02:00; planned for Wed 15 Jan 09:00"
    until = start + timedelta(hours=4)
    for order, words in (
        (HoldJob(job=job.name), "held by ann until Wed 15 Jan 04:00: bad data"),
        (PinJob(job=job.name, start_utc=until), "ann set its start to Wed 15 Jan 04:00: bad data"),
        (HoldJob(job=f"{job.name}0"), told),
        (Disable(device=f"pool {job.job.pools[0].pool}"), "is disabled by ann until Wed 15 Jan 04:00: bad data"),
    ):
        override = Override(
            id="o", at_utc=start, expires_utc=until, withdrawn_utc=None, who="ann", why="bad data",
            subject=f"job {job.name}", order_text="", order=order,
        )  # fmt: skip
        assert said(decided, overrides=(override,)).endswith(words)


def _level(hour: float, litres: float | None) -> TelemetryPoint:
    return TelemetryPoint(at_utc=MIDNIGHT + timedelta(hours=hour), tank_l=litres)


def test_fuel_burnt_a_day_counts_what_was_delivered() -> None:
    points = [_level(hour, 1000.0 - 2 * hour + (500.0 if hour >= 12 else 0.0)) for hour in range(25)]
    delivery = Delivery(id="d", at_utc=MIDNIGHT + timedelta(hours=11.5), litres=500.0, usd_per_l=None, who="ops")
    (use,) = daily_uses(points, [delivery], MIDNIGHT + timedelta(days=1), NEW_YORK)
    assert use.day == "Wed 15 Jan"
    assert use.litres == pytest.approx(48.0)


def test_a_day_with_readings_of_half_of_it_is_left_out() -> None:
    points = [_level(hour, 1000.0) for hour in range(13)]
    assert daily_uses(points, [], MIDNIGHT + timedelta(days=1), NEW_YORK) == ()


def test_a_forecast_is_scored_over_the_hours_that_were_measured() -> None:
    start = datetime(2025, 1, 15, 12, tzinfo=UTC)
    forecast = Forecast(
        issued_utc=start,
        rung="history",
        source="test",
        start_utc=start,
        hours=(1.0,) * 5,
        quantile_levels=(0.1, 0.5, 0.9),
        pv_available_kw=(0.0, 10.0, 20.0, 30.0, 0.0),
        pv_quantiles_kw=((0.0, 5.0, 10.0, 20.0, 0.0), (0.0, 10.0, 20.0, 30.0, 0.0), (0.0, 15.0, 30.0, 40.0, 0.0)),
        outdoor_c=(5.0,) * 5,
    )
    points = [
        TelemetryPoint(at_utc=start + timedelta(hours=hour), pv_available_kw=kw)
        for hour, kw in ((0, 0.0), (1, 12.0), (3, 50.0), (4, 0.0))
    ]
    found = score("Wed 15 Jan", forecast, points)
    assert (found.hours, found.hours_inside) == (2, 1)
    assert (found.forecast_kwh, found.happened_kwh) == (pytest.approx(40.0), pytest.approx(62.0))
    assert found.error_kwh == pytest.approx(22.0)


def test_a_site_without_a_whole_day_says_when_its_forecast_is_scored(visit: Visit, day_store: str) -> None:
    words = Outline(visit(day_store).get("/forecast").text).text
    assert "a day is scored against its forecast once it is over" in words
