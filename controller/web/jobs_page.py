"""The queue: what runs, what waits and why not now, what is done."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote
from zoneinfo import ZoneInfo

from controller.records.reading import Reader
from controller.records.views import OVER, JobEvent, StoredJob
from controller.reports.charts.words import day_clock, figure, money, percent
from controller.reports.page import Fact, Grid, Page, Row, Section
from controller.reports.why_not_now import Standpoint, why_not_now
from controller.web.desk import Desk
from sites.schema.site import Site

OPEN_STATES = ("running", "paused", "queued")
SHOWN = 60


def jobs_page(reader: Reader, desk: Desk) -> Page:
    """Return the page of all jobs."""
    return jobs_page_of(reader.jobs(OPEN_STATES), reader.jobs(OVER, limit=SHOWN), desk)


def jobs_page_of(live: Sequence[StoredJob], ended: Sequence[StoredJob], desk: Desk) -> Page:
    """Return the page of some jobs."""
    zone = ZoneInfo(desk.site.location.time_zone)
    open_jobs = sorted(live, key=lambda job: (OPEN_STATES.index(job.state), job.job.deadline_utc))
    counts = {state: sum(job.state == state for job in open_jobs) for state in OPEN_STATES}
    late = sum(job.updated_utc > job.job.deadline_utc for job in ended if job.state == "done")
    facts = (
        *(Fact(name=state.capitalize(), value=str(count), note="") for state, count in counts.items()),
        Fact(name="Done late", value=str(late), note=f"of the last {len(ended)}", css_class="bad" if late else ""),
    )
    return Page(
        title="Jobs",
        subtitle="Each can be forced, set to a time, held, released or cancelled.",
        facts=facts,
        sections=tuple(
            section for section in (_open_section(open_jobs, desk, zone), _ended_section(ended, zone)) if section.tables
        ),
    )


def _open_section(jobs: Sequence[StoredJob], desk: Desk, zone: ZoneInfo) -> Section:
    seen, now = standpoint_of(desk), desk.now.at_utc if desk.now is not None else None
    rows = tuple(
        Row(
            cells=(
                job.name,
                job.state,
                percent(job.done_frac),
                f"{figure(job.gpus)} × {job.pool} at {figure(job.limit_w, 'W', digits=0)}"
                if job.state == "running"
                else "",
                day_clock(job.job.deadline_utc, zone),
                money(job.job.value_usd),
                why_not_now(job, seen).text,
            ),
            css_class="bad" if now is not None and job.job.deadline_utc < now else "",
            href=job_path(job.name),
        )
        for job in jobs
    )
    heads = ("job", "state", "done", "where", "due", "value", "what now")
    return Section(title="In the queue", tables=(Grid(heads=heads, rows=rows, numeric=(2, 5)),) if rows else ())


def job_path(name: str) -> str:
    """Return the address of a job's page."""
    return f"/jobs/{quote(name, safe='')}"


def _ended_section(jobs: Sequence[StoredJob], zone: ZoneInfo) -> Section:
    rows = tuple(
        Row(
            cells=(
                job.name,
                job.state + (", late" if _late(job) else ""),
                percent(job.done_frac),
                day_clock(job.updated_utc, zone),
                day_clock(job.job.deadline_utc, zone),
                money(job.job.value_usd),
            ),
            css_class="bad" if _late(job) or job.state == "failed" else "",
            href=job_path(job.name),
        )
        for job in jobs
    )
    heads = ("job", "state", "done", "ended", "due", "value")
    tables = (Grid(heads=heads, rows=rows, numeric=(2, 5)),) if rows else ()
    return Section(title="Ended", tables=tables, record=True)


def _late(job: StoredJob) -> bool:
    return job.state == "done" and job.updated_utc > job.job.deadline_utc


def standpoint_of(desk: Desk) -> Standpoint:
    """Return what is known on the desk about jobs."""
    return Standpoint(
        now=desk.now.at_utc if desk.now is not None else None,
        plan=desk.plan.plan if desk.plan is not None else None,
        followed=desk.followed,
        overrides=desk.overrides,
        zone=ZoneInfo(desk.site.location.time_zone),
    )


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:].rstrip(".") + "."


def job_page(job: StoredJob, events: Sequence[JobEvent], desk: Desk) -> Page:
    """Return the page of one job: what was asked, what happened, what is planned."""
    zone = ZoneInfo(desk.site.location.time_zone)
    answer = why_not_now(job, standpoint_of(desk))
    rows = tuple(Row(cells=(day_clock(each.at_utc, zone), each.event, each.text)) for each in events)
    asked = job.job
    facts = (
        Fact(name="Done", value=percent(job.done_frac), note=f"of {figure(asked.work_gpu_h)} GPU-hours"),
        Fact(name="Due", value=day_clock(asked.deadline_utc, zone), note="hard" if asked.hard else "soft"),
        Fact(name="Worth", value=money(asked.value_usd), note=f"{money(asked.late_usd_per_h)} an hour late"),
        Fact(name="GPUs", value=f"{figure(asked.gpus_min)} to {figure(asked.gpus_max)}", note=_pools(desk.site, job)),
    )
    events_grid = Grid(heads=("when", "what", ""), rows=rows)
    waiting = job.state in ("queued", "paused")
    return Page(
        title=job.name,
        subtitle=f"{job.state}, {asked.profile}, submitted by {job.who}.",
        facts=facts,
        sections=(
            Section(title="Why not now?" if waiting else "Now", words=_sentence(answer.text)),
            Section(title="Its life", tables=(events_grid,)),
        ),
    )


def _pools(site: Site, job: StoredJob) -> str:
    known = {pool.name for pool in site.pools}
    return "on " + ", ".join(each.pool for each in job.job.pools if each.pool in known)
