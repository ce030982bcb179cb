"""Shell completion of what a site knows: example sites and files, jobs, plans, overrides, deliveries, alarms, subjects.

Completion never makes a store, never changes one and never complains: where nothing can be read, nothing is offered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from controller.records.reading import Reader
    from sites.schema.site import Site

SITE_FILES = ("*.yaml", "*.yml")
Offers = list[tuple[str, str]]
"""What can be typed, and its help."""


def complete_sites(incomplete: str) -> Offers:
    """Offer example sites, and site files of this folder."""
    from pathlib import Path

    from sites.load import example_names

    files = [path.name for pattern in SITE_FILES for path in Path().glob(pattern)]
    offers = [(name, "example site") for name in example_names()] + [(name, "file") for name in sorted(files)]
    return [each for each in offers if each[0].startswith(incomplete)]


def complete_live_jobs(context: typer.Context, incomplete: str) -> Offers:
    """Offer jobs that are not over."""
    from controller.records.views import LIVE

    return _offered(context, incomplete, lambda reader, _: ((job.name, job.state) for job in reader.jobs(LIVE)))


def complete_jobs(context: typer.Context, incomplete: str) -> Offers:
    """Offer all jobs."""
    return _offered(context, incomplete, lambda reader, _: ((job.name, job.state) for job in reader.jobs()))


def complete_pending_plans(context: typer.Context, incomplete: str) -> Offers:
    """Offer plans that wait for a person."""
    return _offered(
        context,
        incomplete,
        lambda reader, _: ((head.id, f"made {head.made_utc:%Y-%m-%d %H:%M}Z") for head in reader.pending_plans()),
    )


def complete_overrides(context: typer.Context, incomplete: str) -> Offers:
    """Offer overrides in force."""

    def found(reader: Reader, site: Site) -> Iterator[tuple[str, str]]:
        now = reader.now()
        for each in reader.overrides(now.at_utc if now is not None else None):
            if each.withdrawn_utc is None:
                yield each.id, f"{each.subject} {each.order_text}"

    return _offered(context, incomplete, found)


def complete_deliveries(context: typer.Context, incomplete: str) -> Offers:
    """Offer deliveries that stand."""
    return _offered(
        context,
        incomplete,
        lambda reader, _: (
            (each.id, f"{each.litres:g} L {each.at_utc:%Y-%m-%d %H:%M}Z") for each in reader.deliveries(limit=20)
        ),
    )


def complete_alarms(context: typer.Context, incomplete: str) -> Offers:
    """Offer open alarms that nobody has acknowledged."""
    return _offered(
        context,
        incomplete,
        lambda reader, _: (
            (each.id, f"{each.severity}: {each.subject}") for each in reader.alarms() if each.acknowledged_utc is None
        ),
    )


def complete_subjects(context: typer.Context, incomplete: str) -> Offers:
    """Offer what an override can be about."""
    from controller.overrides.reading import SAYINGS, subjects
    from controller.records.views import LIVE

    def found(reader: Reader | None, site: Site) -> Iterator[tuple[str, str]]:
        for each in subjects(site):
            yield each, SAYINGS[each.split(" ")[0]]
        for job in reader.jobs(LIVE) if reader is not None else ():
            yield f"job {job.name}", job.state

    site = _site(context)
    if site is None:
        return []
    return _offered(context, incomplete, found) or _begun(found(None, site), incomplete)


def complete_pools(context: typer.Context, incomplete: str) -> Offers:
    """Offer the site's GPU pools."""
    site = _site(context)
    return _begun(((each.name, each.gpu) for each in site.pools), incomplete) if site is not None else []


def _site(context: typer.Context) -> Site | None:
    from sites.errors import InputError
    from sites.load import load_site

    try:
        return load_site(str(context.params.get("site") or "container"))
    except InputError:
        return None


def _offered(
    context: typer.Context, incomplete: str, found: Callable[[Reader, Site], Iterable[tuple[str, str]]]
) -> Offers:
    from controller.records.reading import Reader
    from controller.records.store import STORE_FAULTS, exists
    from sites.errors import InputError

    site = _site(context)
    if site is None:
        return []
    url = str(context.params.get("store") or site.store.url)
    try:
        if not exists(url):
            return []
        with Reader(url, site.name) as reader:
            return _begun(found(reader, site), incomplete)
    except InputError:
        return []
    except STORE_FAULTS:
        return []


def _begun(offers: Iterable[tuple[str, str]], incomplete: str) -> Offers:
    return [each for each in offers if each[0].startswith(incomplete)]
