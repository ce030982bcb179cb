"""The port to the equipment of a whole site: read everything, write everything, never block for long."""

from __future__ import annotations

from typing import Protocol

from controller.setpoints import Outcome, Setpoints
from controller.snapshot import Snapshot
from optimizer.records import JobProblem


class SiteDevices(Protocol):
    """All devices of a site behind one face."""

    def read(self) -> Snapshot:
        """Return the present process image; what cannot be read is ``None``."""
        ...

    def write(self, setpoints: Setpoints) -> tuple[Outcome, ...]:
        """Write setpoints, read them back and say what was found."""
        ...

    def submit(self, job: JobProblem) -> None:
        """Hand a new job to the runner; it stays queued until a setpoint lets it run."""
        ...

    def cancel(self, job_name: str) -> None:
        """Stop a job and forget it."""
        ...

    def close(self) -> None:
        """Leave the devices in their safe default."""
        ...
