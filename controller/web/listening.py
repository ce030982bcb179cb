"""Where the console may listen: on this machine always, beyond it only when somebody holds a token."""

from __future__ import annotations

from controller.records.access import Access
from controller.records.store import exists
from sites.errors import InputError
from sites.ports import Clock

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def check_listening(host: str, url: str, site: str, clock: Clock) -> None:
    """Refuse to listen beyond this machine while nobody holds a token.

    Raises:
        InputError: nobody holds one.
    """
    if host in LOOPBACK:
        return
    if exists(url):
        with Access(url, site) as access:
            if access.any_lasting(clock.now_utc()):
                return
    raise InputError.single(
        source="--host",
        field="",
        found=host,
        mend=f"give somebody a token first: mdc access add NAME --role admin --site {site}; or listen on 127.0.0.1",
    )
