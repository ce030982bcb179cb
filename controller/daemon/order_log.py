"""What the devices were really told, kept outside the store: the witness against which the records are checked.

Every change of a discrete order that reaches the devices becomes one line of a file that only grows. A killed
process cannot take back what it wrote, so the log tells what a real device would have seen.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from controller.daemon.ledger import idle_order, orders_of
from controller.devices.port import SiteDevices
from controller.setpoints import Outcome, Setpoints
from controller.snapshot import Snapshot
from optimizer.problem import JobProblem


def read_log(path: Path) -> dict[str, list[str]]:
    """Return the orders that each subject saw, in order; jobs that ended are marked by an empty order."""
    seen: dict[str, list[str]] = defaultdict(list)
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            subject, order = json.loads(line)
            seen[subject].append(order)
    return dict(seen)


class LoggedDevices:
    """Devices behind a log of orders."""

    def __init__(self, devices: SiteDevices, path: Path) -> None:
        self._devices = devices
        self._orders = {subject: orders[-1] for subject, orders in read_log(path).items()}
        self._last: dict[str, str] | None = None
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def read(self) -> Snapshot:
        """Return the process image, and note which jobs have ended: what is told to them is no order any more."""
        snapshot = self._devices.read()
        for job in snapshot.jobs:
            if job.state in ("done", "failed"):
                self._note_end(f"job {job.name}")
        return snapshot

    def write(self, setpoints: Setpoints) -> tuple[Outcome, ...]:
        """Log what changes, then write."""
        orders = orders_of(setpoints)
        if orders == self._last:
            return self._devices.write(setpoints)
        self._last = orders
        for subject in (*orders, *(known for known in self._orders if known not in orders)):
            order = orders.get(subject, idle_order(subject))
            if self._orders.get(subject, idle_order(subject)) != order and self._orders.get(subject) != "":
                self._note(subject, order)
        return self._devices.write(setpoints)

    def submit(self, job: JobProblem) -> None:
        """Hand a job over."""
        self._devices.submit(job)

    def cancel(self, job_name: str) -> None:
        """Note that a job was ended."""
        self._note_end(f"job {job_name}")
        self._devices.cancel(job_name)

    def close(self) -> None:
        """Leave the devices in their safe default."""
        self._devices.close()
        os.close(self._file)

    def _note_end(self, subject: str) -> None:
        if self._orders.get(subject, "") != "":
            self._note(subject, "")

    def _note(self, subject: str, order: str) -> None:
        os.write(self._file, (json.dumps([subject, order]) + "\n").encode())
        self._last = None
        self._orders[subject] = order


class Told(NamedTuple):
    """A decision as the store has it."""

    seq: int
    order_text: str
    acted: bool


def disagreements(seen: Mapping[str, Sequence[str]], stored: Mapping[str, Sequence[Told]]) -> tuple[str, ...]:
    """Return where the log of the devices and the decisions in the store do not agree; empty when all is well.

    Decisions of a subject have to be numbered without gaps; every order that a device saw has to be one of
    them, in order and once each; every decision marked as acted has to have been seen.
    """
    faults = []
    for subject in sorted({*seen, *stored}):
        told = stored.get(subject, ())
        if [each.seq for each in told] != list(range(1, len(told) + 1)):
            faults.append(f"{subject}: numbers {[each.seq for each in told]}")
        if subject != "level" and not _explained([each for each in seen.get(subject, ()) if each], told, subject):
            faults.append(f"{subject}: devices saw {list(seen.get(subject, ()))}, the store has {list(told)}")
    return tuple(faults)


def _explained(seen: Sequence[str], told: Iterable[Told], subject: str) -> bool:
    """Return whether decisions carried out at most once each can have shown the devices exactly ``seen``."""
    reached = {0}
    for decision in told:
        following = set()
        for count in reached:
            present = seen[count - 1] if count else idle_order(subject)
            if count < len(seen) and seen[count] == decision.order_text != present:
                following.add(count + 1)
            if not decision.acted or decision.order_text == present:
                following.add(count)
        reached = following
    return len(seen) in reached
