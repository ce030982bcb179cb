"""The port to whoever runs jobs: Slurm, a runner on this host, or a twin.

A runner is asked by one thread of its own (:mod:`controller.devices.compute.job_desk`). Every call is bounded in time and
raises :class:`RunnerError` when nobody answers; then nobody knows whether it got through, and the next look at
:meth:`JobRunner.jobs` tells. Names are the identity of jobs: to submit one twice is to submit it once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from controller.devices.compute.job_folder import JobTicket


class RunnerError(RuntimeError):
    """The runner does not answer, or says no; the message says which and what would mend it."""


class RunnerRefusedError(RunnerError):
    """The runner answers and says no to this one step; others may go on."""


class RunState(StrEnum):
    """Where a job stands at its runner."""

    HELD = "held"
    """It waits for a release."""
    PENDING = "pending"
    """It is released and waits for room."""
    RUNNING = "running"
    SUSPENDED = "suspended"
    """Stopped where it stands; its memory is kept."""
    DONE = "done"
    FAILED = "failed"


class RunnerJob(NamedTuple):
    """One job at its runner."""

    name: str
    state: RunState
    run_s: float
    """Time it has run since it was last started, stops not counted."""
    why: str = ""
    """Why it waits or failed."""


class JobRunner(Protocol):
    """Runs jobs. Every call raises :class:`RunnerError` when it cannot be carried out in time."""

    def jobs(self) -> Mapping[str, RunnerJob]:
        """Return all jobs of this site by name."""
        ...

    def submit(self, ticket: JobTicket) -> None:
        """Take a job and hold it."""
        ...

    def release(self, name: str, watts: int, nodes: Sequence[str] = ()) -> None:
        """Let a held job run when there is room for it and for the watts it may draw, on the hosts named if it can."""
        ...

    def set_watts(self, name: str, watts: int) -> None:
        """Say what a job that is not held may draw from now on."""
        ...

    def hold(self, name: str) -> None:
        """Keep a pending job from starting."""
        ...

    def suspend(self, name: str) -> None:
        """Stop a running job where it stands."""
        ...

    def resume(self, name: str) -> None:
        """Let a suspended job go on."""
        ...

    def checkpoint(self, name: str) -> None:
        """Ask a running job to write a checkpoint (SIGUSR1)."""
        ...

    def requeue(self, name: str) -> None:
        """End a job's processes and hold it; it starts again from its checkpoint."""
        ...

    def cancel(self, name: str) -> None:
        """End a job for good; one that is not there is no error."""
        ...

    def set_budget(self, watts: float | None) -> None:
        """Let jobs take at most so many watts together; none = no limit."""
        ...
