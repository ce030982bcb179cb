"""Reason codes: the one list of why something was decided, narrowed, shed or refused."""

from __future__ import annotations

from typing import Final

REASONS: Final[dict[str, str]] = {
    # plan
    "PLAN": "as planned",
    "PLAN_STALE": "the plan has expired; rules decide",
    "SUN_SURPLUS": "sun would otherwise be curtailed",
    "BATTERY_EMPTY": "the battery would fall to its lower limit",
    "BATTERY_FULL": "the battery is full",
    "BATTERY_RATE": "the battery charges or discharges at its limit",
    "GENSET_MIN_LOAD": "the genset runs at its minimum load",
    "GENSET_MAX_LOAD": "all running gensets are at their rating",
    "GENSET_CHEAPER": "a genset hour costs less than what waiting would cost",
    "GENSET_MIN_RUN": "the genset has to run its minimum time",
    "RESERVE": "operating reserve is needed",
    "FUEL_SHORT": "the tank has to last until the next delivery",
    "GPUS_FULL": "all GPUs that fit are taken",
    "WINDOW": "it may not run at that time",
    "SOVEREIGN": "its data may not leave the site",
    "OFFSITE": "it could be done elsewhere",
    "PLACEMENT": "its GPUs find no room together on the nodes",
    "DEADLINE": "the deadline leaves no later start",
    "NOT_WORTH": "its value is below its energy cost",
    "NOT_RELEASED": "it is not released yet",
    "P99": "the latency budget needs this mode",
    "CHANGE_PRICE": "changing the plan saves less than a change costs",
    # guards
    "SOC_LOW": "state of charge is near its hard limit",
    "SOC_RESERVE": "state of charge is below its reserve",
    "BATTERY_OPEN": "the battery has disconnected itself",
    "BATTERY_COLD": "cells are too cold to charge",
    "HOSTS_DOWN": "hosts are shut down in order, or come back one by one",
    "BATTERY_HOT": "cells are too hot for full power",
    "VOLTAGE_LOW": "the battery's voltage is at its lower limit",
    "VOLTAGE_HIGH": "the battery's voltage is at its upper limit",
    "INVERTER_OVERLOAD": "the battery inverter is above its rating",
    "GENSET_OVERLOAD": "a genset is above its rating for longer than it bears",
    "LOAD_STEP": "load is added no faster than the sources can follow",
    "SHORTAGE": "power fails to meet the load",
    "GENSET_PROTECT": "the genset is protected: minimum run, cool-down or lock-out",
    "GENSET_FAILED": "the genset did not start",
    "REVERSE_POWER": "power would flow into the genset",
    "INLET_HOT": "inlet air is above its limit",
    "INLET_COLD": "inlet air is below its limit",
    "SENSOR_LOST": "a measurement is missing",
    "SENSOR_IMPLAUSIBLE": "a measurement jumped further than physics allows",
    "EMERGENCY_STOP": "emergency stop or fire",
    "PANEL_MANUAL": "the panel is in MANUAL: nothing is started remotely",
    "TEST_RUN": "a test run is due",
    "AUTOSTART_OFF": "the genset may be started by an operator only",
    "CALL_TOO_SHORT": "a call for the genset has to last before it is started or stopped",
    "QUIET_HOURS": "gensets are not started in quiet hours",
    "OUT_OF_BOUNDS": "an order was outside what the site has",
    "PLANNER_LOST": "the planning process failed or did not answer in time",
    "PREDICTION_LOST": "a source of weather predictions fails and its newest run is old",
    "GPU_LOST": "GPUs do not answer",
    "DEVICE_LOST": "the devices did not answer",
    "SETPOINT_EXTERNAL": "something else changed a setpoint",
    "SETPOINTS_LAPSED": "the controller has gone and its orders have run out: safe defaults",
    "SETPOINT_STALE": "equipment does not follow its setpoint",
    "SETPOINT_REFUSED": "a device refused a setpoint",
    "RECORDS_BEHIND": "records cannot be written as fast as they come",
    "SITE_FILE_REFUSED": "the site file was to be read again and cannot be taken; the one before stays in force",
    "NIGHT_WORK_FAILED": "accounts and reports of the day could not be made",
    "CLOCK_JUMP": "the clock jumped",
    "RESTARTED": "the daemon before this one was killed or crashed",
    "GUARD_FAULT": "a guard failed and was left out",
    "SAFE_STATE": "no plan and no rules could be followed",
    # operator
    "OPERATOR": "an operator decided so",
    # input
    "INFEASIBLE_AS_POSED": "the demand cannot be met as posed",
}


def reason_text(code: str) -> str:
    """Return the plain words of a reason code.

    Raises:
        KeyError: no such code.
    """
    return REASONS[code]
