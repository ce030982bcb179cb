"""From a batch stream to a job: windows by the local clock, what it needs of GPUs, and what may not leave the site."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from controller.workload import job_of_stream, windows_utc
from sites.load import load_site
from sites.schema.workload import BatchStream

PARIS = "Europe/Paris"


def test_a_window_over_midnight_is_one_each_night() -> None:
    release = datetime(2025, 1, 14, 23, tzinfo=UTC)
    found = windows_utc(("20:00", "06:00"), PARIS, release, release + timedelta(hours=1))
    assert found[0] == (datetime(2025, 1, 14, 19, tzinfo=UTC), datetime(2025, 1, 15, 5, tzinfo=UTC)), (
        "the night of its release"
    )
    assert found[1] == (datetime(2025, 1, 15, 19, tzinfo=UTC), datetime(2025, 1, 16, 5, tzinfo=UTC))
    assert all(since < until for since, until in found)
    assert found[-1][0] - release > timedelta(days=13)


@pytest.mark.parametrize(("day", "hours"), [((2025, 3, 29), 9.0), ((2025, 10, 25), 11.0), ((2025, 6, 1), 10.0)])
def test_clock_changes_make_a_night_shorter_or_longer(day: tuple[int, int, int], hours: float) -> None:
    release = datetime(*day, 12, tzinfo=UTC)
    since, until = windows_utc(("20:00", "06:00"), PARIS, release, release)[0]
    assert (until - since) / timedelta(hours=1) == hours


def test_a_window_by_day_ends_the_same_day() -> None:
    release = datetime(2025, 6, 1, 18, tzinfo=UTC)
    since, until = windows_utc(("09:00", "17:00"), PARIS, release, release)[0]
    assert (since, until) == (datetime(2025, 6, 2, 7, tzinfo=UTC), datetime(2025, 6, 2, 15, tzinfo=UTC))


def test_a_job_of_a_stream_has_what_the_stream_says() -> None:
    stream = load_site("container").batch[0]
    given = stream.model_dump() | {
        "window_local": ("20:00", "06:00"),
        "gpus_min": 4.0,
        "gpus_max": 4.0,
        "group_gpus": 2,
        "memory_gb": 24.0,
        "sovereign": True,
    }
    release = datetime(2025, 1, 14, 23, tzinfo=UTC)
    job = job_of_stream(
        BatchStream.model_validate(given),
        name="j",
        release_utc=release,
        deadline_utc=release + timedelta(hours=9),
        work_gpu_h=4.0,
        value_usd=1.0,
        zone=PARIS,
    )
    assert (job.group_gpus, job.memory_gb, job.sovereign) == (2, 24.0, True)
    assert job.windows_utc[0][0] == datetime(2025, 1, 14, 19, tzinfo=UTC)


@pytest.mark.parametrize("window", [("20:00", "6"), ("25:00", "06:00"), ("20:0", "06:00")])
def test_what_is_no_clock_time_is_refused(window: tuple[str, str]) -> None:
    given = load_site("container").batch[0].model_dump() | {"window_local": window}
    with pytest.raises(ValueError, match="is not a clock time"):
        BatchStream.model_validate(given)
