"""Throttling PV on an island by its frequency.

A PV inverter with frequency droop (SunSpec model 711, IEEE 1547 frequency-droop) gives, at frequency f above nominal,

    p = 1 - (f - f_nom - db) / (f_nom * k)        0 <= p <= 1, p in shares of its rating                   (1)

with deadband db [Hz] and droop k (per-unit frequency for one per-unit power). The battery inverter that forms the
grid shifts the frequency so that the ceiling follows:

    f = f_nom + db + f_nom * k * (1 - limit / rating)                                                       (2)

An inverter whose frequency trips it, or that keeps a least power, is not throttled further than that.
"""

from __future__ import annotations

from typing import NamedTuple

from controller.devices.power.signals import Values


class Droop(NamedTuple):
    """How an inverter answers to frequency."""

    deadband_hz: float
    slope_frac: float
    nominal_hz: float = 50.0
    least_frac: float = 0.0
    """Share of its rating below which frequency does not throttle it."""

    @classmethod
    def told(cls, values: Values) -> Droop | None:
        """Return the droop that a PV inverter tells; none when it does not."""
        deadband_hz, slope_frac = values.get("droop_deadband_hz"), values.get("droop_frac")
        seen_hz, least = values.get("frequency_hz", 50.0), values.get("droop_least_frac", 0.0)
        if not isinstance(deadband_hz, float) or not isinstance(slope_frac, float) or slope_frac <= 0.0:
            return None
        nominal_hz = 60.0 if isinstance(seen_hz, float) and seen_hz > 55.0 else 50.0
        return cls(deadband_hz, slope_frac, nominal_hz, float(least) if isinstance(least, float) else 0.0)

    @property
    def end_hz(self) -> float:
        """Frequency at which it throttles as far as it does [Hz]."""
        return self.nominal_hz + self.deadband_hz + self.nominal_hz * self.slope_frac * (1.0 - self.least_frac)


def frequency_for_limit(limit_kw: float | None, rating_kw: float, droop: Droop) -> float:
    """Return the frequency [Hz] at which inverters of ``rating_kw`` together give at most ``limit_kw``; (2)."""
    if limit_kw is None or rating_kw <= 0.0 or limit_kw >= rating_kw:
        return droop.nominal_hz
    kept = max(limit_kw / rating_kw, droop.least_frac, 0.0)
    return droop.nominal_hz + droop.deadband_hz + droop.nominal_hz * droop.slope_frac * (1.0 - kept)


def limit_at_frequency(frequency_hz: float, rating_kw: float, droop: Droop) -> float:
    """Return what inverters of ``rating_kw`` give at most at a frequency [kW]; (1)."""
    over_hz = frequency_hz - droop.nominal_hz - droop.deadband_hz
    return rating_kw * min(max(1.0 - over_hz / (droop.nominal_hz * droop.slope_frac), droop.least_frac), 1.0)
