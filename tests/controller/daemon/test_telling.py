"""Alarms about what is beneath the site: refused orders, a store that takes nothing, a daemon that was killed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from controller.daemon.reporting import Alarms, Reporter, told_by_recorder, told_by_restart
from controller.records.entries import AlarmCleared, AlarmRaised
from controller.records.recorder import RecorderHealth
from controller.records.site_lock import SiteLock
from controller.setpoints import Outcome, Verdict
from optimizer.plan import Level
from tests.controller.guards.ticks import START, play, setpoints, snapshot


def test_a_refused_order_is_an_alarm_until_it_is_taken() -> None:
    reporter = Reporter(telemetry_every_s=60.0, speed=1.0, alarms=Alarms())
    refused = Outcome(device="diesel-1", what="run", asked=True, found=False, verdict=Verdict.REFUSED, text="no")
    codes = []
    for outcomes in ((refused,), (refused,), ()):
        (result,) = play([snapshot()])
        entries = reporter.cycle(snapshot(), result, setpoints(), outcomes, Level.RULES, None)
        codes.append(
            [(type(each).__name__, each.code) for each in entries if isinstance(each, AlarmRaised | AlarmCleared)]
        )
    assert codes == [[("AlarmRaised", "SETPOINT_REFUSED")], [], [("AlarmCleared", "SETPOINT_REFUSED")]]


def test_a_store_that_takes_nothing_is_told() -> None:
    alarms = Alarms()
    full = RecorderHealth(waiting=3, dropped=0, failing="database or disk is full")
    (raised,) = told_by_recorder(full, alarms, START)
    assert isinstance(raised, AlarmRaised)
    assert "disk is full" in raised.text
    (cleared,) = told_by_recorder(RecorderHealth(waiting=0, dropped=0, failing=""), alarms, START)
    assert isinstance(cleared, AlarmCleared)


def test_a_daemon_that_was_killed_is_told_for_an_hour(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'mdc.sqlite'}"
    first = SiteLock(url, "container")
    assert not first.left_open
    first._file.close()  # as the kernel does for a killed process
    second = SiteLock(url, "container")
    assert second.left_open
    alarms = Alarms()
    (raised,) = told_by_restart(START, second.left_open, alarms, START)
    assert isinstance(raised, AlarmRaised)
    assert raised.code == "RESTARTED"
    assert told_by_restart(START, True, alarms, START + timedelta(minutes=50)) == ()
    (cleared,) = told_by_restart(START, True, alarms, START + timedelta(minutes=61))
    assert isinstance(cleared, AlarmCleared)
    second.release()
    third = SiteLock(url, "container")
    assert not third.left_open
    third.release()
