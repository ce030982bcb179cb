"""The faults that a campaign injects, and by which reason codes each has to be named in the records."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple


class Fault(StrEnum):
    """Something that goes wrong."""

    TIMEOUT = "devices do not answer"
    WRITE_FAILS = "writes fail"
    WRITE_REFUSED = "gensets refuse their orders"
    SOC_NAN = "SoC is not a number"
    SOC_FROZEN = "SoC stands still"
    SOC_JUMP = "SoC jumps"
    WRONG_SIGN = "battery power has the wrong sign"
    BMS_OPEN = "BMS opens its contactor"
    GENSET_NO_START = "gensets do not start"
    GENSET_TRIP = "a running genset trips"
    GPU_LOST = "GPUs fall off the bus"
    CAP_LEAKS = "GPUs draw above their limit"
    CAP_RAISED = "somebody raises a power limit"
    PANEL_MANUAL = "panels are in MANUAL"
    EMERGENCY = "emergency stop is pressed"
    INLET_HOT = "inlet air is hot"
    PLANNER_HANGS = "the planner hangs"
    PLANNER_CRASHES = "the planner crashes"
    PLANNER_MEMORY = "the planner runs out of memory"
    NONSENSE_PLAN = "a nonsense plan comes"
    STORE_LOCKED = "the database is locked"
    DISK_FULL = "the disk is full"
    KILLED = "the process is killed"
    CLOCK_JUMP = "the clock jumps an hour"
    SUMMER_TIME = "summer time begins or ends"


PLANNER_FAULTS = frozenset(
    {Fault.PLANNER_HANGS, Fault.PLANNER_CRASHES, Fault.PLANNER_MEMORY, Fault.NONSENSE_PLAN},
)
STORE_FAULTS = frozenset({Fault.STORE_LOCKED, Fault.DISK_FULL})

NAMED_BY: dict[Fault, frozenset[str]] = {
    Fault.TIMEOUT: frozenset({"DEVICE_LOST"}),
    Fault.WRITE_FAILS: frozenset({"DEVICE_LOST"}),
    Fault.WRITE_REFUSED: frozenset({"SETPOINT_REFUSED"}),
    Fault.SOC_NAN: frozenset({"SENSOR_LOST"}),
    Fault.SOC_FROZEN: frozenset({"SENSOR_IMPLAUSIBLE"}),
    Fault.SOC_JUMP: frozenset({"SENSOR_IMPLAUSIBLE"}),
    Fault.WRONG_SIGN: frozenset({"SENSOR_IMPLAUSIBLE"}),
    Fault.BMS_OPEN: frozenset({"BATTERY_OPEN"}),
    Fault.GENSET_NO_START: frozenset({"GENSET_FAILED", "SETPOINT_STALE"}),
    Fault.GENSET_TRIP: frozenset({"GENSET_FAILED", "SETPOINT_STALE"}),
    Fault.GPU_LOST: frozenset({"GPU_LOST"}),
    Fault.CAP_LEAKS: frozenset({"SETPOINT_STALE"}),
    Fault.CAP_RAISED: frozenset({"SETPOINT_EXTERNAL"}),
    Fault.PANEL_MANUAL: frozenset({"PANEL_MANUAL"}),
    Fault.EMERGENCY: frozenset({"EMERGENCY_STOP"}),
    Fault.INLET_HOT: frozenset({"INLET_HOT"}),
    Fault.STORE_LOCKED: frozenset({"RECORDS_BEHIND"}),
    Fault.DISK_FULL: frozenset({"RECORDS_BEHIND"}),
    Fault.CLOCK_JUMP: frozenset({"CLOCK_JUMP"}),
    Fault.KILLED: frozenset({"RESTARTED"}),
} | {fault: frozenset({"PLANNER_LOST"}) for fault in PLANNER_FAULTS}
"""A fault that has nothing to spoil at the time (no start asked for, no power flowing) need not be named. Summer time
is named nowhere: it must be no event at all."""


class Injection(NamedTuple):
    """A fault and when it is there."""

    fault: Fault
    start_utc: datetime
    end_utc: datetime

    def active(self, at_utc: datetime) -> bool:
        """Return whether it is there at a moment."""
        return self.start_utc <= at_utc < self.end_utc

    def near(self, at_utc: datetime, margin: timedelta) -> bool:
        """Return whether a moment is within ``margin`` of its beginning or its end."""
        return abs(at_utc - self.start_utc) <= margin or abs(at_utc - self.end_utc) <= margin
