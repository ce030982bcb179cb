"""Reading the site file again while the daemon runs (SIGHUP, ``systemctl reload``, ``mdc reload``).

What a person tunes is taken at once: :data:`LIVE`. The rest - the equipment and how it is reached, the services, the store - is
wired in when the daemon starts; a file that changes any of it is refused whole, as is one that does not check, and the daemon
goes on with the file it has. That file is kept as a copy beside the store, and the daemon's other processes read the copy:
an edit that nobody asked to be taken reaches none of them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sites.errors import InputError
from sites.load import load_site
from sites.schema.base import Section
from sites.schema.site import Site

LIVE = ("description", "prices", "planning", "reports", "batch")
"""Sections that change without a restart."""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A site file that the running daemon can take."""

    site: Site
    changed: tuple[str, ...]
    """Fields that differ from the file in force."""


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A site file that it cannot take."""

    text: str


def differences(old: Section, new: Section, path: str = "") -> Iterator[str]:
    """Yield the fields in which two sections differ, as a person writes them: ``planning.solve_seconds``."""
    for name in type(old).model_fields:
        before, after = getattr(old, name), getattr(new, name)
        if before == after:
            continue
        if isinstance(before, Section) and type(before) is type(after):
            yield from differences(before, after, f"{path}{name}.")
        else:
            yield f"{path}{name}"


def reread(site_file: str, running: Site) -> Taken | Refused:
    """Read a site file again and say whether a daemon that runs ``running`` can take it."""
    try:
        site = load_site(site_file)
    except InputError as error:
        return Refused(text="; ".join(str(fault) for fault in error.faults))
    except (OSError, UnicodeDecodeError) as error:
        return Refused(text=f"{site_file}: {error}")
    changed = tuple(differences(running, site))
    wired = [field for field in changed if field.partition(".")[0] not in LIVE]
    if wired:
        return Refused(text=f"{site_file}: {', '.join(wired)} can change only with a restart")
    return Taken(site=site, changed=changed)


class Reloading:
    """Reads the file in a thread when asked to: a slow disk never holds up the cycle."""

    def __init__(self, site_file: str) -> None:
        self._site_file = site_file
        self._asked = threading.Event()
        self._thread: threading.Thread | None = None
        self._found: Taken | Refused | None = None

    def ask(self) -> None:
        """Ask for the file to be read again; safe from a signal handler."""
        self._asked.set()

    def begin(self, running: Site) -> bool:
        """Begin to read if that was asked for; returns whether it has begun."""
        if self._thread is not None or not self._asked.is_set():
            return False
        self._asked.clear()
        self._thread = threading.Thread(target=self._read, args=(running,), name="site file", daemon=True)
        self._thread.start()
        return True

    def poll(self) -> Taken | Refused | None:
        """Return what was found, once; none while nothing was."""
        if self._thread is None or self._thread.is_alive():
            return None
        self._thread = None
        found, self._found = self._found, None
        return found

    def _read(self, running: Site) -> None:
        self._found = Refused(text=f"{self._site_file}: it could not be read")
        self._found = reread(self._site_file, running)


def keep_copy(site: Site, path: Path) -> None:
    """Write the site file in force where the daemon's other processes read it; whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(site.model_dump_json(exclude_defaults=True), encoding="utf-8")
    os.replace(part, path)
