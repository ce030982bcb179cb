"""Scales, ticks and clock times on axes."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.reports.charts.scales import Scale, TimeScale, clock_ticks, nice_step, nice_ticks, zone_text

NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("low", "high", "count", "ticks"),
    [
        (0, 100, 4, (0, 25, 50, 75, 100)),
        (0, 93, 5, (0, 20, 40, 60, 80, 100)),
        (-80, 390, 5, (-100, 0, 100, 200, 300, 400)),
        (0, 0.41, 4, (0, 0.2, 0.4, 0.6)),
        (0, 0.1, 4, (0, 0.05, 0.1)),
        (0, 0, 5, (0, 1)),
    ],
)
def test_ticks_are_round_and_cover_the_values(low: float, high: float, count: int, ticks: tuple[float, ...]) -> None:
    assert nice_ticks(low, high, count) == pytest.approx(ticks)


@given(low=st.floats(-1e6, 0), span=st.floats(1e-3, 1e6), count=st.integers(2, 9))
def test_ticks_cover_any_range_in_even_steps(low: float, span: float, count: int) -> None:
    high = low + span
    ticks = nice_ticks(low, high, count)
    step = nice_step(high - low, count)
    slack = step * 1e-6
    assert ticks[0] <= low + slack
    assert ticks[-1] >= high - slack
    assert len(ticks) <= count + 3
    assert all(right - left == pytest.approx(step) for left, right in itertools.pairwise(ticks))


@given(value=st.floats(-1e3, 1e3))
def test_a_scale_never_leaves_its_range(value: float) -> None:
    scale = Scale(low=-5, high=20, start_px=200, end_px=10)
    assert 10 <= scale(value) <= 200
    assert scale(-5) == 200
    assert scale(20) == 10


def test_time_scale_is_straight_in_time() -> None:
    start = datetime(2025, 1, 15, tzinfo=UTC)
    scale = TimeScale(start_utc=start, end_utc=start + timedelta(hours=48), start_px=40, end_px=520)
    assert scale(start + timedelta(hours=12)) == pytest.approx(160)
    assert scale(start - timedelta(days=1)) == 40


def _labels(start: datetime, hours: float, every_h: int = 6) -> list[str]:
    ticks = clock_ticks(start, start + timedelta(hours=hours), NEW_YORK, every_h=every_h)
    return [tick.label for tick in ticks]


def test_clock_ticks_are_local_and_name_the_day_at_midnight() -> None:
    assert _labels(datetime(2025, 1, 15, 17, 0, tzinfo=UTC), 24) == ["12:00", "18:00", "Thu 16 Jan", "06:00"]


@pytest.mark.parametrize(
    ("day", "hours_of_day"), [(datetime(2025, 3, 9, 5, tzinfo=UTC), 23), (datetime(2025, 11, 2, 4, tzinfo=UTC), 25)]
)
def test_clock_ticks_keep_clock_times_when_the_clock_changes(day: datetime, hours_of_day: int) -> None:
    ticks = clock_ticks(day, day + timedelta(hours=hours_of_day), NEW_YORK, every_h=6)
    assert [tick.label[-5:] for tick in ticks[1:]] == ["06:00", "12:00", "18:00"]
    assert ticks[0].midnight
    assert ticks[0].at_utc == day
    assert (ticks[1].at_utc - day) == timedelta(hours=6 + hours_of_day - 24)


def test_a_local_hour_that_does_not_exist_gets_no_tick() -> None:
    day = datetime(2025, 3, 9, 5, tzinfo=UTC)
    assert "02:00" not in _labels(day, 6, every_h=1)


def test_zone_names() -> None:
    winter = datetime(2025, 3, 8, 12, tzinfo=UTC)
    assert zone_text(winter, winter, NEW_YORK) == "EST"
    assert zone_text(winter, winter + timedelta(days=2), NEW_YORK) == "EST/EDT"
    assert zone_text(winter, winter, ZoneInfo("America/Sao_Paulo")) == "UTC-03"
    assert zone_text(winter, winter, ZoneInfo("Asia/Kathmandu")) == "UTC+05:45"
