"""A simulated twin of one device: reads its face directly, and fails when it is told to."""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import StrEnum

from controller.devices.power.driver import DeviceLostError, DeviceRefusedError, Found
from controller.devices.power.face import Face
from controller.devices.power.signals import SIGNALS, Value, Values, takes
from sites.schema.equipment import Kind


class TwinFault(StrEnum):
    """How a twin fails."""

    SILENT = "silent"
    """It does not answer."""
    REFUSING = "refusing"
    """It answers, and takes no order."""
    STUCK = "stuck"
    """It tells what it told before, and takes orders without acting on them."""
    NONSENSE = "nonsense"
    """Its numbers are none."""
    SLOW = "slow"
    """It takes its time (:attr:`TwinDevice.slow_s`)."""


class TwinDevice:
    """A device without hardware."""

    def __init__(self, name: str, face: Face, *, sleep: Callable[[float], None] | None = None) -> None:
        self.name, self._face, self._sleep = name, face, sleep
        self.fault: TwinFault | None = None
        self.slow_s = 5.0
        self._frozen: dict[str, Value] = {}
        self._beats = 0

    @property
    def kind(self) -> Kind:
        return self._face.kind

    @property
    def orders(self) -> frozenset[str]:
        told = self._face.tell()
        return SIGNALS[self.kind].takes | frozenset(name for name in told if takes(self.kind, name))

    def read(self, *, whole: bool = False) -> Values:
        self._line()
        if self.fault is not TwinFault.STUCK:
            self._frozen = {name: value for name, value in self._face.tell().items() if value is not None}
        if self.fault is TwinFault.NONSENSE:
            return {name: math.nan if isinstance(value, float) else value for name, value in self._frozen.items()}
        return dict(self._frozen)

    def write(self, order: str, value: Value) -> Found:
        self._line()
        if self.fault is TwinFault.REFUSING:
            raise DeviceRefusedError(f"{self.name} takes no orders now")
        if order not in self.orders:
            raise DeviceRefusedError(f"{self.name} takes no order {order}")
        if self.fault is not TwinFault.STUCK:
            try:
                self._face.order(order, value)
            except ValueError as error:
                raise DeviceRefusedError(f"{self.name}: {error}") from None
        found = self._face.tell().get(order)
        return Found(found, found is not None and self.same(order, value, found))

    def _line(self) -> None:
        if self.fault is TwinFault.SILENT:
            raise DeviceLostError(f"{self.name} does not answer")
        if self.fault is TwinFault.SLOW and self._sleep is not None:
            self._sleep(self.slow_s)

    def same(self, order: str, asked: Value, found: Value) -> bool:
        if isinstance(asked, str) or isinstance(found, str):
            return asked == found
        return float(found) <= float(asked) and (order.endswith(("limit_kw", "max_kw")) or float(found) == float(asked))

    def beat(self) -> None:
        self._line()
        if self.kind in (Kind.BATTERY, Kind.PV) and self.fault is not TwinFault.STUCK:
            self._beats += 1
            self._face.order("heartbeat", self._beats)

    def release(self) -> None:
        """Give ceilings back."""
        for order in self.orders & {"limit_kw", "charge_max_kw", "discharge_max_kw"}:
            self.write(order, math.inf)

    def close(self) -> None:
        """Nothing to hang up."""
