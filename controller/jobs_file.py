"""Reading job files: a JSON or YAML list of jobs, checked whole before anything is taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from optimizer.problem import JobProblem
from sites.errors import InputError, InputFault, shorten
from sites.load import parse_yaml, validation_faults
from sites.schema.site import Site
from sites.times import parse_time


def read_jobs(path: Path, site: Site) -> tuple[JobProblem, ...]:
    """Return the jobs of a file; times without offset are local times of the site.

    Raises:
        InputError: with every fault of every job.
    """
    return parse_jobs(job_documents(path), site, source=path.name)


def job_documents(path: Path) -> Any:
    """Return what a job file holds, parsed and not yet checked.

    Raises:
        InputError: it cannot be read, or is neither JSON nor YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError.single(
            source=str(path), field="", found=error.strerror or "unreadable", mend="give a readable job file"
        ) from error
    return parse_yaml(text, source=path.name)


def parse_jobs(document: Any, site: Site, *, source: str) -> tuple[JobProblem, ...]:
    """Return the jobs of a parsed document: one job or a list of them.

    Raises:
        InputError: with every fault of every job.
    """
    entries = document if isinstance(document, list) else [document]
    jobs: list[JobProblem] = []
    faults: list[InputFault] = []
    for index, entry in enumerate(entries):
        where = f"{source}[{index}]" if isinstance(document, list) else source
        try:
            jobs.append(_job(entry, site, where))
        except ValidationError as error:
            faults += validation_faults(error, source=where)
        except InputError as error:
            faults += error.faults
    names = [job.name for job in jobs]
    faults += [
        InputFault(source=source, field="name", found=shorten(name), mend="give each job its own name")
        for name in sorted({name for name in names if names.count(name) > 1})
    ]
    faults += [fault for job in jobs for fault in _unknown_pools(job, site, source)]
    if faults:
        raise InputError(faults)
    return tuple(jobs)


def _job(entry: Any, site: Site, where: str) -> JobProblem:
    if not isinstance(entry, dict):
        raise InputError.single(source=where, field="", found=entry, mend="write a job as fields and values")
    fields = dict(entry)
    for field in ("release_utc", "deadline_utc"):
        value = fields.get(field)
        if isinstance(value, str):
            fields[field] = parse_time(value, site.location.time_zone, source=where, field=field)
    return JobProblem.model_validate(fields)


def _unknown_pools(job: JobProblem, site: Site, source: str) -> list[InputFault]:
    sizes = {pool.name: pool.gpus for pool in site.pools}
    listed = ", ".join(sorted(sizes)) or "this site has none"
    faults = [
        InputFault(
            source=source,
            field=f"{job.name}.pools",
            found=shorten(share.pool),
            mend=f"name pools of the site: {listed}",
        )
        for share in job.pools
        if share.pool not in sizes
    ]
    largest = max((sizes[share.pool] for share in job.pools if share.pool in sizes), default=0)
    if not faults and job.gpus_min > largest:
        faults.append(
            InputFault(
                source=source,
                field=f"{job.name}.gpus_min",
                found=shorten(job.gpus_min),
                mend=f"the largest of its pools has {largest} GPUs",
            )
        )
    return faults
