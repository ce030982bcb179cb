"""Plausibility of the state of charge: a BMS may jump from 40 to 95 % when it recalibrates, or fall silent.

The believed SoC follows the reading while the reading moves no further than physics allows,

    |reading - believed| <= 2 % + (rated power) * dt / capacity                                             (1)

Otherwise, or without a reading, it is counted on from the measured power (2). A doubted reading that stays
consistent with the measured power for :data:`ACCEPT_AFTER_S` is believed again: by then it is more likely
right than the count; one that is lower than the count is taken at once when it stays for
:data:`LOWER_AFTER_S`, since believing too little is the safe side. A reading that stands still while the count
moves on by more than :data:`FROZEN_FRAC` is frozen and is not believed until it moves again.
"""

from __future__ import annotations

from controller.guards.records import GuardMemory, Reason
from controller.snapshot import BatteryReading, Snapshot
from sites.schema.energy import Battery

MARGIN_FRAC = 0.02
FROZEN_FRAC = 0.03
"""A reading that stands still while the power measured moves the count by more is frozen."""
ACCEPT_AFTER_S = 1800.0
LOWER_AFTER_S = 30.0
LOST_AFTER_S = 10.0
"""A reading that is missing for less is no news."""
LOST = Reason("soc_trust", "SENSOR_LOST", "battery", "the BMS gives no state of charge")


def believed(
    snapshot: Snapshot, battery: Battery | None, memory: GuardMemory, dt_s: float
) -> tuple[Snapshot, GuardMemory, tuple[Reason, ...]]:
    """Return the snapshot with the state of charge that is believed, and why it differs from the reading."""
    if battery is None:
        return snapshot, memory, ()
    reading = snapshot.battery.soc_frac if snapshot.battery else None
    before_frac = memory.soc_frac
    if before_frac is None:
        lost_s = memory.soc_lost_s + dt_s if reading is None else 0.0
        memory = memory._replace(soc_frac=reading, soc_reading_frac=reading, soc_lost_s=lost_s)
        return snapshot, memory, (LOST,) if lost_s >= LOST_AFTER_S else ()
    power_kw = snapshot.battery.power_kw if snapshot.battery else None
    counted = _counted(before_frac, power_kw, battery, dt_s)
    allowed = MARGIN_FRAC + max(battery.charge_kw, battery.discharge_kw) * dt_s / 3600.0 / battery.capacity_kwh
    if reading is None:
        memory = memory._replace(soc_frac=counted, soc_lost_s=memory.soc_lost_s + dt_s)
        return _with_soc(snapshot, counted), memory, (LOST,) if memory.soc_lost_s >= LOST_AFTER_S else ()
    frozen = reading == memory.soc_reading_frac
    drift = memory.soc_drift_frac + counted - before_frac if frozen else 0.0
    memory = memory._replace(soc_drift_frac=drift, soc_lost_s=0.0)
    if frozen and abs(drift) > FROZEN_FRAC:
        count = min(max(reading + drift, 0.0), 1.0)
        text = f"the BMS stands at {reading:.1%}, the power measured since makes it {count:.1%}"
        memory = memory._replace(soc_frac=count)
        return _with_soc(snapshot, count), memory, (Reason("soc_trust", "SENSOR_IMPLAUSIBLE", "battery", text),)
    steady = memory.soc_reading_frac is None or abs(reading - memory.soc_reading_frac) <= allowed
    doubted_s = memory.soc_doubted_s + dt_s if steady else 0.0
    patience_s = LOWER_AFTER_S if reading < counted else ACCEPT_AFTER_S
    if abs(reading - before_frac) <= allowed or doubted_s > patience_s:
        return snapshot, memory._replace(soc_frac=reading, soc_reading_frac=reading, soc_doubted_s=0.0), ()
    memory = memory._replace(soc_frac=counted, soc_reading_frac=reading, soc_doubted_s=doubted_s)
    text = f"the BMS says {reading:.1%}, the power measured since makes it {counted:.1%}"
    return _with_soc(snapshot, counted), memory, (Reason("soc_trust", "SENSOR_IMPLAUSIBLE", "battery", text),)


def _counted(soc_frac: float, power_kw: float | None, battery: Battery, dt_s: float) -> float:
    """Return the SoC counted on over ``dt_s`` by (2); without a power reading the full discharge rate is assumed."""
    out_kw = power_kw if power_kw is not None else battery.discharge_kw
    into_kw = max(-out_kw, 0.0) * battery.charge_efficiency_frac
    from_kw = max(out_kw, 0.0) / battery.discharge_efficiency_frac + battery.standby_kw
    return min(max(soc_frac + (into_kw - from_kw) * dt_s / 3600.0 / battery.capacity_kwh, 0.0), 1.0)


def _with_soc(snapshot: Snapshot, soc_frac: float) -> Snapshot:
    battery = snapshot.battery or BatteryReading(soc_frac=None, power_kw=None, temperature_c=None)
    return snapshot.model_copy(update={"battery": battery.model_copy(update={"soc_frac": soc_frac})})
