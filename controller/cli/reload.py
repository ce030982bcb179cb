"""``mdc reload``: have a running daemon read its site file again."""

from __future__ import annotations

import os
import signal

from controller.cli.output import SiteArgument, say
from controller.cli.run import StoreOption


def reload(site: SiteArgument = "container", store: StoreOption = None) -> None:
    """Have the daemon on this machine read its site file again, after checking the file here.

    What people tune changes at once (description, prices, planning, reports, batch); a file that changes anything else is refused
    by the daemon, which says so and goes on with the one it has: alarm SITE_FILE_REFUSED.

    Example: [bold]mdc reload container[/bold]
    """
    from controller.records.site_lock import daemon_pid
    from sites.errors import InputError
    from sites.load import load_site

    described = load_site(site)
    pid = daemon_pid(store or described.store.url, described.name)
    if pid is None:
        raise InputError.single(
            source="--store",
            field="",
            found=f"no daemon of {described.name} on this machine",
            mend="start it (mdc run), or name the store that it writes",
        )
    os.kill(pid, signal.SIGHUP)
    say(f"{described.name}: asked daemon {pid} to read its site file again; mdc status tells if it was refused")
