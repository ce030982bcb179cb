"""Time: aware UTC inside, refused where a local clock is ambiguous, grids that add up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sites.errors import InputError
from sites.series import TimeSeries
from sites.times import TimeGrid, parse_time, planning_grid, require_utc, uniform_grid

START = datetime(2025, 3, 9, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-01-13T00:00", datetime(2025, 1, 13, 5, tzinfo=UTC)),
        ("2025-07-13T00:00", datetime(2025, 7, 13, 4, tzinfo=UTC)),
        ("2025-07-13T00:00+02:00", datetime(2025, 7, 12, 22, tzinfo=UTC)),
        ("2025-11-02T01:30-04:00", datetime(2025, 11, 2, 5, 30, tzinfo=UTC)),
    ],
)
def test_local_times_are_read_in_the_sites_zone(text: str, expected: datetime) -> None:
    assert parse_time(text, "America/New_York", source="--start", field="") == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [("2025-11-02T01:30", "happens twice"), ("2025-03-09T02:30", "does not exist"), ("yesterday", "ISO time")]
    + [(far, "1950 to 2199") for far in ("0001-01-01T00:00+01:00", "0001-01-01", "9999-12-31T23:59-10:00")],
)
def test_local_times_that_are_no_moment_are_refused(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_time(text, "America/New_York", source="--start", field="")


@pytest.mark.parametrize("year", [1, 1949, 2200, 9999])
def test_times_centuries_away_are_refused(year: int) -> None:
    with pytest.raises(ValueError, match="is not meant"):
        require_utc(datetime(year, 12, 31, 23, tzinfo=timezone(timedelta(hours=-10))))


def test_naive_times_are_refused() -> None:
    with pytest.raises(ValueError, match="offset"):
        require_utc(datetime(2025, 1, 1))  # noqa: DTZ001


def test_the_planning_grid_lengthens_and_reaches_its_horizon() -> None:
    grid = planning_grid(START)
    assert len(grid) == 80
    assert grid.hours[:16] == (0.25,) * 16
    assert grid.end_utc - grid.start_utc == timedelta(hours=48)


@given(st.integers(0, 79), st.floats(0.01, 0.99))
def test_index_at_finds_the_interval(step: int, share: float) -> None:
    grid = planning_grid(START)
    inside = grid.starts_utc[step] + share * timedelta(hours=grid.hours[step])
    assert grid.index_at(inside) == step


def test_index_at_clips() -> None:
    grid = uniform_grid(START, hours=1.0, steps=3)
    assert grid.index_at(START - timedelta(days=1)) == 0
    assert grid.index_at(START + timedelta(days=1)) == 2


def test_a_grid_needs_utc_and_positive_steps() -> None:
    with pytest.raises(ValueError, match="positive"):
        TimeGrid(start_utc=START, hours=(1.0, 0.0))
    with pytest.raises(ValueError, match="UTC"):
        TimeGrid(start_utc=datetime(2025, 1, 1), hours=(1.0,))  # noqa: DTZ001


@given(st.lists(st.floats(-1e3, 1e3), min_size=4, max_size=40), st.data())
def test_means_over_neighbours_add_up(values: list[float], data: st.DataObject) -> None:
    series = TimeSeries(start_utc=START, step_s=300.0, values=tuple(values))
    total_s = 300.0 * len(values)
    cut_s = data.draw(st.floats(1.0, total_s - 1.0))
    cut, end = START + timedelta(seconds=cut_s), START + timedelta(seconds=total_s)
    cut_s = (cut - START).total_seconds()
    parts = series.mean(START, cut) * cut_s + series.mean(cut, end) * (total_s - cut_s)
    assert parts == pytest.approx(sum(values) * 300.0, abs=1e-3)


def test_a_series_never_answers_outside_itself() -> None:
    series = TimeSeries(start_utc=START, step_s=300.0, values=(1.0, 2.0))
    with pytest.raises(IndexError):
        series.at(START + timedelta(seconds=600))
    with pytest.raises(IndexError):
        series.mean(START - timedelta(seconds=1), START + timedelta(seconds=10))
