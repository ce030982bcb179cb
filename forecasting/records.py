"""What a forecast says and how sure it is: plain frozen records, read by the controller and the store."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from sites.record import Record
from sites.times import Utc

ForecastRung = Literal["blend", "stale_nwp", "history", "climatology", "perfect"]
"""The forecast ladder, best first; ``perfect`` exists in studies only."""


class Scenario(Record):
    """One joint course of sun and weather with its probability."""

    weight: float = Field(gt=0, le=1)
    pv_available_kw: tuple[float, ...]
    """Mean available AC power of the whole site in each interval."""
    outdoor_c: tuple[float, ...]
    """Mean outdoor temperature in each interval."""


class DemandForecast(Record):
    """Request rate of one service."""

    service: str
    rate_rps: tuple[float, ...]
    """Mean request rate in each interval."""
    quantiles_rps: tuple[tuple[float, ...], ...] = ()
    """One row a level of ``Forecast.quantile_levels``."""


class Forecast(Record):
    """What will come over a grid of intervals, as known at ``issued_utc``."""

    issued_utc: Utc
    """Nothing measured or issued after this moment was used."""
    rung: ForecastRung
    source: str
    """Where it comes from in words, e.g. ``clear sky + 26 h of site history``."""
    nwp_age_h: float | None = None
    """Age of the newest numerical weather prediction used."""
    start_utc: Utc
    hours: tuple[float, ...]
    """Lengths of the intervals, in hours."""
    quantile_levels: tuple[float, ...]
    """Ascending levels in (0, 1)."""
    pv_available_kw: tuple[float, ...]
    """Mean (expected value) of available AC power in each interval."""
    pv_quantiles_kw: tuple[tuple[float, ...], ...]
    """One row a level, same length as ``hours``."""
    outdoor_c: tuple[float, ...]
    scenarios: tuple[Scenario, ...] = ()
    demand: tuple[DemandForecast, ...] = ()

    @model_validator(mode="after")
    def _lengths_agree(self) -> Forecast:
        rows = [self.pv_available_kw, self.outdoor_c, *self.pv_quantiles_kw]
        rows += [row for scenario in self.scenarios for row in (scenario.pv_available_kw, scenario.outdoor_c)]
        rows += [demand.rate_rps for demand in self.demand]
        if any(len(row) != len(self.hours) for row in rows):
            raise ValueError(f"every series needs {len(self.hours)} values, one an interval")
        if len(self.pv_quantiles_kw) != len(self.quantile_levels):
            raise ValueError("one row of quantiles a level")
        return self
