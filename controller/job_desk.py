"""What a job has to fulfil before it is queued at a site."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from optimizer.problem import JobProblem
from sites.errors import InputError, InputFault, shorten
from sites.schema.site import Site

NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")


def check_jobs(jobs: Sequence[JobProblem], site: Site, now: datetime, *, source: str) -> None:
    """Refuse jobs that can never run here or can never be in time.

    Raises:
        InputError: with every fault.
    """
    faults: list[InputFault] = []

    def fault(field: str, found: object, mend: str) -> None:
        faults.append(InputFault(source=source, field=field, found=shorten(found), mend=mend))

    for index, job in enumerate(jobs):
        where = f"[{index}]." if len(jobs) > 1 else ""
        if not NAME.match(job.name):
            fault(f"{where}name", job.name, "up to 100 letters, digits, dots, dashes and underscores")
        if not job.pools:
            fault(f"{where}pools", "none", "name at least one pool of the site")
        if job.deadline_utc <= now:
            fault(f"{where}deadline_utc", job.deadline_utc.isoformat(), f"it is over: the site has {now.isoformat()}")
        if job.gpus_max < 1e-6:
            fault(f"{where}gpus_max", job.gpus_max, "at least one GPU")
    if faults:
        raise InputError(faults)
