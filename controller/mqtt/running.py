"""One bridge a site: runs it until it is told to stop."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from controller.mqtt.bridge import Bridge
from controller.records.site_lock import state_folder
from sites.errors import InputError
from sites.ports import SystemClock
from sites.schema.site import Site


def run_bridge(site: Site, url: str, *, source: str, say: Callable[[str], None]) -> None:
    """Publish a site until SIGTERM or SIGINT.

    Raises:
        InputError: the site file has no broker, or another bridge of the site runs: at the broker they would push each
            other out again and again.
    """
    if site.mqtt is None:
        raise InputError.single(source=source, field="mqtt", found=None, mend="add an mqtt section with an address")
    with _alone(state_folder(url) / f"{site.name}.mqtt.lock"):
        bridge = Bridge(site, site.mqtt, url, clock=SystemClock())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: bridge.stop())
        say(f"publishing {bridge.topics.root} to {site.mqtt.address}")
        bridge.run()


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    held = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        mend = "stop it first; mdc run keeps one of its own unless mqtt.with_daemon is false"
        raise InputError.single(source=str(path), field="", found="another bridge of this site", mend=mend) from None
    finally:
        os.close(held)
