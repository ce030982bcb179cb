"""The console's door: looks up who holds a token or a session, in a store that may be away.

Nobody is let in on a store that cannot be read, and what was last known of it decides whether strangers may look.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from starlette.exceptions import HTTPException

from controller.access.roles import LOCAL_VIEWER, Asker
from controller.records.access import Access
from controller.records.store import STORE_FAULTS, exists
from sites.ports import Clock

LOG = logging.getLogger(__name__)
FRESH_S = 2.0
"""How long it is known whether anybody holds a token."""
REFUSALS_S = 60.0
"""Of refused strangers one line in this time is written: they must not fill the disk."""

Found = TypeVar("Found")


class Gate:
    """Who may come in. ``local`` = the console listens on this machine only. Safe to call from many threads."""

    def __init__(self, url: str, site: str, clock: Clock, *, local: bool) -> None:
        self._url, self._site, self._clock, self._local = url, site, clock, local
        self._lock = threading.Lock()
        self._access: Access | None = None
        self._any: bool | None = None
        self._any_s = self._told_s = float("-inf")
        self.refusals = 0
        """Requests that were refused since the console started."""

    def bearer(self, token: str) -> Asker | None:
        """Return who a program's token belongs to."""
        return self._counted(self._ask(lambda access: access.bearer(token, self._clock.now_utc()), None))

    def session(self, secret: str) -> Asker | None:
        """Return who signed in with a session."""
        return self._ask(lambda access: access.by_session(secret, self._clock.now_utc()), None)

    def stranger(self) -> Asker | None:
        """Return as whom somebody without token may look; none when they may not."""
        return LOCAL_VIEWER if self._local and not self._any_lasting() else None

    def sign_in(self, token: str) -> tuple[str, Asker] | None:
        """Return a new session's secret and who it is; none when the token does not hold.

        Raises:
            HTTPException: the store cannot be written just now.
        """
        access = self._open()
        if access is None:
            return self._counted(None)
        try:
            return self._counted(access.sign_in(token, self._clock.now_utc()))
        except STORE_FAULTS as fault:
            LOG.warning("nobody can sign in: %s", fault.__class__.__name__)
            raise HTTPException(503, "the records cannot be written just now; try again") from fault

    def sign_out(self, secret: str) -> None:
        """End a session."""
        self._ask(lambda access: access.sign_out(secret), None)

    def refused(self, who: Asker, action: str, detail: str) -> None:
        """Note a command that was not allowed: each one of somebody who is signed in, few of strangers."""
        self._counted(None)
        with self._lock:
            now_s = self._clock.monotonic_s()
            if not who.signed_in:
                if now_s - self._told_s < REFUSALS_S:
                    return
                self._told_s = now_s
        self._ask(lambda access: access.refused(who, action[:120], detail, self._clock.now_utc()), None)

    def close(self) -> None:
        """Give the store's connections back."""
        with self._lock:
            if self._access is not None:
                self._access.close()
                self._access = None

    def _any_lasting(self) -> bool:
        """Return whether anybody holds a lasting token; while the store cannot say, what it last said, else yes."""
        with self._lock:
            now_s = self._clock.monotonic_s()
            if now_s - self._any_s <= FRESH_S and self._any is not None:
                return self._any
        if self._open() is None:
            return False
        known = self._any
        found = self._ask(lambda access: access.any_lasting(self._clock.now_utc()), True if known is None else known)
        with self._lock:
            self._any, self._any_s = found, now_s
        return found

    def _counted(self, found: Found) -> Found:
        if found is None:
            with self._lock:
                self.refusals += 1
        return found

    def _open(self) -> Access | None:
        with self._lock:
            if self._access is None and exists(self._url):
                self._access = Access(self._url, self._site)
            return self._access

    def _ask(self, question: Callable[[Access], Found], otherwise: Found) -> Found:
        access = self._open()
        if access is None:
            return otherwise
        try:
            return question(access)
        except STORE_FAULTS as fault:
            LOG.warning("tokens cannot be looked up: %s", fault.__class__.__name__)
            return otherwise
