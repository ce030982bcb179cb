"""``mdc jobs``: the queue of batch jobs of a site."""

from __future__ import annotations

import getpass
import json
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.output import Format, FormatOption, write
from controller.cli.run import StoreOption

app = typer.Typer(help="Submit, list, show and cancel batch jobs.", no_args_is_help=True)
SiteOption = Annotated[str, typer.Option("--site", metavar="SITE", help="Site file, or the name of an example site.")]


@app.command()
def submit(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="JSON or YAML: a job or a list of jobs.")
    ] = None,
    site: SiteOption = "container",
    store: StoreOption = None,
    name: Annotated[str | None, typer.Option(help="Name that no other job has had.")] = None,
    profile: Annotated[str, typer.Option(help="Power profile: decode, prefill, vision or training.")] = "training",
    pool: Annotated[list[str] | None, typer.Option(help="Pool it may run on; give it again for more.")] = None,
    work_gpu_h: Annotated[float | None, typer.Option(help="Work in GPU-hours at the highest limit.")] = None,
    gpus_min: Annotated[float, typer.Option(help="GPUs below which it makes no progress.")] = 0.0,
    gpus_max: Annotated[float | None, typer.Option(help="Most GPUs it can use.")] = None,
    release: Annotated[
        str | None, typer.Option(help="Not before; ISO time, local without offset; now if absent.")
    ] = None,
    deadline: Annotated[str | None, typer.Option(help="To be done by; ISO time, local without offset.")] = None,
    value_usd: Annotated[float, typer.Option(help="Worth when done in time.")] = 0.0,
    late_usd_per_h: Annotated[float, typer.Option(help="Price of each hour late.")] = 0.0,
    hard: Annotated[bool, typer.Option("--hard", help="Worth nothing after the deadline.")] = False,
    rigid: Annotated[bool, typer.Option("--not-preemptible", help="Once begun it must not be paused.")] = False,
    surplus_only: Annotated[bool, typer.Option("--surplus-only", help="Runs on surplus sun only.")] = False,
    priority: Annotated[int, typer.Option(help="Higher goes first in a shortage.")] = 0,
) -> None:
    """Submit jobs from a file, or one job from options. Nothing is queued unless all are right.

    Example: [bold]mdc jobs submit --name tune-7 --pool h100 --work-gpu-h 40 --gpus-max 8
    --deadline 2026-06-02T08:00[/bold]
    """
    from controller.job_desk import check_jobs
    from controller.jobs_file import parse_jobs, read_jobs
    from controller.records.commands import Commands
    from controller.records.store import upgrade
    from sites.load import load_site

    described = load_site(site)
    url = store or described.store.url
    now = site_time(url, described.name)
    if file is not None:
        jobs = read_jobs(file, described)
    else:
        document = {
            "name": name,
            "profile": profile,
            "pools": [{"pool": each, "speed": 1.0} for each in pool or [each.name for each in described.pools]],
            "work_gpu_h": work_gpu_h,
            "gpus_min": gpus_min,
            "gpus_max": gpus_max,
            "release_utc": release or now.isoformat(),
            "deadline_utc": deadline,
            "value_usd": value_usd,
            "late_usd_per_h": late_usd_per_h,
            "hard": hard,
            "preemptible": not rigid,
            "surplus_only": surplus_only,
            "priority": priority,
        }
        jobs = parse_jobs(
            {key: value for key, value in document.items() if value is not None}, described, source="options"
        )
    check_jobs(jobs, described, now, source=file.name if file else "options")
    upgrade(url)
    with Commands(url, described.name) as commands:
        commands.submit_jobs(jobs, who=getpass.getuser(), at_utc=now, source=file.name if file else "options")
    write("queued: " + ", ".join(job.name for job in jobs))


@app.command("list")
def list_jobs(
    site: SiteOption = "container",
    store: StoreOption = None,
    state: Annotated[list[str] | None, typer.Option(help="Only these states; give it again for more.")] = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """List jobs, newest first."""
    from controller.records.reading import Reader

    url, site_name = opened(site, store)
    with Reader(url, site_name) as reader:
        jobs = reader.jobs(state or ())
    if format is Format.JSON:
        write(json.dumps([job.model_dump(mode="json") for job in jobs]))
        return
    if not jobs:
        write("no jobs")
        return
    width = max(len(job.name) for job in jobs)
    for job in jobs:
        where = f"{job.gpus:g} x {job.pool} @ {job.limit_w:.0f} W" if job.gpus else ""
        due = f"by {job.job.deadline_utc:%m-%d %H:%M}Z"
        write(f"{job.name:<{width}}  {job.state:<9}  {job.done_frac:4.0%}  {due}  {where}")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Name of the job.")],
    site: SiteOption = "container",
    store: StoreOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Show one job and what happened to it."""
    from controller.records.reading import Reader
    from sites.errors import InputError

    url, site_name = opened(site, store)
    with Reader(url, site_name) as reader:
        job, events = reader.job(name), reader.job_events(name)
    if job is None:
        raise InputError.single(source="jobs", field="name", found=name, mend="list the jobs: mdc jobs list")
    if format is Format.JSON:
        write(json.dumps({**job.model_dump(mode="json"), "events": [each.model_dump(mode="json") for each in events]}))
        return
    write(f"{job.name}: {job.state}, {job.done_frac:.0%} of {job.job.work_gpu_h:g} GPU-hours done")
    write(f"due {job.job.deadline_utc:%Y-%m-%d %H:%M}Z, worth {job.job.value_usd:.2f} $, submitted by {job.who}")
    for event in events:
        write(f"  {event.at_utc:%Y-%m-%d %H:%M:%S}Z  {event.event}  {event.text}")


@app.command()
def cancel(
    name: Annotated[str, typer.Argument(help="Name of the job.")],
    site: SiteOption = "container",
    store: StoreOption = None,
) -> None:
    """Cancel a job that is not done."""
    from controller.records.commands import Commands

    url, site_name = opened(site, store)
    with Commands(url, site_name) as commands:
        commands.cancel_job(name, who=getpass.getuser(), at_utc=site_time(url, site_name))
    write(f"cancelled: {name}")


def opened(site: str, store: str | None) -> tuple[str, str]:
    """Return store address and site name; the store is brought to the newest migration.

    Raises:
        InputError: the site file or the store cannot be used.
    """
    from controller.records.store import upgrade
    from sites.load import load_site

    described = load_site(site)
    url = store or described.store.url
    upgrade(url)
    return url, described.name


def site_time(url: str, site_name: str) -> datetime:
    """Return the site's time: that of its last cycle when its clock runs ahead of the host's, else the host's."""
    from controller.records.reading import Reader
    from controller.records.store import exists
    from sites.ports import SystemClock

    host = SystemClock().now_utc()
    if not exists(url):
        return host
    with Reader(url, site_name) as reader:
        now = reader.now()
    return now.at_utc if now is not None and now.speed != 1.0 else host
