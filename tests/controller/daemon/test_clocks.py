"""Clocks, the timetable, the past that forecasts read, and the plant that survives a restart."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from controller.daemon.clocks import FastClock, LiveClock
from controller.daemon.past import DAYS, STEP_S, history
from controller.daemon.timetable import Timetable
from controller.daemon.twin import catch_up, make_twin, move, nested, shaped, twin_entry, world_ends_soon
from controller.records.views import TelemetryPoint
from controller.setpoints import JobCommand, Setpoints
from sites.ports import ManualClock
from tests.controller.daemon.prepared import SITE, START, job, prepared, twin


def test_a_live_clock_runs_once_a_second_and_makes_nothing_up() -> None:
    host = ManualClock(START)
    clock = LiveClock(host)
    pauses = []
    for work_s in (0.1, 0.4, 3.5, 0.1):
        host.advance(work_s)
        pauses.append(round(clock.pause_s(), 6))
        host.sleep(pauses[-1])
    assert pauses == [1.0, 0.6, 1.0, 0.9]
    assert clock.next_step_s() == 1.0
    host.advance(2.5)
    assert clock.next_step_s() == pytest.approx(2.5)


@pytest.mark.parametrize(("speed", "step_s", "pause_s"), [(10.0, 10.0, 1.0), (60.0, 60.0, 1.0), (600.0, 60.0, 0.1)])
def test_a_fast_clock_moves_in_steps_of_at_most_a_minute(speed: float, step_s: float, pause_s: float) -> None:
    clock = FastClock(ManualClock(START), START, speed)
    assert clock.next_step_s() == step_s
    assert clock.pause_s() == pytest.approx(pause_s)
    assert clock.now_utc() == START
    clock.moved(step_s)
    assert clock.now_utc() == START + timedelta(seconds=step_s)


def test_intervals_fall_due_on_the_sites_clock_and_only_once() -> None:
    table = Timetable({"plan": 3600.0}, start_utc=START, live=False)
    due = [table.due("plan", START + timedelta(minutes=10 * i)) for i in range(1, 20)]
    assert [i for i, each in enumerate(due, start=1) if each] == [6, 12, 18]
    assert table.due("plan", START + timedelta(hours=9))
    assert not table.due("plan", START + timedelta(hours=9, minutes=1))


def test_on_the_hosts_clock_apscheduler_raises_the_flag() -> None:
    host = ManualClock(START)
    table = Timetable({"plan": 3600.0}, start_utc=host.now_utc(), live=True)
    try:
        scheduler = table._scheduler
        assert scheduler is not None
        (job_,) = scheduler.get_jobs()
        assert (job_.coalesce, job_.max_instances, job_.misfire_grace_time) == (True, 1, 300)
        assert str(scheduler.timezone) == "UTC"
        assert not table.due("plan", START)
        job_.func()
        assert table.due("plan", START)
        assert not table.due("plan", START)
    finally:
        table.close()


def test_history_is_measured_complete_and_never_from_the_future() -> None:
    now = START + timedelta(hours=2, minutes=7)
    telemetry = [
        TelemetryPoint(
            at_utc=START + timedelta(minutes=i), pv_kw=float(i), pv_available_kw=float(i) + (30 if i == 20 else 0)
        )
        for i in range(300)
    ]
    rates = {"voice-agent": [(START, 4.0)]}
    past = history(now, telemetry, rates, None)
    assert past.pv_kw is not None
    assert past.pv_kw.end_utc == START + timedelta(hours=2)
    assert len(past.pv_kw.values) == DAYS * 86400 // STEP_S
    assert past.pv_kw.at(START) == pytest.approx(7.0)
    assert math.isnan(past.pv_kw.at(START - timedelta(hours=1)))
    assert [i for i, each in enumerate(past.pv_curtailed) if each] == [len(past.pv_curtailed) - 7]
    assert past.rates_rps["voice-agent"].at(START) == 4.0


def test_a_full_battery_may_hold_back_a_plant_that_cannot_tell() -> None:
    def flagged(soc_frac: float, battery_kw: float) -> bool:
        point = TelemetryPoint(at_utc=START, pv_kw=10.0, soc_frac=soc_frac, battery_kw=battery_kw)
        return history(START + timedelta(hours=1), [point], {}, None).pv_curtailed[-4]

    assert flagged(0.99, 0.0)
    assert flagged(0.99, 3.0)
    assert not flagged(0.99, -4.0)
    assert not flagged(0.6, 0.0)


def test_a_simulated_site_has_a_past_where_nothing_was_stored() -> None:
    begin = START - timedelta(days=2)
    lived = twin(begin)
    past = history(START, [], {}, prepared(start=begin).world.world())  # type: ignore[union-attr]
    assert past.outdoor_c is not None
    assert past.outdoor_c.at(START - timedelta(hours=1)) == 18.0
    assert math.isnan(past.outdoor_c.at(START - timedelta(days=3)))
    assert lived.state.at_utc == begin


def test_the_plant_comes_back_as_it_was() -> None:
    plant = twin()
    plant.submit(job("a"))
    tune = JobCommand(name="a", pool="h100", gpus=8, limit_w=300)
    plant.write(Setpoints(at_utc=START, expires_utc=START + timedelta(hours=1), jobs=(tune,)))
    move(plant, 1000.0)
    document = twin_entry(plant).document()
    again = make_twin(SITE, prepared(), start_utc=START, state=document)
    assert again is not None
    assert again.state == plant.state
    assert again.state.jobs["a"].done_frac > 0
    assert make_twin(SITE, prepared(start=START + timedelta(days=9)), start_utc=START, state=document) is None
    with pytest.raises(ValueError, match="another shape"):
        shaped([1.0], plant.state.plant)
    assert shaped(nested(plant.state.plant), plant.state.plant) == plant.state.plant


def test_a_plant_lives_through_a_short_stop_and_skips_a_long_one() -> None:
    short, long = twin(), twin()
    catch_up(short, START + timedelta(minutes=30))
    catch_up(long, START + timedelta(days=2))
    assert short.state.at_utc == START + timedelta(minutes=30)
    assert long.state.at_utc == START + timedelta(days=2)
    assert short.state.plant != twin().state.plant
    assert long.state.plant == twin().state.plant


def test_a_plant_stops_at_the_end_of_its_world_and_asks_for_more_before() -> None:
    plant = twin()
    assert not world_ends_soon(plant)
    plant.state = type(plant.state)(**{**plant.state.__dict__, "at_utc": plant.world_end_utc - timedelta(minutes=2)})
    assert world_ends_soon(plant)
    move(plant, 600.0)
    assert plant.state.at_utc == plant.world_end_utc
