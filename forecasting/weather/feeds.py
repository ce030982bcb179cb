"""The site's sources of predictions, each asked in its own time and never in the way of a plan.

Each source is asked in a thread of its own and waited for no longer than its deadline: one that hangs costs one wait,
and is not asked again before it has come back. What goes wrong is said in its ``FeedState`` and nothing else happens:
the runs that are there grow old, and their weight falls. A service on the net speaks of the weather of today, so it is
asked only while the site's clock is the host's; a folder is judged by the site's clock, whatever that is.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from forecasting.nwp import NwpRun
from forecasting.nwp_archive import KEPT_DAYS, known_runs
from forecasting.records import FeedState
from forecasting.weather.drop_folder import DropFolder
from forecasting.weather.predictions import NwpFault, OpenMeteo, PredictionSource
from sites.ports import Clock
from sites.schema.place import Prediction
from sites.schema.site import Site

RETRY = timedelta(minutes=15)
GRACE_S = 0.5
"""Waited beyond a source's own deadline, which cannot see a name server that hangs."""
SAME_CLOCK = timedelta(minutes=30)


@dataclass(frozen=True, kw_only=True)
class News:
    """What asking the sources has brought."""

    runs: tuple[NwpRun, ...]
    """Runs that were not known before."""
    states: tuple[FeedState, ...]
    """Where every source stands."""


class Feeds:
    """All sources of one site and every run they have given."""

    def __init__(self, site: Site, *, folder: Path | None, clock: Clock) -> None:
        """``folder`` is that of the site file; ``clock`` is the host's."""
        self._clock = clock
        self._feeds = [
            _Feed(each, prediction_source(each, site, folder=folder, clock=clock)) for each in site.weather.predictions
        ]
        self._runs: dict[tuple[str, datetime], NwpRun] = {}

    def remember(self, runs: Iterable[NwpRun]) -> None:
        """Take in runs of the past, from the store."""
        self._runs |= {(run.source, run.issued_utc): run for run in runs}

    def refresh(self, now: datetime) -> News:
        """Ask the sources that are due at the site's time ``now``; waits at most for the longest deadline."""
        live = abs(now - self._clock.now_utc()) <= SAME_CLOCK
        asked = [feed for feed in self._feeds if feed.ask(now, live=live)]
        until_s = self._clock.monotonic_s() + max((feed.about.deadline_s for feed in asked), default=0.0) + GRACE_S
        found: list[NwpRun] = []
        for feed in asked:
            found += feed.take(now, wait_s=max(until_s - self._clock.monotonic_s(), 0.0))
        fresh = {key: run for run in found if (key := (run.source, run.issued_utc)) not in self._runs}
        self._runs |= fresh
        oldest = now - timedelta(days=KEPT_DAYS)
        self._runs = {key: run for key, run in self._runs.items() if run.issued_utc >= oldest}
        return News(runs=tuple(fresh.values()), states=tuple(feed.state for feed in self._feeds if feed.state))

    def known(self, now: datetime) -> tuple[NwpRun, ...]:
        """Return one run a source, past and newest put together, as known at the site's time ``now``."""
        return known_runs(self._runs.values(), now=now)


def prediction_source(about: Prediction, site: Site, *, folder: Path | None, clock: Clock) -> PredictionSource:
    """Return the source that a site file describes."""
    latitude_deg, longitude_deg = site.location.latitude, site.location.longitude
    if about.kind == "folder":
        return DropFolder(
            folder=(folder or Path()) / about.folder,
            source=about.name,
            latitude_deg=latitude_deg,
            longitude_deg=longitude_deg,
        )
    return OpenMeteo(
        clock=clock,
        address=about.address,
        deadline_s=about.deadline_s,
        source=about.name,
        latitude_deg=latitude_deg,
        longitude_deg=longitude_deg,
    )


class _Feed:
    """One source, the thread that asks it, and where it stands."""

    def __init__(self, about: Prediction, source: PredictionSource) -> None:
        self.about, self._source = about, source
        self.state: FeedState | None = None
        self._due: datetime | None = None
        self._thread: threading.Thread | None = None
        self._box: list[tuple[NwpRun, ...] | NwpFault] = []

    def ask(self, now: datetime, *, live: bool) -> bool:
        """Begin to ask if it is time; returns whether an answer is to be waited for."""
        if self._due is not None and now < self._due:
            return False
        self._due = now + min(RETRY, timedelta(minutes=self.about.every_minutes))
        if self.about.kind != "folder" and not live:
            self.state = FeedState(
                source=self.about.name, asked_utc=now, text="not asked: the site's clock is not the host's"
            )
            return False
        if self._thread is not None and self._thread.is_alive():
            self._stand(now, NwpFault(source=self.about.name, kind="slow", text="still no answer to the last question"))
            return False
        self._box = []
        self._thread = threading.Thread(target=self._answer, args=(now, self._box), daemon=True)
        self._thread.start()
        return True

    def take(self, now: datetime, *, wait_s: float) -> tuple[NwpRun, ...]:
        """Return what has been answered; a fault becomes the state."""
        assert self._thread is not None
        self._thread.join(wait_s)
        if not self._box:
            text = f"no answer within {self.about.deadline_s:g} s"
            self._stand(now, NwpFault(source=self.about.name, kind="slow", text=text))
            return ()
        answer = self._box.pop()
        if isinstance(answer, NwpFault):
            self._stand(now, answer)
            return ()
        self._due = now + timedelta(minutes=self.about.every_minutes)
        newest = max(run.issued_utc for run in answer)
        self.state = FeedState(source=self.about.name, asked_utc=now, issued_utc=newest)
        return answer

    def _answer(self, now: datetime, box: list[tuple[NwpRun, ...] | NwpFault]) -> None:
        """Ask; runs in a thread. All that a folder holds of the past is taken, a learner can use it."""
        try:
            newest = self._source.fetch(now)
            if isinstance(newest, NwpFault):
                box.append(newest)
                return
            older = self._source.archive(now) if isinstance(self._source, DropFolder) else ()
            box.append(tuple(replace(run, source=self.about.name) for run in (*older, newest)))
        except Exception as error:  # whatever a source does, a plan is made
            box.append(NwpFault(source=self.about.name, kind="broken", text=f"{type(error).__name__}: {error}"))

    def _stand(self, now: datetime, fault: NwpFault) -> None:
        issued = self.state.issued_utc if self.state else None
        text = fault.text[:300]
        self.state = FeedState(source=self.about.name, asked_utc=now, issued_utc=issued, fault=fault.kind, text=text)
