"""The jobs that the loop knows: from the store and the site's streams to the runner, and followed to their end."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from controller.devices.port import SiteDevices
from controller.records.entries import Entry, JobProgress, JobSubmitted
from controller.records.resume import Inbox
from controller.records.views import JobState
from controller.snapshot import JobReading, Snapshot
from controller.workload import left_of
from optimizer.problem import JobProblem

STREAM = "stream"
"""Who submitted a job that came from the site file's batch streams."""
PROGRESS_STEP_FRAC = 0.02
"""Progress that is worth a record between two events."""
STATES: dict[str, JobState] = {
    "queued": "queued",
    "running": "running",
    "paused": "paused",
    "done": "done",
    "failed": "failed",
}
EVENTS = {"running": "started", "paused": "paused", "done": "done", "failed": "failed", "queued": "queued"}


class JobBook:
    """Live jobs of one site."""

    def __init__(self, *, streamed_until: datetime) -> None:
        self._jobs: dict[str, JobProblem] = {}
        self._told: dict[str, tuple[str, float]] = {}
        """State and progress last recorded."""
        self._readings: dict[str, JobReading] = {}
        self._over: dict[str, None] = {}
        self._kept: set[str] = set()
        """Jobs that ended by themselves, which the runner keeps until the store knows it: a daemon that is killed before
        would find them waiting, and run them again."""
        self._streams: tuple[JobProblem, ...] = ()
        self._streamed_until = streamed_until
        self.news = False
        """Whether jobs came or went since the last plan was asked for."""

    @property
    def jobs(self) -> dict[str, JobProblem]:
        """Jobs that wait or run, by name."""
        return self._jobs

    @property
    def over(self) -> frozenset[str]:
        """Names of jobs that ended since the loop started."""
        return frozenset(self._over)

    def stream(self, jobs: Iterable[JobProblem]) -> None:
        """Take the jobs that the streams will release."""
        self._streams = tuple(jobs)

    def take(self, inbox: Inbox, devices: SiteDevices, now: datetime) -> tuple[Entry, ...]:
        """Hand new jobs to the runner and cancelled ones back; returns what is to be recorded."""
        entries: list[Entry] = []
        for name in self._kept - {live.name for live in inbox.jobs}:
            devices.cancel(name)
            self._kept.discard(name)
        for live in inbox.jobs:
            if live.name not in self._jobs and live.name not in self._over:
                self._add(live.job, devices)
                self._told[live.name] = (live.state, live.done_frac)
        for name in inbox.cancelled:
            if name in self._jobs:
                devices.cancel(name)
                self._end(name)
        due = [job for job in self._streams if self._streamed_until < job.release_utc <= now]
        for job in due:
            if job.name not in self._jobs and job.name not in self._over:
                self._add(job, devices)
                self._told[job.name] = ("queued", 0.0)
                entries.append(JobSubmitted(job=job, who=STREAM, at_utc=now))
        self._streamed_until = max(self._streamed_until, now)
        return tuple(entries)

    def follow(self, snapshot: Snapshot) -> tuple[Entry, ...]:
        """Read progress from a snapshot; returns what is to be recorded."""
        entries: list[Entry] = []
        for reading in snapshot.jobs:
            if reading.name not in self._jobs or reading.state not in STATES:
                continue
            self._readings[reading.name] = reading
            state, done_frac = self._told.get(reading.name, ("queued", 0.0))
            changed = state != reading.state
            if changed or reading.done_frac - done_frac >= PROGRESS_STEP_FRAC:
                self._told[reading.name] = (reading.state, reading.done_frac)
                entries.append(_progress(reading, snapshot.at_utc, changed))
            if reading.state in ("done", "failed"):
                self._kept.add(reading.name)
                self._end(reading.name)
        return tuple(entries)

    def left(self) -> tuple[JobProblem, ...]:
        """Return what is left of every job that waits or runs."""
        rest = []
        for name, job in self._jobs.items():
            reading = self._readings.get(name)
            done_frac = reading.done_frac if reading else self._told.get(name, ("", 0.0))[1]
            part = left_of(job, done_frac, running=reading is not None and reading.state == "running")
            if part is not None:
                rest.append(part)
        return tuple(rest)

    def hand_over(self, devices: SiteDevices) -> None:
        """Hand all live jobs to devices that have just come; those that know them already leave them as they are."""
        for job in self._jobs.values():
            devices.submit(job)

    def _add(self, job: JobProblem, devices: SiteDevices) -> None:
        devices.submit(job)
        self._jobs[job.name] = job
        self.news = True

    def _end(self, name: str) -> None:
        self._jobs.pop(name, None)
        self._readings.pop(name, None)
        self._told.pop(name, None)
        self._over[name] = None
        while len(self._over) > 1000:
            self._over.pop(next(iter(self._over)))
        self.news = True


def _progress(reading: JobReading, at_utc: datetime, changed: bool) -> JobProgress:
    where = f"{reading.gpus:g} x {reading.pool} @ {reading.limit_w:.0f} W" if reading.gpus > 0 else ""
    return JobProgress(
        name=reading.name,
        state=STATES[reading.state],
        done_frac=reading.done_frac,
        pool=reading.pool,
        gpus=reading.gpus,
        limit_w=reading.limit_w,
        at_utc=at_utc,
        event=EVENTS[reading.state] if changed else "",
        text=where,
    )
