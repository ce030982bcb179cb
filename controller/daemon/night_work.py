"""The night's work as a process: accounts of days and reports are made beside the loop, at the lowest priority, one at a time.

The loop only looks whether it has ended. A night's work that fails is done again the next night: days without an account are
made good then.
"""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Sequence

from controller.daemon.tied import tied
from sites.ports import Clock

LOG = logging.getLogger(__name__)
LONGEST_S = 3600.0
"""After this long it is ended."""


class NightWork:
    """Runs ``python -m controller.reports.nightly`` when asked."""

    def __init__(self, arguments: Sequence[str], *, clock: Clock) -> None:
        self._command = tied("controller.reports.nightly", arguments)
        self._clock = clock
        self._child: subprocess.Popen[bytes] | None = None
        self._started_s = 0.0
        self.failed = ""
        """What became of the last one, if it failed."""

    @property
    def busy(self) -> bool:
        """Return whether it runs."""
        return self._child is not None

    def start(self) -> None:
        """Begin, unless it still runs."""
        if self._child is None:
            self._child = subprocess.Popen(self._command, stdin=subprocess.DEVNULL)
            self._started_s = self._clock.monotonic_s()

    def poll(self) -> bool:
        """Look whether it has ended, and end it if it takes too long; returns whether it has just ended well."""
        if self._child is None:
            return False
        code = self._child.poll()
        if code is None and self._clock.monotonic_s() - self._started_s > LONGEST_S:
            self._child.kill()
            code = self._child.wait()
        if code is not None:
            self.failed = f"exit status {code}" if code else ""
            if code:
                LOG.warning("the night's work ended with %s; it is done again the next night", self.failed)
            self._child = None
        return code == 0

    def stop(self) -> None:
        """End it."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None
