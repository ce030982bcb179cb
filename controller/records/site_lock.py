"""One daemon a site: a second one on the same store is refused, and a lock never outlives its process, whose id it holds."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from sqlalchemy import Connection, Engine, text

from controller.records.store import open_engine, parse_url
from sites.errors import InputError


def state_folder(url: str) -> Path:
    """Return the folder for what lies beside the store: an SQLite file's own, else ``var``."""
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        return Path(parsed.database).parent
    return Path("var")


class SiteLock:
    """Held while a daemon runs.

    Raises:
        InputError: on taking, another daemon holds it.
    """

    def __init__(self, url: str, site: str) -> None:
        folder = state_folder(url)
        folder.mkdir(parents=True, exist_ok=True)
        self._file = _lock_file(url, site).open("a+")
        self._engine: Engine | None = None
        self._connection: Connection | None = None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise _taken(site) from error
        self._file.seek(0)
        self.left_open = bool(self._file.read())
        """Whether the last holder ended without giving it back."""
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()
        if parse_url(url).get_backend_name() == "postgresql":
            self._lock_database(url, site)

    def _lock_database(self, url: str, site: str) -> None:
        self._engine = open_engine(url, durable=True)
        self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        query = text("select pg_try_advisory_lock(hashtext(:name))")
        if not self._connection.execute(query, {"name": f"mdc {site}"}).scalar():
            self.release()
            raise _taken(site)

    def release(self) -> None:
        """Give the lock back."""
        if self._connection is not None:
            self._connection.close()
        if self._engine is not None:
            self._engine.dispose()
        if not self._file.closed:
            self._file.truncate(0)
        self._file.close()


def daemon_pid(url: str, site: str) -> int | None:
    """Return the process id of the daemon that holds a site's lock on this machine; none if nobody does."""
    try:
        with _lock_file(url, site).open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except OSError:
        text = _lock_file(url, site).read_text(encoding="ascii")
        return int(text) if text.isdigit() else None
    return None


def _lock_file(url: str, site: str) -> Path:
    return state_folder(url) / f"{site}.lock"


def _taken(site: str) -> InputError:
    return InputError.single(
        source="store",
        field="",
        found=f"another daemon runs {site} on it",
        mend="stop it first, or give another --store",
    )
