"""What a forecast says, how sure it is, how good it was and what it was told: plain frozen records, read by the
controller and the store."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from sites.record import Record
from sites.times import Utc

ForecastRung = Literal["blend", "stale_nwp", "history", "climatology", "perfect"]
"""The forecast ladder, best first; ``perfect`` exists in studies only."""


DarkCause = Literal["", "snow", "outage", "outage or snow"]
"""Why a plant may give nothing by day."""


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
    dark_cause: DarkCause = ""
    """Why the arrays may give nothing by day; empty = they will give something."""
    soiling_frac: float = 0.0
    """Share of power that the arrays have lost since their best, as the calibrator found: dirt, as a rule."""
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


class Score(Record):
    """How good forecasts were in one group of samples. Powers in kW, means over intervals."""

    leads: str
    """Leads in the group, e.g. ``2-4 h``; ``all``."""
    season: str
    """Season, or ``all``."""
    state: str
    """Weather prediction when issued: none, stale, fresh, or ``all``."""
    samples: int
    """Intervals scored."""
    nrmse: float
    """RMSE over the mean measured power."""
    mae_kw: float
    """Mean absolute error."""
    bias_kw: float
    """Mean of forecast minus measured."""
    skill_persistence: float | None
    """RMSE skill over smart persistence; none where that makes no error."""
    skill_cliper: float | None
    """RMSE skill over CLIPER."""
    pinball_kw: float
    """Mean pinball loss over the levels."""
    crps_kw: float
    """CRPS from the levels."""
    crps_skill: float | None
    """CRPS skill over CH-PeEn."""
    coverage_80: float
    """Share of measurements between the levels 0.1 and 0.9."""
    reliability: tuple[float, ...]
    """Share of measurements at or below each level."""


class NightScores(Record):
    """Scores worked out in one night over the days before it."""

    night_utc: Utc
    """When; forecasts up to here were held against what came."""
    days: float
    """Days of forecasts behind the scores."""
    levels: tuple[float, ...]
    """Quantile levels that ``Score.reliability`` speaks of."""
    scores: tuple[Score, ...]


class FeedState(Record):
    """Where a source of weather predictions stands."""

    source: str
    """Its name in the site file."""
    asked_utc: Utc
    """When it was last asked."""
    issued_utc: Utc | None = None
    """Issue time of the newest run it has given; none = none yet."""
    fault: str = ""
    """Kind of what went wrong when last asked: unreachable, slow, refused, broken, truncated, stale, unit, nothing."""
    text: str = ""
    """The same for a person."""


class StoredPrediction(Record):
    """One run of a weather prediction as received: interval means labelled by start, none where missing."""

    source: str
    issued_utc: Utc
    start_utc: Utc
    """Start of the first interval."""
    step_s: float = Field(gt=0)
    values: dict[str, tuple[float | None, ...]]
    """By quantity, named as in ``forecasting.nwp.NwpRun``; ``ghi_w_m2`` is always there."""
