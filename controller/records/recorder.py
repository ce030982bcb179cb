"""The recorder: one thread that owns the database, so that the control loop never waits for a disk.

``commit`` hands over entries that must be on the disk before anything acts on them and waits a bounded time
for that; ``post`` hands over what may come later, into bounded preallocated queues. When the store cannot
keep up or the disk is full, detail goes first: telemetry and read-backs are dropped (oldest first, counted),
guard actions and job steps only when their own, much longer queue is full, decisions never. What was not
written is tried again.

Entries of one ``commit`` are written in one transaction, and commits stay in order.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from controller.records.entries import (
    DecisionEntry,
    Entry,
    NowEntry,
    OutcomeEntry,
    TelemetryEntry,
    TwinEntry,
)
from controller.records.heap import give_back
from controller.records.housekeeping import KEEP_DETAIL, prune, roll_up
from controller.records.journal import Journal
from controller.records.resume import Inbox, Resumed, read_inbox, read_resumed
from controller.records.store import open_engine
from controller.records.writing import record_site, with_known_plan, write_entry
from sites.ports import Clock
from sites.schema.site import Site

LOG = logging.getLogger(__name__)
FLUSH_S = 0.5
"""Time between two writes of what may come later."""
RETRY_S = 1.0
DETAIL_MAX = 20_000
"""Telemetry and read-backs that are kept while the store is away."""
FACTS_MAX = 50_000
"""Guard actions, alarms and job steps that are kept."""


@dataclass(frozen=True)
class _Commit:
    entries: tuple[Entry, ...]
    done: Future[None] = field(default_factory=Future)


@dataclass(frozen=True, kw_only=True)
class RecorderHealth:
    """How the recorder fares."""

    waiting: int
    """Entries not yet in the store."""
    dropped: int
    """Entries given up since start."""
    failing: str
    """Why the last write failed; empty when it did not."""


class Recorder:
    """Writes one site's records in a thread of its own; also the loop's only source of what people ask for."""

    def __init__(self, url: str, site: Site, *, clock: Clock, journal: Path) -> None:
        self._site = site
        self._clock = clock
        self._journal = Journal(journal)
        self._durable: Engine = open_engine(url, durable=True)
        self._fast: Engine = open_engine(url, durable=False)
        self._commits: deque[_Commit] = deque()
        self._detail: deque[Entry] = deque(maxlen=DETAIL_MAX)
        self._facts: deque[Entry] = deque(maxlen=FACTS_MAX)
        self._now: NowEntry | None = None
        self._twin: TwinEntry | None = None
        self._inbox = Inbox()
        self._last_utc: datetime | None = None
        self._house_utc: datetime | None = None
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._dropped = 0
        self._failing = ""
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def start(self) -> Resumed:
        """Record the site file, read where the last daemon stood and what is asked for, and start writing.

        Raises:
            SQLAlchemyError: the store does not answer.
        """
        with Session(self._durable) as session:
            record_site(session, self._site, self._clock.now_utc())
            for entry in self._journal.read():
                write_entry(session, self._site.name, with_known_plan(session, entry))
            session.commit()
        resumed = read_resumed(self._fast, self._site.name)
        self._last_utc = resumed.at_utc
        self._inbox = read_inbox(self._fast, self._site.name, self._site_time())
        self._thread.start()
        return resumed

    @property
    def inbox(self) -> Inbox:
        """What people asked for, as of the last flush."""
        return self._inbox

    @property
    def health(self) -> RecorderHealth:
        """How the recorder fares now."""
        with self._lock:
            waiting = len(self._detail) + len(self._facts) + sum(len(each.entries) for each in self._commits)
        return RecorderHealth(waiting=waiting, dropped=self._dropped, failing=self._failing)

    def commit(self, entries: Sequence[Entry], *, timeout_s: float) -> Future[None]:
        """Write entries durably, in one transaction, and wait at most ``timeout_s``; the future tells whether
        they are in.

        A commit that is late is not given up: it goes on, and the future tells later.
        """
        work = _Commit(tuple(entries))
        with self._lock:
            self._commits.append(work)
        self._wake.set()
        if timeout_s <= 0:
            return work.done
        try:
            work.done.result(timeout_s)
        except TimeoutError:
            LOG.warning("the store has not taken %d entries within %.1f s", len(entries), timeout_s)
        return work.done

    def act_first(self, decisions: Sequence[DecisionEntry]) -> None:
        """Note decisions that are acted on at once in the journal; they reach the store later, in order."""
        for each in decisions:
            self._journal.note(each)
        with self._lock:
            self._commits.append(_Commit(tuple(decisions)))

    def post(self, *entries: Entry) -> None:
        """Hand over entries that may be written later; never blocks."""
        with self._lock:
            for entry in entries:
                match entry:
                    case NowEntry():
                        self._now = entry
                        self._last_utc = entry.at_utc
                    case TwinEntry():
                        self._twin = entry
                    case TelemetryEntry() | OutcomeEntry():
                        self._dropped += len(self._detail) == DETAIL_MAX
                        self._detail.append(entry)
                    case _:
                        self._dropped += len(self._facts) == FACTS_MAX
                        self._facts.append(entry)

    def keep_house(self, at_utc: datetime) -> None:
        """Have telemetry rolled up and old detail dropped, in the recorder's own time."""
        self._house_utc = at_utc

    def flush(self) -> None:
        """Write what waits soon."""
        self._wake.set()

    def close(self, timeout_s: float = 5.0) -> None:
        """Write what waits and stop; gives up after ``timeout_s``."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        self._journal.close()
        self._durable.dispose()
        self._fast.dispose()

    def _run(self) -> None:
        while True:
            stopping = self._stop.is_set()
            good = self._write_rest() and self._read_inbox() and self._keep_house()
            if stopping:
                return
            if good:
                self._failing = ""
            self._wake.wait(FLUSH_S if good else RETRY_S)
            self._wake.clear()

    def _write_commits(self) -> bool:
        while self._commits:
            work = self._commits[0]
            if not self._write(self._durable, work.entries):
                return False
            with self._lock:
                self._commits.popleft()
            work.done.set_result(None)
        return True

    def _write_rest(self) -> bool:
        with self._lock:
            facts, detail = tuple(self._facts), tuple(self._detail)
            present = tuple(each for each in (self._twin, self._now) if each is not None)
            self._twin = self._now = None
        if not self._write_commits():  # what is marked as acted on in `facts` has to be there first
            return False
        if not (facts or detail or present):
            return True
        if not self._write(self._fast, (*facts, *detail, *present)):
            return False
        with self._lock:
            _take(self._facts, facts)
            _take(self._detail, detail)
        return True

    def _write(self, engine: Engine, entries: tuple[Entry, ...]) -> bool:
        try:
            with Session(engine) as session:
                for entry in entries:
                    write_entry(session, self._site.name, entry)
                session.commit()
        except SQLAlchemyError as error:
            self._failing = type(error.__cause__ or error).__name__ + ": " + str(error.__cause__ or error)[:200]
            LOG.warning("the store took nothing: %s", self._failing)
            return False
        return True

    def _read_inbox(self) -> bool:
        try:
            self._inbox = read_inbox(self._fast, self._site.name, self._site_time())
        except SQLAlchemyError as error:
            self._failing = str(error)[:200]
            return False
        return True

    def _site_time(self) -> datetime:
        """Return site time as of the last cycle, the last daemon's before this one's first; the host's on a new store."""
        return self._last_utc or self._clock.now_utc()

    def _keep_house(self) -> bool:
        at, self._house_utc = self._house_utc, None
        if at is None:
            return True
        try:
            with Session(self._fast) as session:
                roll_up(session, self._site.name, at)
                prune(session, self._site.name, at - KEEP_DETAIL)
                session.commit()
        except SQLAlchemyError as error:
            LOG.warning("no housekeeping this time: %s", error)
            return False
        give_back()
        return True


def _take(queue: deque[Entry], written: tuple[Entry, ...]) -> None:
    """Remove from the front of ``queue`` what was written and has not been pushed out since."""
    left = len(written)
    first = {id(entry) for entry in written}
    while left and queue and id(queue[0]) in first:
        queue.popleft()
        left -= 1
