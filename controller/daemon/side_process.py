"""A process beside the loop: started again when it ends, never waited for."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Sequence

from controller.daemon.tied import tied
from sites.ports import Clock

LOG = logging.getLogger(__name__)
PAUSE_S = (2.0, 60.0)
STEADY_S = 60.0
"""A process that lived this long is restarted without a long pause."""


class SideProcess:
    """Keeps ``python -m MODULE`` running while it is wanted."""

    def __init__(self, what: str, module: str, arguments: Sequence[str], *, clock: Clock, wanted: bool = True) -> None:
        """``what`` names it in the log."""
        self.wanted = wanted
        self._what, self._command, self._clock = what, tied(module, arguments), clock
        self._child: subprocess.Popen[bytes] | None = None
        self._started_s = 0.0
        self._start_at_s = 0.0
        self._pause_s = PAUSE_S[0]
        self._outdated = False

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return None if self._child is None else self._child.pid

    def renew(self) -> None:
        """Have it started anew, without waiting for its end."""
        if self._child is not None:
            self._outdated = True
            self._child.terminate()

    def poll(self) -> None:
        """Start it if it should run and does not."""
        now_s = self._clock.monotonic_s()
        if self._child is not None:
            code = self._child.poll()
            if code is None:
                return
            self._child = None
            if self._outdated:
                self._outdated, self._start_at_s = False, now_s
            else:
                self._ended(code, now_s)
        if self.wanted and now_s >= self._start_at_s:
            self._child = subprocess.Popen(self._command, stdin=subprocess.DEVNULL)
            self._started_s = now_s

    def _ended(self, code: int, now_s: float) -> None:
        LOG.warning("%s ended with exit status %s; it is started again", self._what, code)
        steady = now_s - self._started_s > STEADY_S
        self._pause_s = PAUSE_S[0] if steady else min(2 * self._pause_s, PAUSE_S[1])
        self._start_at_s = now_s + self._pause_s

    def stop(self) -> None:
        """End it."""
        if self._child is not None and self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(3.0)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        self._child = None
