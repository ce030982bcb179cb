"""Records in memory for a campaign: as strict as the store about numbers and order, lockable and with a disk to fill.

While the store takes nothing, decisions that guards force are in their journal, commits and facts wait as they do
in the recorder, and detail is dropped; a killed process loses what waits.
"""

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
    JobProgress,
    JobSubmitted,
    NowEntry,
    OutcomeEntry,
    TelemetryEntry,
    TwinEntry,
)
from controller.records.recorder import RecorderHealth
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
        self.failing = ""
        """Why the store takes nothing; empty while it does."""
        self._dropped = 0
        self._facts: list[Entry] = []
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
        """Take what waits, in order, while the store takes anything."""
        if self.failing:
            return
        while self._late:
            entries, done = self._late.pop(0)
            for entry in entries:
                self._take(entry)
            done.set_result(None)
        for entry in self._facts:
            self._take(entry)
        self._facts.clear()

    @property
    def health(self) -> RecorderHealth:
        """How the records fare, as the recorder would say."""
        return RecorderHealth(waiting=len(self._late) + len(self._facts), dropped=self._dropped, failing=self.failing)

    def lose_waiting(self) -> None:
        """Forget what was not taken yet: the process that waited for it is gone."""
        self._late.clear()
        self._facts.clear()

    def act_first(self, decisions: Sequence[DecisionEntry]) -> None:
        """Note guard decisions: the journal survives whatever happens next."""
        self.heard("journal")
        for each in decisions:
            self._decide(each)

    def post(self, *entries: Entry) -> None:
        """Take entries, or keep the facts among them until the store takes them."""
        for entry in entries:
            if isinstance(entry, NowEntry | TwinEntry):
                continue
            if not self.failing:
                self._take(entry)
            elif isinstance(entry, TelemetryEntry | OutcomeEntry):
                self._dropped += 1
            else:
                self._facts.append(entry)

    def _take(self, entry: Entry) -> None:
        match entry:
            case DecisionEntry():
                self._decide(entry)
            case ActedEntry(ids=ids):
                self.acted.update(ids)
            case GuardEntry(at_utc=at, reason_code=code) | AlarmRaised(at_utc=at, code=code):
                self.codes.append((at, code))
            case JobProgress(name=name, state=state) if state in ("done", "failed"):
                self.over.add(name)
            case JobSubmitted(job=job):
                self.jobs.setdefault(job.name, job)
            case _:
                pass

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

    @property
    def inbox(self) -> Inbox:
        """The jobs that are not over, as far as the store knows."""
        return Inbox(
            jobs=tuple(
                LiveJob(name=name, state="queued", done_frac=0.0, who="stream", job=job)
                for name, job in self.jobs.items()
                if name not in self.over
            )
        )
