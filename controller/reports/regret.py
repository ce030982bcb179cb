"""Regret against hindsight: what a day cost more than it had to, and where that came from.

The cost of *feeding* a day's work, the same arithmetic for what happened and for every plan it is held against:

    cost = fuel + genset starts and hours + battery wear + unserved load + unserved requests + lateness
           - worth of what is stored at the end more than at the start                                         (1)

All plans do the work that was done that day, from the same start. Each step gives the plan less freedom:

    hindsight    sun, temperature and demand known before, everything at hand                                   C0
    faults       gensets out in the hours in which they were out                                                C1
    overrides    the orders of people, while they stood                                                         C2
    forecast     gensets on in the hours in which they ran: what was committed on the forecasts of the time     C3
    plant        load and fuel as the meters tell them, not as the data sheet does (``controller.reports.unlike``)  C4
    happened     what the records say                                                                           C5

    regret = C5 - C0 = (C1 - C0) faults + (C2 - C1) overrides + (C3 - C2) forecast + (C4 - C3) plant + (C5 - C4) control   (2)

*Control* is the rest: what the second-by-second control, plans that were not the best, a battery unlike its data sheet and noisy
meters add. It may be negative, and so may a step by as much as a plan's own gap.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from sites.record import Record
from sites.schema.site import Site

TERMS = (
    "fuel",
    "genset_starts",
    "genset_hours",
    "battery_wear",
    "unserved_load",
    "unserved_requests",
    "lateness",
    "stored_energy",
)
"""The terms of (1); the last one is what is missing in the battery at the end."""


class Hindsight(Record):
    """A day held against what it could have cost."""

    happened_terms_usd: dict[str, float]
    hindsight_terms_usd: dict[str, float]
    faults_usd: float
    overrides_usd: float
    forecast_usd: float
    control_usd: float
    """The rest."""
    plant_usd: float = 0.0
    load_factor: float | None = None
    """Energy that the load took, over what the plans in force said; none if it could not be told."""
    fuel_factor: float | None = None
    """Litres that left the tank, over what the gensets' curve says; none if it could not be told."""
    gap_usd: float
    """How far the hindsight plan may be from the best one."""
    notes: tuple[str, ...] = ()

    @property
    def happened_usd(self) -> float:
        """C5."""
        return sum(self.happened_terms_usd.values())

    @property
    def hindsight_usd(self) -> float:
        """C0."""
        return sum(self.hindsight_terms_usd.values())

    @property
    def regret_usd(self) -> float:
        """What the day cost more than it had to."""
        return self.happened_usd - self.hindsight_usd


class Fed(Record):
    """Quantities of (1) over a day."""

    fuel_l: float = 0.0
    genset_starts: int = 0
    genset_h: float = 0.0
    battery_out_kwh: float = 0.0
    unserved_kwh: float = 0.0
    unserved_requests: dict[str, float] = Field(default_factory=dict)
    """By service."""
    lateness_usd: float = 0.0
    stored_kwh: float = 0.0
    """In the cells at the end, less at the start."""


def priced(site: Site, fed: Fed, *, stored_usd_per_kwh: float) -> dict[str, float]:
    """Return the terms of (1), $; unserved load is priced by the tier that is shed first."""
    prices = site.prices
    missed = {
        service.name: (service.value_usd_per_1000 + service.unserved_usd_per_1000) / 1000.0 for service in site.services
    }
    shed_usd = site.tiers[-1].shed_usd_per_kwh if site.tiers else prices.critical_unserved_usd_per_kwh
    values = (
        fed.fuel_l * prices.diesel_usd_per_l,
        fed.genset_starts * prices.genset_start_usd,
        fed.genset_h * prices.genset_run_usd_per_h,
        fed.battery_out_kwh * prices.battery_wear_usd_per_kwh,
        fed.unserved_kwh * shed_usd,
        sum(missed.get(name, 0.0) * requests for name, requests in fed.unserved_requests.items()),
        fed.lateness_usd,
        -fed.stored_kwh * stored_usd_per_kwh,
    )
    return dict(zip(TERMS, values, strict=True))


def steps_usd(costs: Mapping[str, float], happened_usd: float) -> tuple[float, float, float, float, float]:
    """Return what faults, overrides, forecast, plant and control added, from the costs C0..C4 under ``hindsight`` and so on."""
    return (
        costs["faults"] - costs["hindsight"],
        costs["overrides"] - costs["faults"],
        costs["forecast"] - costs["overrides"],
        costs["plant"] - costs["forecast"],
        happened_usd - costs["plant"],
    )
