"""A host by the PDU outlet it hangs on. The outlet knows nothing of a shutdown: hosts are shut down by other means first.

Whether the host works is asked of ``answers``, e.g. a TCP connection to its SSH port; without, a host whose outlet is
on counts as on.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from controller.devices.nodes.switch import NodeLostError, NodeRefusedError, Power
from controller.devices.power.driver import DeviceLostError, DeviceRefusedError, PowerDevice
from controller.devices.power.signals import OUTLET


class OutletNode:
    """Driver of one host."""

    def __init__(self, name: str, pdu: PowerDevice, outlet: int, answers: Callable[[], bool] = lambda: True) -> None:
        self.name, self._pdu, self._outlet, self._answers = name, pdu, f"{OUTLET}{outlet}", answers

    def power(self) -> Power:
        try:
            state = self._pdu.read(whole=True).get(self._outlet)
        except DeviceLostError as error:
            raise NodeLostError(f"{self.name}: {error}") from None
        if state is None:
            raise NodeLostError(f"{self.name}: the PDU does not tell {self._outlet}")
        if state is not True:
            return Power.OFF
        return Power.ON if self._answers() else Power.BOOTING

    def turn_on(self) -> None:
        self._write(True)

    def turn_off(self, *, force: bool = False) -> None:
        """Take the outlet's power away, when forced or when the host no longer answers."""
        if not force and self._answers() and self.power() is Power.ON:
            raise NodeRefusedError(f"{self.name} still runs: shut it down first, or force it")
        self._write(False)

    def _write(self, on: bool) -> None:
        try:
            found = self._pdu.write(self._outlet, on)
        except DeviceLostError as error:
            raise NodeLostError(f"{self.name}: {error}") from None
        except DeviceRefusedError as error:
            raise NodeRefusedError(f"{self.name}: {error}") from None
        if not found.same:
            raise NodeRefusedError(f"{self.name}: {self._outlet} stays {'off' if on else 'on'}")


def answers_on(host: str, port: int, timeout_s: float = 1.0) -> Callable[[], bool]:
    """Return a question whether a host takes a TCP connection."""

    def answers() -> bool:
        try:
            socket.create_connection((host, port), timeout_s).close()
        except OSError:
            return False
        return True

    return answers
