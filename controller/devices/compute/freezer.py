"""A control group that can be frozen, in either version; where there is none, jobs are stopped by signal.

Freezing stops every process of a job at once, even those that left its process group, and none can tell. Version 2:
``cgroup.freeze`` takes 1 and 0; version 1: ``freezer.state`` takes FROZEN and THAWED. (Linux kernel, *cgroup-v2* and
*freezer-subsystem*.)
"""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path
from typing import NamedTuple

PLACES = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup/freezer"))


class Freezer(NamedTuple):
    """A group under which each job gets its own."""

    root: Path
    knob: str
    frozen: str
    thawed: str

    def join(self, name: str) -> str:
        """Make a job's group and return the shell line by which a process joins it."""
        group = self.root / name
        group.mkdir(parents=True, exist_ok=True)
        return f"echo $$ > {shlex.quote(str(group / 'cgroup.procs'))}"

    def freeze(self, name: str, frozen: bool) -> bool:
        """Freeze or thaw a job; returns whether its group took it."""
        try:
            (self.root / name / self.knob).write_text(self.frozen if frozen else self.thawed)
        except OSError:
            return False
        return True

    def processes(self, name: str) -> tuple[int, ...]:
        """Return the processes of a job."""
        try:
            return tuple(int(line) for line in (self.root / name / "cgroup.procs").read_text().split())
        except OSError:
            return ()

    def remove(self, name: str) -> None:
        """Remove a job's group once it is empty."""
        with contextlib.suppress(OSError):
            (self.root / name).rmdir()


def find_freezer(group: str) -> Freezer | None:
    """Return a freezer under a group ``group``, if this process may make one; whether it works is tried, not guessed."""
    for place in PLACES:
        root = place / group
        try:
            (root / "trial").mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        for found in (Freezer(root, "cgroup.freeze", "1", "0"), Freezer(root, "freezer.state", "FROZEN", "THAWED")):
            if (root / "trial" / found.knob).exists() and found.freeze("trial", True) and found.freeze("trial", False):
                found.remove("trial")
                return found
        with contextlib.suppress(OSError):
            (root / "trial").rmdir()
            root.rmdir()
    return None
