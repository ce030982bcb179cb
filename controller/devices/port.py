"""The port to the equipment of a whole site: read everything, write everything, never block for long.

The contract of time: the control loop turns once a second and calls ``read`` and ``write`` on its own thread. Neither
may take longer than ``off_thread.READ_S`` and ``WRITE_S``. A driver that waits for a wire keeps that promise by a
thread of its own for each device or line (``off_thread.Poller`` to read, ``off_thread.Deadline`` to write), so that
one that hangs makes its own values ``None`` and leaves the others be.

The contract of expiry: setpoints hold until their ``expires_utc``. After it, whoever is left (the device's own
watchdog, the driver's thread) falls back to the safe default of :mod:`controller.devices.lapse`.
"""

from __future__ import annotations

from typing import Protocol

from controller.setpoints import Outcome, Setpoints
from controller.snapshot import Snapshot
from optimizer.problem import JobProblem


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
