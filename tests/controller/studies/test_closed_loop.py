"""The closed loop: energy closes, every policy meets the same world, and nothing sees or beats the future."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from controller.studies.closed_loop import Course, Study, perfect_forecast, prepare_study, run_policy
from controller.studies.compare import guards_of
from controller.studies.foresight import foresight_bound
from controller.studies.ledger import add_up
from controller.studies.result import result_of
from forecasting.forecaster import forecast
from optimizer.plan import Plan
from optimizer.policies import policy
from optimizer.problem import Problem
from sites.load import load_site
from sites.times import uniform_grid

START = datetime(2025, 1, 13, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def study() -> Study:
    return prepare_study(load_site("container"), start_utc=START, days=0.5, drain_days=0.25)


@pytest.fixture(scope="module")
def course(study: Study) -> Course:
    return run_policy(study, "rules", policy("rules").plan, tick_s=300.0, guards=guards_of(study.site))


def test_energy_closes_in_every_step(course: Course) -> None:
    for step in course.steps:
        flows = step.flows
        sources = flows.pv_used_kw + sum(flows.genset_kw) + flows.battery_kw + flows.ups_kw
        loads = sum(flows.served_kw) + flows.cooling_kw + flows.heater_kw
        assert abs(sources - loads) * step.dt_s / 3600.0 < 1e-9


def test_the_course_covers_the_study_without_gaps(study: Study, course: Course) -> None:
    at = study.start_utc
    for step in course.steps:
        assert step.start_utc == at
        at += timedelta(seconds=step.dt_s)
    assert at == study.end_utc


def test_batteries_hand_out_what_they_took_in(study: Study, course: Course) -> None:
    totals = add_up(study.site, course.steps)
    params = course.site.params.battery
    stored = totals.battery_in_kwh * params.charge_eff_frac - totals.battery_out_kwh / params.discharge_eff_frac
    assert course.end_stored_kwh - course.start_stored_kwh == pytest.approx(stored, abs=1e-6)


def test_jobs_are_the_same_for_every_policy(study: Study, course: Course) -> None:
    other = run_policy(study, "fifo", policy("fifo").plan, tick_s=300.0)
    assert set(other.site.state.jobs) == set(course.site.state.jobs) == {job.name for job in study.jobs}
    came = [add_up(study.site, each.steps).requests for each in (course, other)]
    assert came[0] == came[1]


def test_the_same_study_gives_the_same_course(study: Study, course: Course) -> None:
    again = run_policy(study, "rules", policy("rules").plan, tick_s=300.0, guards=guards_of(study.site))
    assert result_of(study, again) == result_of(study, course)


def test_plans_do_not_see_the_future(study: Study) -> None:
    """Two worlds that differ only after six hours lead to the same plans until then."""
    cut = study.start_utc + timedelta(hours=6)

    def darkened(series_start: datetime, step_s: float, values: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(
            0.0 if series_start + timedelta(seconds=step_s * i) >= cut else value for i, value in enumerate(values)
        )

    pv = study.world.pv_available_kw
    world = type(study.world)(
        pv_available_kw=type(pv)(
            start_utc=pv.start_utc, step_s=pv.step_s, values=darkened(pv.start_utc, pv.step_s, pv.values)
        ),
        outdoor_c=study.world.outdoor_c,
        rate_rps=study.world.rate_rps,
    )
    dark = type(study)(**{**vars(study), "world": world})
    posed: dict[str, list[Problem]] = {"bright": [], "dark": []}
    for name, each in (("bright", study), ("dark", dark)):

        def keep(problem: Problem, name: str = name) -> Plan:
            posed[name].append(problem)
            return policy("rules").plan(problem)

        run_policy(each, name, keep, tick_s=300.0)
    assert posed["bright"][:7] == posed["dark"][:7]
    assert posed["bright"][9:] != posed["dark"][9:]


def test_a_perfect_forecast_is_what_happens(study: Study) -> None:
    grid = uniform_grid(study.start_utc, hours=1.0, steps=6)
    perfect = perfect_forecast(study, forecast(study.site, issued_utc=study.start_utc, grid=grid))
    assert perfect.rung == "perfect"
    assert perfect.pv_available_kw[3] == pytest.approx(
        study.world.pv_available_kw.mean(START + timedelta(hours=3), START + timedelta(hours=4))
    )


def test_no_policy_beats_the_foresight_bound(study: Study, course: Course) -> None:
    bound = foresight_bound(study, policy("planner").plan, seconds=10.0)
    assert bound.cost_usd <= result_of(study, course).cost_usd
