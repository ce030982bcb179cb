"""What the operator's desk shows, read from the store at most once in a short while however many look at it."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from controller.records.reading import Reader
from controller.records.store import STORE_FAULTS, exists
from controller.records.views import Alarm, Delivery, GuardAction, Override, SiteNow, StoredDecision, StoredPlan
from sites.ports import Clock
from sites.schema.site import Site

LOG = logging.getLogger(__name__)
FRESH_S = 0.8
"""How long a reading is shown to everybody who asks."""
LOOK_BACK = timedelta(hours=24)
SHOWN_ORDERS = 10


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Everything the first page shows; what is not there yet is ``None`` or empty."""

    site: Site
    store_ready: bool = False
    """Whether the store is there and migrated."""
    stale: bool = False
    """Whether the store could not be read just now and what is shown is older."""
    now: SiteNow | None = None
    plan: StoredPlan | None = None
    """The plan that is followed, else the newest one."""
    alarms: tuple[Alarm, ...] = ()
    orders: tuple[StoredDecision, ...] = ()
    """Newest first."""
    guards: tuple[GuardAction, ...] = ()
    """Newest first."""
    deliveries: tuple[Delivery, ...] = ()
    overrides: tuple[Override, ...] = ()
    """Orders of people that are in force now."""

    @property
    def sensed(self) -> bool:
        """Whether any device has been read: the loop runs safely before its plant is connected."""
        snapshot = self.now.snapshot if self.now is not None else None
        return snapshot is not None and (
            snapshot.battery is not None or bool(snapshot.gensets) or snapshot.load_kw is not None
        )

    @property
    def followed(self) -> bool:
        """Whether the plan shown is the one in force."""
        return self.now is not None and self.plan is not None and self.now.plan_id == self.plan.head.id


class DeskReader:
    """Reads the desk of one site; safe to call from many threads."""

    def __init__(self, url: str, site: Site, clock: Clock) -> None:
        self._url = url
        self._site = site
        self._clock = clock
        self._lock = threading.Lock()
        self._reader: Reader | None = None
        self._desk: Desk | None = None
        self._read_s = 0.0

    @property
    def url(self) -> str:
        """Address of the store."""
        return self._url

    @property
    def site(self) -> Site:
        """The site file."""
        return self._site

    def host_utc(self) -> datetime:
        """Return the host's time."""
        return self._clock.now_utc()

    def current(self) -> Desk:
        """Return the desk, at most :data:`FRESH_S` old."""
        with self._lock:
            elapsed_s = self._clock.monotonic_s()
            if self._desk is None or elapsed_s - self._read_s > FRESH_S:
                self._desk = self._read(self._desk)
                self._read_s = elapsed_s
            return self._desk

    def look_again(self) -> None:
        """Read the store anew for the next who asks: something was commanded."""
        with self._lock:
            self._read_s = float("-inf")

    def reader(self) -> Reader | None:
        """Return the store's reader, for pages that ask for more; none while there is no store."""
        with self._lock:
            return self._open()

    def close(self) -> None:
        """Give the store's connections back."""
        with self._lock:
            if self._reader is not None:
                self._reader.close()
                self._reader = None

    def _read(self, last: Desk | None) -> Desk:
        """Return what the store holds; what was shown last, marked stale, while it cannot be read."""
        try:
            return self._read_store(last)
        except STORE_FAULTS as fault:
            LOG.warning("the store cannot be read: %s", fault.__class__.__name__)
            return replace(last, stale=True) if last is not None else Desk(site=self._site, stale=True)

    def _read_store(self, last: Desk | None) -> Desk:
        reader = self._open()
        if reader is None:
            return Desk(site=self._site)
        now = reader.now()
        if now is None:
            return Desk(site=self._site, store_ready=True, plan=self._plan(reader, None, last))
        start, end = now.at_utc - LOOK_BACK, now.at_utc + timedelta(seconds=1)
        return Desk(
            site=self._site,
            store_ready=True,
            now=now,
            plan=self._plan(reader, now, last),
            alarms=reader.alarms(),
            orders=reader.decisions(start, end, limit=SHOWN_ORDERS),
            guards=reader.guard_actions(start, end, limit=SHOWN_ORDERS),
            overrides=reader.overrides(now.at_utc),
            deliveries=tuple(each for each in reader.deliveries(limit=10) if each.at_utc > now.at_utc),
        )

    def _open(self) -> Reader | None:
        """Return the open reader; none while the store is not there or not migrated yet."""
        if self._reader is None and exists(self._url):
            self._reader = Reader(self._url, self._site.name)
        return self._reader

    @staticmethod
    def _plan(reader: Reader, now: SiteNow | None, last: Desk | None) -> StoredPlan | None:
        """Return the plan to show; plans never change but for their review, so one already read is kept."""
        heads = (
            reader.plans(now.at_utc - LOOK_BACK, now.at_utc + timedelta(seconds=1), limit=1) if now is not None else ()
        )
        wanted = now.plan_id if now is not None and now.plan_id else heads[0].id if heads else None
        if wanted is None:
            return reader.latest_plan()
        if last is not None and last.plan is not None and last.plan.head.id == wanted:
            head = next((head for head in heads if head.id == wanted), last.plan.head)
            return last.plan.model_copy(update={"head": head})
        return reader.plan(wanted)
