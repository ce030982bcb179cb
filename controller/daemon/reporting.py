"""From a finished cycle to its records: the present, telemetry at its pace, guard actions, alarms, odd read-backs."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal

from controller.daemon.messages import Planned
from controller.guards.records import GuardResult
from controller.records.entries import (
    AlarmCleared,
    AlarmRaised,
    Entry,
    GuardEntry,
    NowEntry,
    OutcomeEntry,
    PredictionEntry,
    ScoresEntry,
    TelemetryEntry,
)
from controller.records.recorder import RecorderHealth
from controller.records.views import ServicePoint, TelemetryPoint
from controller.setpoints import Outcome, Setpoints, Verdict
from controller.snapshot import Snapshot
from optimizer.plan import Level

LOG = logging.getLogger(__name__)
EARLY_S = 0.5
"""A sample may be this early: cycles never come on the dot."""
PREDICTION_OLD = timedelta(hours=12)
"""A source that fails is worth an alarm when its newest run is older than this."""
BEHIND = 2000
"""Entries that wait for the store before an alarm is raised."""
RESTART_TOLD = timedelta(hours=1)
Severity = Literal["info", "warning", "critical"]
SEVERITIES: dict[str, Severity] = {
    "EMERGENCY_STOP": "critical",
    "SOC_LOW": "critical",
    "SHORTAGE": "critical",
    "INVERTER_OVERLOAD": "critical",
    "GENSET_FAILED": "critical",
    "BATTERY_OPEN": "critical",
    "HOSTS_DOWN": "critical",
    "BATTERY_HOT": "critical",
    "GENSET_OVERLOAD": "critical",
    "VOLTAGE_LOW": "critical",
    "VOLTAGE_HIGH": "critical",
    "GPU_LOST": "warning",
    "DEVICE_LOST": "critical",
    "SAFE_STATE": "critical",
    "GUARD_FAULT": "critical",
    "SENSOR_LOST": "warning",
    "SENSOR_IMPLAUSIBLE": "warning",
    "SOC_RESERVE": "warning",
    "INLET_HOT": "warning",
    "INLET_COLD": "warning",
    "PANEL_MANUAL": "warning",
    "FUEL_SHORT": "warning",
    "OUT_OF_BOUNDS": "warning",
    "PLANNER_LOST": "warning",
    "PREDICTION_LOST": "warning",
    "PLAN_STALE": "warning",
    "RECORDS_BEHIND": "warning",
    "NIGHT_WORK_FAILED": "warning",
    "SITE_FILE_REFUSED": "warning",
    "CLOCK_JUMP": "warning",
    "RESTARTED": "warning",
    "SETPOINT_EXTERNAL": "warning",
    "SETPOINT_STALE": "warning",
    "SETPOINT_REFUSED": "warning",
}
"""Reason codes that a person should know of; the others are everyday work of the guards."""


def telemetry_point(snapshot: Snapshot) -> TelemetryPoint:
    """Return the measured values of a snapshot."""
    battery = snapshot.battery
    powers = [each.power_kw for each in snapshot.gensets if each.power_kw is not None]
    return TelemetryPoint(
        at_utc=snapshot.at_utc,
        pv_kw=snapshot.pv_kw,
        pv_available_kw=snapshot.pv_available_kw,
        battery_kw=battery.power_kw if battery else None,
        soc_frac=battery.soc_frac if battery else None,
        battery_c=battery.temperature_c if battery else None,
        genset_kw=sum(powers) if powers or not snapshot.gensets else None,
        load_kw=snapshot.load_kw,
        it_kw=snapshot.it_kw,
        cooling_kw=snapshot.cooling_kw,
        unserved_kw=snapshot.unserved_kw,
        tank_l=snapshot.tank_l,
        ups_soc_frac=snapshot.ups_soc_frac,
        outdoor_c=snapshot.outdoor_c,
        inlet_c=snapshot.inlet_c,
    )


def told_by_planning(event: Planned, alarms: Alarms, now: datetime) -> tuple[Entry, ...]:
    """Return what a plan's answer tells besides the plan: predictions received, scores, sources that are lost."""
    entries: list[Entry] = [PredictionEntry(prediction=each) for each in event.predictions]
    entries += [ScoresEntry(night=event.night)] if event.night is not None else []
    for feed in event.feeds:
        old = feed.issued_utc is None or now - feed.issued_utc > PREDICTION_OLD
        entries += alarms.put("PREDICTION_LOST", feed.source, bool(feed.fault) and old, feed.text, now)
    return tuple(entries)


def told_by_recorder(health: RecorderHealth, alarms: Alarms, now: datetime) -> tuple[Entry, ...]:
    """Return the alarm of a store that takes nothing, or less than comes."""
    behind = bool(health.failing) or health.waiting > BEHIND
    text = f"{health.waiting} entries wait, {health.dropped} given up: {health.failing}"
    return alarms.put("RECORDS_BEHIND", "store", behind, text, now)


def told_by_restart(began: datetime, left_open: bool, alarms: Alarms, now: datetime) -> tuple[Entry, ...]:
    """Return the alarm, for an hour, of a daemon that began at ``began`` after one that ended without closing."""
    standing = left_open and abs(now - began) < RESTART_TOLD
    text = f"begun at {began:%H:%M:%S}Z: the daemon before ended without closing, its orders are taken up"
    return alarms.put("RESTARTED", "daemon", standing, text, now)


class Alarms:
    """Alarms that stand; the same alarm is raised once."""

    def __init__(self, open_alarms: Iterable[tuple[str, str]] = ()) -> None:
        self._open: set[tuple[str, str]] = set(open_alarms)

    def put(self, code: str, subject: str, standing: bool, text: str, at_utc: datetime) -> tuple[Entry, ...]:
        """Return what is to be recorded when an alarm stands or not."""
        key = (code, subject)
        if standing and key not in self._open:
            self._open.add(key)
            severity = SEVERITIES.get(code, "info")
            LOG.info("alarm %s raised (%s) for %s: %s", code, severity, subject, text)
            return (AlarmRaised(code=code, subject=subject, severity=severity, text=text, at_utc=at_utc),)
        if not standing and key in self._open:
            self._open.discard(key)
            LOG.info("alarm %s cleared for %s", code, subject)
            return (AlarmCleared(code=code, subject=subject, at_utc=at_utc),)
        return ()

    def by_guards(self, result: GuardResult, watched: set[tuple[str, str]]) -> tuple[Entry, ...]:
        """Raise and clear the alarms that follow from guards; ``watched`` are those raised by guards before."""
        at = result.snapshot.at_utc
        entries: list[Entry] = []
        standing = {
            (each.reason_code, each.subject): each.text for each in result.reasons if each.reason_code in SEVERITIES
        }
        for (code, subject), text in standing.items():
            entries += self.put(code, subject, True, text, at)
        for code, subject in watched - set(standing):
            entries += self.put(code, subject, False, "", at)
        watched.clear()
        watched.update(standing)
        return tuple(entries)


class Reporter:
    """Turns cycles into entries for the recorder."""

    def __init__(self, *, telemetry_every_s: float, speed: float, alarms: Alarms) -> None:
        self._every_s = telemetry_every_s
        self._speed = speed
        self._last: datetime | None = None
        self._by_guards: set[tuple[str, str]] = set()
        self._codes: dict[tuple[str, str], str] = {}
        self._unfollowed: set[tuple[str, str]] = set()
        self._outcomes: dict[tuple[str, str], Outcome] = {}
        self.alarms = alarms

    def cycle(
        self,
        snapshot: Snapshot,
        result: GuardResult,
        written: Setpoints,
        outcomes: tuple[Outcome, ...],
        level: Level,
        plan_id: str | None,
        *,
        reachable: bool = True,
    ) -> tuple[Entry, ...]:
        """Return the entries of one finished cycle; nothing was measured when the devices are not ``reachable``."""
        entries: list[Entry] = [
            NowEntry(
                at_utc=snapshot.at_utc,
                level=level,
                plan_id=plan_id,
                speed=self._speed,
                snapshot=result.snapshot,
                setpoints=written,
            )
        ]
        entries += self._telemetry(snapshot) if reachable else ()
        entries += self._guards(result)
        entries += self.alarms.by_guards(result, self._by_guards)
        entries += self._read_backs(snapshot.at_utc, outcomes)
        entries += self._verdicts(snapshot.at_utc, outcomes)
        return tuple(entries)

    def _telemetry(self, snapshot: Snapshot) -> tuple[Entry, ...]:
        now = snapshot.at_utc
        if self._last is not None and 0 <= (now - self._last).total_seconds() < self._every_s - EARLY_S:
            return ()
        self._last = now
        services = tuple(
            ServicePoint(
                at_utc=now, service=each.name, rate_rps=each.rate_rps, served_rps=each.served_rps, mode=each.mode
            )
            for each in snapshot.services
        )
        return (TelemetryEntry(point=telemetry_point(snapshot), services=services),)

    def _guards(self, result: GuardResult) -> tuple[Entry, ...]:
        at = result.snapshot.at_utc
        entries = []
        for each in result.began:
            self._codes[each.guard, each.subject] = each.reason_code
            entries.append(
                GuardEntry(
                    at_utc=at,
                    guard=each.guard,
                    reason_code=each.reason_code,
                    subject=each.subject,
                    text=each.text,
                    began=True,
                )
            )
        for guard, subject in result.ceased:
            code = self._codes.pop((guard, subject), "")
            entries.append(GuardEntry(at_utc=at, guard=guard, reason_code=code, subject=subject, text="", began=False))
        return tuple(entries)

    def _read_backs(self, at: datetime, outcomes: tuple[Outcome, ...]) -> tuple[Entry, ...]:
        """Record what was asked and found whenever either is not as in the last cycle."""
        present = {(each.device, each.what): each for each in outcomes}
        before, self._outcomes = self._outcomes, present
        return tuple(
            OutcomeEntry(at_utc=at, outcome=each)
            for key, each in present.items()
            if key not in before or (before[key].asked, before[key].verdict) != (each.asked, each.verdict)
        )

    def _verdicts(self, at: datetime, outcomes: tuple[Outcome, ...]) -> tuple[Entry, ...]:
        """Raise and clear the alarms of equipment that does not follow its orders."""
        codes = {
            Verdict.STALE: "SETPOINT_STALE",
            Verdict.EXTERNAL: "SETPOINT_EXTERNAL",
            Verdict.REFUSED: "SETPOINT_REFUSED",
        }
        present = {
            (codes[each.verdict], f"{each.device} {each.what}"): each.text
            for each in outcomes
            if each.verdict in codes and not each.what.startswith("job ")
        }
        entries: list[Entry] = []
        for (code, subject), text in present.items():
            entries += self.alarms.put(code, subject, True, text, at)
        for code, subject in self._unfollowed - set(present):
            entries += self.alarms.put(code, subject, False, "", at)
        self._unfollowed = set(present)
        return tuple(entries)
