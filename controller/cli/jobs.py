"""``mdc jobs``: the queue of batch jobs of a site."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.completing import complete_jobs, complete_live_jobs, complete_pools
from controller.cli.ordering import HoursOption, PreviewOption, UncheckedOption, YesOption, order
from controller.cli.output import Format, FormatOption, write
from controller.cli.run import StoreOption
from controller.cli.seat import SiteOption, WhyOption, looking, seat, write_page

if TYPE_CHECKING:
    from controller.records.views import StoredJob

app = typer.Typer(help="Submit, list, show, force, hold, release and cancel batch jobs.", no_args_is_help=True)
JobArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the job.", autocompletion=complete_jobs)]
LiveJobArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of a job that is not over.", autocompletion=complete_live_jobs)
]


@app.command()
def submit(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="JSON or YAML: a job or a list of jobs.")
    ] = None,
    site: SiteOption = "container",
    store: StoreOption = None,
    name: Annotated[str | None, typer.Option(help="Name that no other job has had.")] = None,
    profile: Annotated[str, typer.Option(help="Power profile: decode, prefill, vision or training.")] = "training",
    pool: Annotated[
        list[str] | None,
        typer.Option(help="Pool it may run on; give it again for more.", autocompletion=complete_pools),
    ] = None,
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
    from controller.jobs_file import job_documents

    desk = seat(site, store)
    if file is not None:
        write("queued: " + ", ".join(job.name for job in desk.submit(job_documents(file), source=file.name)))
        return
    document = {
        "name": name,
        "profile": profile,
        "pools": [{"pool": each, "speed": 1.0} for each in pool or [each.name for each in desk.site.pools]],
        "work_gpu_h": work_gpu_h,
        "gpus_min": gpus_min,
        "gpus_max": gpus_max,
        "release_utc": release,
        "deadline_utc": deadline,
        "value_usd": value_usd,
        "late_usd_per_h": late_usd_per_h,
        "hard": hard,
        "preemptible": not rigid,
        "surplus_only": surplus_only,
        "priority": priority,
    }
    given = {key: value for key, value in document.items() if value is not None}
    write("queued: " + ", ".join(job.name for job in desk.submit(given, source="options")))


@app.command("list")
def list_jobs(
    site: SiteOption = "container",
    store: StoreOption = None,
    state: Annotated[list[str] | None, typer.Option(help="Only these states; give it again for more.")] = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """List jobs: what runs, what waits and why not now, what is done.

    Example: [bold]mdc jobs list --state queued --state running[/bold]
    """
    from controller.reports.why_not_now import why_not_now
    from controller.web.jobs_page import OPEN_STATES, jobs_page, jobs_page_of, standpoint_of

    with looking(site, store) as (reader, desk):
        if format is Format.JSON:
            seen = standpoint_of(desk)
            rows = [
                {**job.model_dump(mode="json"), "why": why_not_now(job, seen).model_dump(mode="json")}
                for job in reader.jobs(state or ())
            ]
            write(json.dumps(rows))
            return
        if state:
            jobs = reader.jobs(state)
            live = [job for job in jobs if job.state in OPEN_STATES]
            write_page(jobs_page_of(live, [job for job in jobs if job.state not in OPEN_STATES], desk))
        else:
            write_page(jobs_page(reader, desk))


@app.command()
def show(
    name: JobArgument,
    site: SiteOption = "container",
    store: StoreOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Show one job: what was asked, what becomes of it now and why, what happened to it.

    Example: [bold]mdc jobs show tune-7[/bold]
    """
    from controller.reports.why_not_now import why_not_now
    from controller.web.jobs_page import job_page, standpoint_of

    with looking(site, store) as (reader, desk):
        job, events = _known(reader.job(name), name), reader.job_events(name)
        if format is Format.JSON:
            why = why_not_now(job, standpoint_of(desk)).model_dump(mode="json")
            told = [each.model_dump(mode="json") for each in events]
            write(json.dumps({**job.model_dump(mode="json"), "why": why, "events": told}))
            return
        write_page(job_page(job, events, desk))


@app.command()
def why(
    name: JobArgument,
    site: SiteOption = "container",
    store: StoreOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Say why a job does not run now, or what becomes of it.

    Example: [bold]mdc jobs why tune-7[/bold]
    """
    from controller.reports.why_not_now import why_not_now
    from controller.web.jobs_page import standpoint_of

    with looking(site, store) as (reader, desk):
        answer = why_not_now(_known(reader.job(name), name), standpoint_of(desk))
    write(answer.model_dump_json() if format is Format.JSON else f"{name} ({answer.state}): {answer.text}")


def _known(job: StoredJob | None, name: str) -> StoredJob:
    from sites.errors import InputError

    if job is None:
        raise InputError.single(source="jobs", field="name", found=name, mend="list the jobs: mdc jobs list")
    return job


@app.command()
def force(
    name: LiveJobArgument,
    why: WhyOption,
    at: Annotated[str | None, typer.Option(help="Start then instead; ISO time, local without offset.")] = None,
    gpus: Annotated[float | None, typer.Option(min=0, help="GPUs that it gets at least.")] = None,
    hours: HoursOption = 24.0,
    preview: PreviewOption = None,
    yes: YesOption = False,
    unchecked: UncheckedOption = False,
    site: SiteOption = "container",
    store: StoreOption = None,
) -> None:
    """Start a job now, or at a time, and let it go on; what that costs is shown first.

    Example: [bold]mdc jobs force tune-7 --why "the customer waits"[/bold]
    """
    from controller.overrides.orders import PinJob, Standing
    from sites.times import parse_time

    desk = seat(site, store)
    start = parse_time(at, desk.site.location.time_zone, source="--at", field="") if at else desk.now
    pin = PinJob(job=name, start_utc=start, gpus=gpus or None)
    standing = Standing(order=pin, expires_utc=max(start, desk.now) + timedelta(hours=hours))
    order(desk, standing, why=why, preview=preview, yes=yes, unchecked=unchecked)


@app.command()
def hold(
    name: LiveJobArgument,
    why: WhyOption,
    hours: HoursOption = 4.0,
    preview: PreviewOption = None,
    yes: YesOption = False,
    unchecked: UncheckedOption = False,
    site: SiteOption = "container",
    store: StoreOption = None,
) -> None:
    """Keep a job from running for some hours.

    Example: [bold]mdc jobs hold tune-7 --hours 3 --why "bad data"[/bold]
    """
    from controller.overrides.orders import HoldJob, Standing

    desk = seat(site, store)
    standing = Standing(order=HoldJob(job=name), expires_utc=desk.now + timedelta(hours=hours))
    order(desk, standing, why=why, preview=preview, yes=yes, unchecked=unchecked)


@app.command()
def release(name: LiveJobArgument, site: SiteOption = "container", store: StoreOption = None) -> None:
    """Withdraw what was ordered about a job: it is the plan's again.

    Example: [bold]mdc jobs release tune-7[/bold]
    """
    from controller.records.reading import Reader
    from sites.errors import InputError

    desk = seat(site, store)
    with Reader(desk.url, desk.site.name) as reader:
        found = [each for each in reader.overrides(desk.now) if each.subject == f"job {name}"]
    if not found:
        raise InputError.single(source="jobs", field="name", found=name, mend="nothing is ordered about this job")
    for each in found:
        desk.withdraw(each.id)
        write(f"withdrawn: {each.subject} {each.order_text} ({each.id})")


@app.command()
def cancel(
    name: LiveJobArgument,
    site: SiteOption = "container",
    store: StoreOption = None,
) -> None:
    """Cancel a job that is not over.

    Example: [bold]mdc jobs cancel tune-7[/bold]
    """
    seat(site, store).cancel(name)
    write(f"cancelled: {name}")
