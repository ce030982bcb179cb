"""The console's process: started beside the loop, started again when it ends; the loop never waits for it."""

from __future__ import annotations

import logging
import socket
import subprocess
from collections.abc import Sequence

from controller.daemon.tied import tied
from sites.ports import Clock

LOG = logging.getLogger(__name__)
PAUSE_S = (2.0, 60.0)
STEADY_S = 60.0
"""A console that lived this long is restarted without a long pause."""


class ConsoleProcess:
    """Keeps ``python -m controller.web`` running."""

    def __init__(self, arguments: Sequence[str], *, host: str, port: int, clock: Clock) -> None:
        self._command = tied("controller.web", [*arguments, "--host", host, "--port", str(port)])
        self.address = f"http://127.0.0.1:{port}"
        self._port = port
        self._clock = clock
        self._child: subprocess.Popen[bytes] | None = None
        self._started_s = 0.0
        self._start_at_s = 0.0
        self._pause_s = PAUSE_S[0]
        self._outdated = False

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
        if now_s >= self._start_at_s:
            self._child = subprocess.Popen(self._command, stdin=subprocess.DEVNULL)
            self._started_s = now_s

    def _ended(self, code: int, now_s: float) -> None:
        LOG.warning("the console ended with exit status %s; it is started again", code)
        steady = now_s - self._started_s > STEADY_S
        self._pause_s = PAUSE_S[0] if steady else min(2 * self._pause_s, PAUSE_S[1])
        self._start_at_s = now_s + self._pause_s

    def answers(self) -> bool:
        """Return whether it takes connections."""
        if self._child is None:
            return False
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=0.1):
                return True
        except OSError:
            return False

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
