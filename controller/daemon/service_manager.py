"""Telling systemd how the daemon fares: ready after the first cycle, alive after each completed one."""

from __future__ import annotations

import os
import socket
import time


class ServiceManager:
    """Sends notifications to the socket that systemd names; does nothing when there is none."""

    def __init__(self, address: str | None = None) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "") if address is None else address
        self._ready = False

    def cycle_done(self) -> None:
        """Tell that a cycle is complete: the only thing that feeds the watchdog."""
        if not self._ready:
            self._send("READY=1")
            self._ready = True
        self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """Tell that the site file is being read again."""
        microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send(f"RELOADING=1\nMONOTONIC_USEC={microseconds}")

    def reloaded(self, status: str) -> None:
        """Tell that reading it has ended, and how, in one line."""
        self._send(f"READY=1\nSTATUS={status}")

    def stopping(self) -> None:
        """Tell that the daemon stops on purpose."""
        self._send("STOPPING=1")

    def _send(self, state: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                sender.sendto(state.encode(), address)
        except OSError:
            return
