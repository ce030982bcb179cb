"""What the worker prepares for the loop: the world around a simulated plant, the site's computers, the jobs to come."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from controller.capability import capability
from controller.daemon import past
from controller.daemon.messages import Prepare, Prepared, WorldDocument
from controller.studies.closed_loop import stream_jobs
from forecasting.demand.arrivals import actual_rate_rps
from forecasting.prepare import prepare_period
from sites.schema.site import Site
from sites.times import HOUR
from sites.world import World

STEP_S = 300


def whole_step(moment: datetime) -> datetime:
    """Return the start of the preparation step that holds a moment."""
    return datetime.fromtimestamp(moment.timestamp() // STEP_S * STEP_S, tz=UTC)


def prepare(
    site: Site, request: Prepare, *, folder: Path | None, say: Callable[[str], None]
) -> tuple[Prepared, World | None]:
    """Return the answer to a request, and the same world with the past that forecasts learn from.

    Raises:
        InputError: the weather cannot be used, or the catalogue does not know a GPU or model.
    """
    say("preparing 1/3: what the site's computers can do")
    work = capability(site)
    start, end = whole_step(request.start_utc), whole_step(request.end_utc)
    jobs = stream_jobs(site, start, end, site.devices.seed)
    begin = start - timedelta(days=past.DAYS)
    say(f"preparing 2/3: weather and sun of {(end - start) / HOUR / 24:.0f} days")
    period = prepare_period(site, start_utc=begin, end_utc=end, step_s=STEP_S, folder=folder)
    say("preparing 3/3: demand")
    world = World(
        pv_available_kw=period.pv_available_kw,
        outdoor_c=period.outdoor_c,
        rate_rps={
            service.name: actual_rate_rps(
                service, start_utc=begin, end_utc=end, zone=site.location.time_zone, seed=site.devices.seed
            )
            for service in site.services
        },
    )
    answer = Prepared(
        id=request.id,
        source=period.source,
        world=WorldDocument.of(world).after(start),
        pools=work.pools,
        menus=work.menus,
        jobs=jobs,
    )
    return answer, world
