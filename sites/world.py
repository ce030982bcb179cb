"""The world around a simulated site, prepared before it is needed: sun, outdoor temperature, request rates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sites.series import TimeSeries


@dataclass(frozen=True, kw_only=True)
class World:
    """What really happens around a simulated site. Plain numbers: the control loop reads them without numpy."""

    pv_available_kw: TimeSeries
    """AC power that the sun allows, kW."""
    outdoor_c: TimeSeries
    """Outdoor temperature, C."""
    rate_rps: dict[str, TimeSeries]
    """Request rate of each service, 1/s."""

    @property
    def end_utc(self) -> datetime:
        """The moment up to which every series reaches."""
        series = [self.pv_available_kw, self.outdoor_c, *self.rate_rps.values()]
        return min(each.end_utc for each in series)
