"""``mdc run``: the daemon of a site, live or on a fast clock."""

from __future__ import annotations

import getpass
import logging
import os
from typing import Annotated

import typer

from controller.cli.output import SiteArgument, say

StoreOption = Annotated[
    str | None,
    typer.Option("--store", metavar="URL", help="Store, e.g. sqlite:///var/mdc.sqlite; from the site file if absent."),
]


def run(
    site: SiteArgument = "container",
    speed: Annotated[
        float, typer.Option(min=1, max=3600, help="How many times faster than life; the clock waits for each plan.")
    ] = 1.0,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the console; 0 = none.")] = 8080,
    listen: Annotated[
        str, typer.Option(help="Address of the console; beyond this machine only when somebody holds a token.")
    ] = "127.0.0.1",
    store: StoreOption = None,
    start: Annotated[
        str | None, typer.Option(help="Site time to begin at with --speed and a new store; local without offset.")
    ] = None,
    worker_memory_mb: Annotated[int, typer.Option(min=512, help="Address space the planning worker may take.")] = 6144,
) -> None:
    """Run a site: control every second, a plan every interval, everything written down, a console in the browser.

    Example: [bold]mdc run container --speed 120[/bold]
    """
    from controller.daemon.loop import Loop, LoopOptions
    from controller.logs import as_json, log_context, set_up_logs
    from controller.web.listening import check_listening
    from sites.load import find_site, load_site
    from sites.ports import SystemClock
    from sites.times import parse_time

    set_up_logs("run")
    described = load_site(site)
    log_context(site=described.name)
    begin = parse_time(start, described.location.time_zone, source="--start", field="") if start else None
    url = store or described.store.url
    if port:
        check_listening(listen, url, described.name, SystemClock())
    options = LoopOptions(
        site=described,
        site_file=str(find_site(site)),
        url=url,
        speed=speed,
        start_utc=begin,
        port=port or None,
        listen=listen,
        invite=_demonstrator() if described.devices.driver == "simulated" else "",
        worker_memory_mb=worker_memory_mb,
    )
    Loop(options, host=SystemClock(), say=_log if as_json() else say).run()


def _log(text: str) -> None:
    """Tell what the daemon says as a line of the log, so that each line is one document."""
    logging.getLogger(__name__).info("%s", text)


def _demonstrator() -> str:
    """Return who a link is printed for; nobody under a service manager, whose journal would keep it."""
    return "" if "NOTIFY_SOCKET" in os.environ else getpass.getuser()
