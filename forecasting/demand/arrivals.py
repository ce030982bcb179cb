"""Seeded "actual" demand for simulations: request rates that stray from the shape, and batch jobs that arrive.

Rates follow the model of ``forecasting.demand.shape`` on 10-minute windows: a slow Gaussian autoregression and
a fast one with Student-t innovations (5 degrees of freedom: the measured 10-minute differences have an excess
kurtosis of 5.6). Every draw depends on (seed, service, day) only, so two simulations of overlapping periods see
the same actual world, and a longer one does not change the days before.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from forecasting.demand.shape import DemandShape, demand_shape, shape_rate_rps
from forecasting.sun import Floats
from sites.ports import random_stream
from sites.schema.workload import BatchStream, Service
from sites.series import TimeSeries
from sites.times import HOUR

WINDOW_S = 600
WINDOWS_A_DAY = 144
RUN_IN_DAYS = 3
"""Days before the period from which the autoregressions start: their memory is some hours."""


@dataclass(frozen=True, kw_only=True)
class JobArrival:
    """A batch job that reaches the queue."""

    job: str
    """Unique name: stream, local date and number."""
    stream: str
    """Name of the batch stream in the site file."""
    release_utc: datetime
    """When it arrives and may start."""
    deadline_utc: datetime
    """When its owner wants it done."""
    work_gpu_h: float
    """GPU-hours at speed 1."""
    value_usd: float
    """Value when done in time, in proportion to the work."""


def actual_rate_rps(service: Service, *, start_utc: datetime, end_utc: datetime, zone: str, seed: int) -> TimeSeries:
    """Return the service's actual request rate [1/s] in 10-minute windows covering ``start_utc .. end_utc``."""
    shape = demand_shape(service.demand.shape)
    first_day = start_utc.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = int(np.ceil((end_utc - first_day) / timedelta(days=1))) + RUN_IN_DAYS
    run_in = first_day - timedelta(days=RUN_IN_DAYS)
    stray = _stray_log(shape, seed=seed, name=service.name, first=run_in.date(), days=days)
    begin = int((start_utc - run_in).total_seconds() // WINDOW_S)
    finish = int(np.ceil((end_utc - run_in).total_seconds() / WINDOW_S))
    starts = tuple(run_in + timedelta(seconds=WINDOW_S * i) for i in range(begin, finish))
    expected = shape_rate_rps(service.demand, starts, (WINDOW_S / 3600,) * len(starts), zone=zone)
    variance = shape.slow_sd_log**2 + shape.fast_sd_log**2
    rate = expected * np.exp(stray[begin:finish] - variance / 2)
    return TimeSeries(start_utc=starts[0], step_s=WINDOW_S, values=tuple(float(value) for value in rate))


def _stray_log(shape: DemandShape, *, seed: int, name: str, first: date, days: int) -> Floats:
    """Return ln(rate / shape) on 10-minute windows, 144 a day."""
    slow_rho = float(np.exp(-(WINDOW_S / 3600) / shape.slow_correlation_h))
    slow_step = shape.slow_sd_log * np.sqrt(1 - slow_rho**2)
    fast_rho = shape.fast_lag1_10min
    fast_step = shape.fast_sd_log * np.sqrt(1 - fast_rho**2) / np.sqrt(5 / 3)
    slow = fast = 0.0
    stray = np.empty(days * WINDOWS_A_DAY)
    for day in range(days):
        stamp = (first + timedelta(days=day)).isoformat()
        generator = np.random.default_rng(random_stream(seed, "demand", name, stamp).getrandbits(64))
        slow_noise = generator.normal(size=WINDOWS_A_DAY) * slow_step
        fast_noise = np.clip(generator.standard_t(5, size=WINDOWS_A_DAY), -8, 8) * fast_step
        for i in range(WINDOWS_A_DAY):
            slow = slow_rho * slow + slow_noise[i]
            fast = fast_rho * fast + fast_noise[i]
            stray[day * WINDOWS_A_DAY + i] = slow + fast
    return stray


def batch_arrivals(
    stream: BatchStream, *, start_utc: datetime, end_utc: datetime, zone: str, seed: int
) -> tuple[JobArrival, ...]:
    """Return the jobs of a stream released in ``start_utc <= release < end_utc``, ordered by release.

    ``daily`` streams release ``per_day`` jobs a day spread over their local times; ``random`` ones a Poisson
    number of jobs at uniform times. Work is log-normal with the stream's mean and spread.
    """
    local_zone = ZoneInfo(zone)
    day = start_utc.astimezone(local_zone).date() - timedelta(days=1)
    last = end_utc.astimezone(local_zone).date() + timedelta(days=1)
    jobs: list[JobArrival] = []
    while day <= last:
        jobs += _jobs_of_day(stream, day, zone=local_zone, seed=seed)
        day += timedelta(days=1)
    inside = [job for job in jobs if start_utc <= job.release_utc < end_utc]
    return tuple(sorted(inside, key=lambda job: (job.release_utc, job.job)))


def _jobs_of_day(stream: BatchStream, day: date, *, zone: ZoneInfo, seed: int) -> list[JobArrival]:
    draw = random_stream(seed, "batch", stream.name, day.isoformat())
    generator = np.random.default_rng(draw.getrandbits(64))
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    if stream.arrival == "daily":
        whole = int(stream.per_day)
        count = whole + int(generator.random() < stream.per_day - whole)
        clock = [time.fromisoformat(text.zfill(5)) for text in stream.at_local]
        releases = [datetime.combine(day, clock[i % len(clock)], tzinfo=zone).astimezone(UTC) for i in range(count)]
    else:
        count = int(generator.poisson(stream.per_day))
        seconds = sorted(int(value) for value in generator.random(count) * 86400)
        releases = [midnight + timedelta(seconds=value) for value in seconds]
    sigma = float(np.sqrt(np.log1p(stream.work_spread_frac**2)))
    factors = np.exp(generator.normal(size=count) * sigma - sigma**2 / 2)
    return [
        JobArrival(
            job=f"{stream.name}-{day:%Y%m%d}-{i + 1}",
            stream=stream.name,
            release_utc=release,
            deadline_utc=release + stream.deadline_h * HOUR,
            work_gpu_h=stream.work_gpu_h * float(factor),
            value_usd=stream.value_usd * float(factor),
        )
        for i, (release, factor) in enumerate(zip(releases, factors, strict=True))
    ]
