"""The console's process beside the loop."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from controller.daemon.side_process import SideProcess
from sites.ports import Clock

EVERYWHERE = ("0.0.0.0", "::")
LOOPBACK = "127.0.0.1"


class ConsoleProcess(SideProcess):
    """Keeps ``python -m controller.web`` running."""

    def __init__(self, arguments: Sequence[str], *, host: str, port: int, clock: Clock) -> None:
        listening = [*arguments, "--host", host, "--port", str(port)]
        super().__init__("the console", "controller.web", listening, clock=clock)
        self._reached = LOOPBACK if host in EVERYWHERE else host
        self.address = f"http://{self._reached}:{port}"
        self._port = port

    def answers(self) -> bool:
        """Return whether it takes connections."""
        if self._child is None:
            return False
        try:
            with socket.create_connection((self._reached, self._port), timeout=0.1):
                return True
        except OSError:
            return False
