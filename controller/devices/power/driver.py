"""The port to one piece of power equipment, and how it fails.

A driver blocks for as long as its line needs, at most its time-out; it is called by one thread of its own
(:mod:`controller.devices.power.watcher`), never by the control cycle.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from controller.devices.power.signals import Value, Values
from sites.schema.equipment import Kind


class DeviceLostError(RuntimeError):
    """The device does not answer, or answers with what is no frame of its protocol."""


class DeviceRefusedError(RuntimeError):
    """The device answers and says no."""


class Found(NamedTuple):
    """What was read back after an order was written."""

    value: Value | None
    """None where the device has nothing to read back."""
    same: bool
    """Whether it is what was asked, to the resolution of the device."""


class PowerDevice(Protocol):
    """One piece of equipment."""

    @property
    def name(self) -> str:
        """Name in the site file."""
        ...

    @property
    def kind(self) -> Kind:
        """What it is."""
        ...

    @property
    def orders(self) -> frozenset[str]:
        """Orders that it takes."""
        ...

    def read(self, *, whole: bool = False) -> Values:
        """Return what it tells now; orders that can be read back are among it.

        Signals that are polled seldom are as they were read last, unless ``whole`` asks for all of them anew.

        Raises:
            DeviceLostError: no answer.
        """
        ...

    def write(self, order: str, value: Value) -> Found:
        """Write one order and read it back.

        Raises:
            DeviceLostError: no answer.
            DeviceRefusedError: it does not take this order or this value.
        """
        ...

    def same(self, order: str, asked: Value, found: Value) -> bool:
        """Return whether a value read later is the one that was asked for, to the device's resolution."""
        ...

    def beat(self) -> None:
        """Tell a device that asks for it that its controller lives; nothing where none asks.

        Raises:
            DeviceLostError: no answer.
        """
        ...

    def release(self) -> None:
        """Leave the device in its safe default: give back what was taken."""
        ...

    def close(self) -> None:
        """Hang up."""
        ...
