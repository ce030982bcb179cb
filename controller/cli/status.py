"""``mdc status``: the present of a site in a few lines."""

from __future__ import annotations

import json

from controller.cli.output import Format, FormatOption, SiteArgument, write
from controller.cli.run import StoreOption


def status(site: SiteArgument = "container", store: StoreOption = None, format: FormatOption = Format.TABLE) -> None:
    """Show what a running site does now: flows, charge, fuel, GPUs, services, jobs, alarms.

    Example: [bold]mdc status container[/bold]
    """
    from controller.records.reading import Reader
    from controller.records.store import exists
    from controller.reports.status_text import status_lines
    from sites.errors import InputError
    from sites.load import load_site

    described = load_site(site)
    url = store or described.store.url
    if not exists(url):
        raise InputError.single(
            source="--store",
            field="",
            found=url,
            mend="name the store that mdc run writes; mdc db upgrade brings an old one up to date",
        )
    with Reader(url, described.name) as reader:
        now, alarms = reader.now(), reader.alarms()
        plan = (reader.latest_plan(followed=True) or reader.latest_plan()) if now is not None else None
    if now is None:
        raise InputError.single(
            source="--store", field="", found=f"no cycle of {described.name}", mend="start it: mdc run"
        )
    if format is Format.JSON:
        document = {**now.model_dump(mode="json"), "alarms": [alarm.model_dump(mode="json") for alarm in alarms]}
        write(json.dumps(document))
        return
    write("\n".join(status_lines(described, now, plan, alarms)))
