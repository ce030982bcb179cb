"""The timetable as a table of ticks: intervals and times of day, over clock changes too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from controller.daemon.timetable import Timetable

START = datetime(2025, 3, 8, 12, 0, tzinfo=UTC)


def test_an_interval_falls_due_once_however_late_it_is_asked_for() -> None:
    timetable = Timetable({"plan": 3600.0}, start_utc=START, live=False)
    asked = [timedelta(0), timedelta(minutes=59), timedelta(minutes=60), timedelta(minutes=61), timedelta(hours=5)]
    assert [timetable.due("plan", START + after) for after in asked] == [False, False, True, False, True]


@pytest.mark.parametrize("live", [False, True])
def test_a_clock_that_is_set_back_begins_intervals_anew(live: bool) -> None:
    timetable = Timetable({"plan": 3600.0}, start_utc=START, live=live, daily={"night": "02:20"})
    later = START + timedelta(hours=10)
    timetable.due("plan", later)
    assert not timetable.due("plan", later - timedelta(seconds=30))
    back = later - timedelta(hours=1)
    assert timetable.due("plan", back)
    assert not timetable.due("plan", back + timedelta(seconds=1))
    assert not timetable.due("night", back + timedelta(seconds=2))
    if not live:
        assert timetable.due("plan", back + timedelta(hours=1))
    timetable.close()


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kathmandu"])
def test_a_time_of_day_comes_once_a_local_day_also_when_the_clock_changes(zone: str) -> None:
    timetable = Timetable({}, start_utc=START, live=False, daily={"night": "02:20"}, zone=zone)
    ticks = [START + timedelta(minutes=15) * index for index in range(4 * 24 * 5)]
    due = [tick for tick in ticks if timetable.due("night", tick)]
    assert len(due) == 5
    assert all(later - sooner >= timedelta(hours=22) for sooner, later in pairwise(due))
