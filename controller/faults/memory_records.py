"""Records in memory for a campaign: as strict as the store about numbers and order, and lockable."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime

from controller.daemon.order_log import Told
from controller.records.entries import (
    ActedEntry,
    AlarmRaised,
    DecisionEntry,
    Entry,
    GuardEntry,
    JobSubmitted,
    NowEntry,
    TelemetryEntry,
    TwinEntry,
)
from controller.records.resume import Inbox, LastOrder, LiveJob
from optimizer.problem import JobProblem


class MemoryRecords:
    """What a campaign's control cycle writes; survives its 'process'."""

    def __init__(self) -> None:
        self.decisions: dict[str, list[DecisionEntry]] = defaultdict(list)
        self.acted: set[str] = set()
        self.codes: list[tuple[datetime, str]] = []
        """(time, reason code) of guard actions, alarms and decisions."""
        self.jobs: dict[str, JobProblem] = {}
        self.over: set[str] = set()
        self.inbox = Inbox()
        self.locked = False
        self.heard: Callable[[str], None] = lambda call: None
        """Hears of each call, before and after."""
        self._late: list[tuple[Sequence[Entry], Future[None]]] = []

    def commit(self, entries: Sequence[Entry], *, timeout_s: float) -> Future[None]:
        """Take entries, or keep them waiting while locked."""
        self.heard("before commit")
        done: Future[None] = Future()
        self._late.append((entries, done))
        self.let_in()
        self.heard("after commit")
        return done

    def let_in(self) -> None:
        """Take what waits, in order, unless locked."""
        while self._late and not self.locked:
            entries, done = self._late.pop(0)
            self.post(*entries)
            done.set_result(None)

    @property
    def waiting(self) -> int:
        """Commits that wait."""
        return len(self._late)

    def lose_waiting(self) -> None:
        """Forget what was not taken yet: the process that waited for it is gone."""
        self._late.clear()

    def act_first(self, decisions: Sequence[DecisionEntry]) -> None:
        """Note guard decisions: the journal survives whatever happens next."""
        for each in decisions:
            self._decide(each)

    def post(self, *entries: Entry) -> None:
        """Take entries."""
        for entry in entries:
            match entry:
                case DecisionEntry():
                    self._decide(entry)
                case ActedEntry(ids=ids):
                    self.acted.update(ids)
                case GuardEntry() | AlarmRaised():
                    at = entry.at_utc
                    self.codes.append((at, entry.reason_code if isinstance(entry, GuardEntry) else entry.code))
                case JobSubmitted(job=job):
                    self.jobs.setdefault(job.name, job)
                case NowEntry() | TelemetryEntry() | TwinEntry():
                    continue
                case _:
                    continue

    def _decide(self, entry: DecisionEntry) -> None:
        known = self.decisions[entry.subject]
        if all(each.seq != entry.seq for each in known):
            known.append(entry)
        self.codes.append((entry.at_utc, entry.reason_code))

    def told(self) -> dict[str, list[Told]]:
        """Return the decisions of each subject as the check reads them."""
        return {
            subject: [
                Told(each.seq, each.order_text, each.id in self.acted) for each in sorted(all_, key=lambda e: e.seq)
            ]
            for subject, all_ in self.decisions.items()
        }

    def last_orders(self) -> tuple[LastOrder, ...]:
        """Return what a restart takes up."""
        newest = {subject: max(all_, key=lambda each: each.seq) for subject, all_ in self.decisions.items() if all_}
        return tuple(
            LastOrder(
                subject=subject,
                seq=each.seq,
                order_text=each.order_text,
                decision_id=each.id,
                acted=each.id in self.acted,
                expires_utc=each.expires_utc,
            )
            for subject, each in newest.items()
            if subject.removeprefix("job ") not in self.over
        )

    def restart_inbox(self) -> Inbox:
        """Return the jobs that a restarted process finds."""
        return Inbox(
            jobs=tuple(
                LiveJob(name=name, state="queued", done_frac=0.0, who="stream", job=job)
                for name, job in self.jobs.items()
                if name not in self.over
            )
        )
