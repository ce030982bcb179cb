"""The port to one host's power, and its simulated twin."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol


class NodeLostError(RuntimeError):
    """Whoever switches the host does not answer."""


class NodeRefusedError(RuntimeError):
    """It answers and says no."""


class Power(StrEnum):
    """Where a host is."""

    OFF = "off"
    BOOTING = "booting"
    """Powered, and not yet able to work."""
    ON = "on"
    STOPPING = "stopping"


class NodeSwitch(Protocol):
    """One host."""

    @property
    def name(self) -> str:
        """Name in the site file."""
        ...

    def power(self) -> Power:
        """Return where it is; raises NodeLostError when that cannot be asked."""
        ...

    def turn_on(self) -> None:
        """Power it on; no harm when it is on."""
        ...

    def turn_off(self, *, force: bool = False) -> None:
        """Shut it down, or with ``force`` take its power away; no harm when it is off."""
        ...


class TwinNode:
    """A host without hardware: boots and stops in its time, or not at all when told so."""

    def __init__(
        self, name: str, monotonic_s: Callable[[], float], *, boot_s: float = 300.0, stop_s: float = 30.0
    ) -> None:
        self.name, self._now_s = name, monotonic_s
        self.boot_s, self.stop_s = boot_s, stop_s
        self._powered, self._since_s = False, float("-inf")
        self.silent = self.deaf = self.hangs = False
        """Faults: it does not answer; it refuses orders; a shutdown never ends."""

    def _line(self) -> None:
        if self.silent:
            raise NodeLostError(f"{self.name} does not answer")

    def power(self) -> Power:
        self._line()
        age_s = self._now_s() - self._since_s
        if self._powered:
            return Power.ON if age_s >= self.boot_s else Power.BOOTING
        return Power.OFF if age_s >= self.stop_s and not self.hangs else Power.STOPPING

    def turn_on(self) -> None:
        self._line()
        if self.deaf:
            raise NodeRefusedError(f"{self.name} takes no orders")
        if not self._powered:
            self._powered, self._since_s = True, self._now_s()

    def turn_off(self, *, force: bool = False) -> None:
        self._line()
        if self.deaf:
            raise NodeRefusedError(f"{self.name} takes no orders")
        if force:
            self._powered, self._since_s, self.hangs = False, float("-inf"), False
        elif self._powered:
            self._powered, self._since_s = False, self._now_s()
