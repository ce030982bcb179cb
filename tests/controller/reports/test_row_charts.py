"""Schedule and power limits: a bar where work runs, its shade by the limit, every label inside."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.reports.charts.caps import cap_rows, caps_chart
from controller.reports.charts.frame import Horizon
from controller.reports.charts.jobs import genset_rows, job_rows, runs, schedule_chart, shade
from controller.reports.charts.panel import PANELS, WIDE, Panel
from optimizer.plan import GensetInterval, JobPlan, ServicePlan
from optimizer.problem import ServiceProblem
from sites.compute.records import ServingMode
from sites.times import uniform_grid
from tests.controller.reports.drawing_checks import assert_inside, by_class, told
from tests.controller.reports.random_plans import horizons, interval_rows, job_plans
from tests.controller.web.container_day import container_day

START = datetime(2025, 1, 15, 17, 0, tzinfo=UTC)
HORIZON = Horizon(grid=uniform_grid(START, hours=1.0, steps=6), zone=ZoneInfo("America/New_York"), now_utc=START)


def _job(gpus: tuple[float, ...], limits: tuple[float, ...], *, late: bool = False) -> JobPlan:
    return JobPlan(
        name="tiles-1",
        pool="l40s",
        profile="vision",
        start_utc=START,
        end_utc=START + timedelta(hours=6),
        gpus=max(gpus),
        power_limit_w=max(limits),
        done_frac=0.8,
        late=late,
        gpus_by_interval=gpus,
        limit_w_by_interval=limits,
    )


@settings(max_examples=25, deadline=None)
@given(data=st.data(), panel=st.sampled_from(PANELS))
def test_any_schedule_can_be_drawn_without_clipping(data: st.DataObject, panel: Panel) -> None:
    horizon = data.draw(horizons())
    jobs = data.draw(job_plans(horizon))
    rows = [
        *genset_rows(horizon, data.draw(interval_rows(horizon))),
        *job_rows(horizon, jobs, (), highest_w=310),
    ]
    assert len(told(assert_inside(schedule_chart(panel, horizon, rows)))) == len(rows)
    assert_inside(caps_chart(panel, horizon, cap_rows(horizon, jobs, (), ())))


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ((), []),
        ((0, 0), []),
        ((1, 1), [(0, 2)]),
        ((0, 2, 2, 0, 1), [(1, 3), (4, 5)]),
        ((1, 2, 2), [(0, 1), (1, 3)]),
    ],
)
def test_runs(values: tuple[int, ...], found: list[tuple[int, int]]) -> None:
    assert runs(values) == found


@pytest.mark.parametrize(("limit_w", "level"), [(350, 4), (300, 3), (250, 2), (200, 1), (100, 1), (400, 4)])
def test_a_higher_limit_is_darker(limit_w: float, level: int) -> None:
    assert shade(limit_w, 350) == level


def test_a_paused_job_has_a_gap_and_a_changed_limit_another_shade() -> None:
    job = _job((8, 8, 0, 8, 8, 0), (300, 300, 0, 300, 200, 0))
    (row,) = job_rows(HORIZON, (job,), (), highest_w=300)
    spans = [((bar.start_utc - START).seconds // 3600, (bar.end_utc - START).seconds // 3600) for bar in row.bars]
    assert spans == [(0, 2), (3, 4), (4, 5)]
    assert row.bars[1].strength > row.bars[2].strength


def test_a_late_job_says_so_in_words_and_shape() -> None:
    (row,) = job_rows(HORIZON, (_job((8,) * 6, (300,) * 6, late=True),), (), highest_w=300)
    assert "late" in row.note
    assert "late" in row.told
    root = assert_inside(schedule_chart(WIDE, HORIZON, [row]))
    assert by_class(root, "bar", "late")


def test_jobs_that_do_not_run_have_no_row_and_due_jobs_a_flag() -> None:
    day = container_day()
    horizon = Horizon(grid=day.plan.grid, zone=ZoneInfo("America/New_York"))
    rows = job_rows(horizon, day.plan.jobs, day.problem.jobs, highest_w=350)
    running = [job for job in day.plan.jobs if job.start_utc is not None]
    assert {row.name for row in rows} == {job.name for job in running}
    assert [row.bars[0].start_utc for row in rows] == sorted(row.bars[0].start_utc for row in rows)
    inside = [row for row in rows if row.due_utc is not None and row.due_utc <= day.plan.grid.end_utc]
    assert len(by_class(assert_inside(schedule_chart(WIDE, horizon, rows)), "due")) == len(inside)


def test_a_genset_row_tells_hours_and_energy() -> None:
    (row,) = genset_rows(HORIZON, tuple(_with_genset(i, kw) for i, kw in enumerate((0, 40, 50, 0, 0, 30))))
    assert row.note == "3\u202fh, 120\u202fkWh"
    assert len(row.bars) == 2


def _with_genset(index: int, kw: float) -> object:
    template = container_day().plan.intervals[0]
    return template.model_copy(
        update={
            "start_utc": START + timedelta(hours=index),
            "hours": 1.0,
            "gensets": (GensetInterval(name="diesel-1", on=kw > 0, kw=kw),),
        }
    )


def test_limits_of_a_pool_are_the_mean_of_its_gpus_at_work() -> None:
    jobs = (_job((8,) * 6, (300,) * 6), _job((8, 8, 8, 0, 0, 0), (200, 200, 200, 0, 0, 0)))
    (row,) = cap_rows(HORIZON, jobs, (), ())
    assert [bar.label for bar in row.bars] == ["250\u202fW", "300\u202fW"]
    assert row.name == "l40s batch"
    assert row.note == "up to 16 GPUs"


def test_services_have_rows_of_their_own() -> None:
    mode = ServingMode(
        name="m", pool="h100", profile="decode", precision="fp8", replicas=2, gpus=4, limit_w=310, slots=8,
        service_s=1, service_scv=1, rate_rps=2, idle_w=100, busy_w=900, p99_s=3,
    )  # fmt: skip
    none = mode.model_copy(update={"name": "none", "pool": "", "gpus": 0})
    menu = ServiceProblem(name="chat", modes=(mode, none), rate_rps=(1.0,) * 6)
    plan = ServicePlan(name="chat", modes=("m", "m", "none", "none", "m", "unheard-of"))
    (row,) = cap_rows(HORIZON, (), (plan,), (menu,))
    assert row.name == "h100 services"
    assert [(bar.end_utc - bar.start_utc).seconds // 3600 for bar in row.bars] == [2, 1]
