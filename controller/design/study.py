"""The study file: what to vary, where, over which weather, at which prices, within which limits.

Read and checked like a site file: every fault at once, each with field, finding and mend, before any long work.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, ValidationError

from controller.design.axes import QUESTION_AXES, SIZE_AXES, Chemistry, Vary, axis_count, axis_values
from optimizer.sizing.lifecycle import LifePrices
from sites.errors import InputError, InputFault, shorten
from sites.load import find_site, load_site, parse_yaml, validation_faults
from sites.schema.base import Fraction, Name, NonNegative, Positive, Section
from sites.schema.place import Weather
from sites.schema.site import Site

MOST_GRID = 2_000_000
"""Designs above which an exhaustive grid is refused."""
MOST_QUESTIONS = 100
"""Pairs of fuel price and tolerance above which a study is refused."""


class Place(Section):
    """A place where the base site is put."""

    name: Name
    latitude: float = Field(ge=-66, le=66)
    longitude: float = Field(ge=-180, le=180)
    altitude_m: float = Field(default=0.0, ge=-500, le=6000)
    count: int = Field(default=1, ge=1)
    """Sites built there."""
    temperature_shift_c: float = Field(default=0.0, ge=-40, le=40)
    """Added to the temperature of the base site's weather."""
    weather: Weather | None = None
    """Its own weather; absent = the base site's cloudiness under this place's sun."""


class WeatherYears(Section):
    """Over which weather designs are judged."""

    resampled: int = Field(default=0, ge=0, le=200)
    """Made-up years drawn from the days of the record, besides the record itself."""
    mean_run_days: Positive = 5.0
    """Mean length of a run of consecutive days."""
    seed: int = 0


class Prices(Section):
    """Prices and lives; see ``LifePrices``. USD of the first year, real discount rate."""

    years: int = Field(default=20, ge=1, le=50)
    rate_frac: float = Field(default=0.07, ge=0, le=0.5)
    fuel_usd_per_l: NonNegative | None = None
    """The base site's diesel price if absent."""
    pv_usd_per_kwp: NonNegative = 1100.0
    pv_om_usd_per_kwp_y: NonNegative = 15.0
    pv_life_y: Positive = 25.0
    battery_usd_per_kwh: NonNegative = 300.0
    battery_usd_by_chemistry: dict[Chemistry, NonNegative] = Field(default_factory=dict)
    """Price of a kWh by chemistry, where it differs."""
    battery_replacement_frac: NonNegative = 0.7
    battery_om_usd_per_kwh_y: NonNegative = 5.0
    battery_life_most_y: Positive = 20.0
    battery_end_frac: float = Field(default=0.7, gt=0.3, lt=1)
    genset_usd_per_kw: NonNegative = 500.0
    genset_om_usd_per_kw_h: NonNegative = 0.02
    genset_life_h: Positive = 15000.0
    start_usd: NonNegative | None = None
    cooling_usd_per_kw: NonNegative = 600.0
    cooling_life_y: Positive = 15.0
    gpu_usd: dict[str, NonNegative] = Field(default_factory=dict)
    """Price of a GPU with its share of the host, by kind; a kind left out costs nothing here."""
    computers_life_y: Positive = 6.0
    site_usd: NonNegative = 0.0
    site_om_usd_per_y: NonNegative = 0.0
    unserved_usd_per_kwh: NonNegative | None = None
    late_usd_per_kwh: NonNegative = 0.0

    def life_prices(self, site: Site, deliveries_usd_per_y: float = 0.0) -> LifePrices:
        """Return the prices for a site variant, with its computers and its fuel trips."""
        apart = {"gpu_usd", "fuel_usd_per_l", "start_usd", "unserved_usd_per_kwh", "battery_usd_by_chemistry"}
        own = self.model_dump(exclude=apart)
        if site.battery is not None:
            own["battery_usd_per_kwh"] = self.battery_usd_by_chemistry.get(
                site.battery.chemistry, self.battery_usd_per_kwh
            )
        fuel, start, unserved = self.fuel_usd_per_l, self.start_usd, self.unserved_usd_per_kwh
        known = site.prices
        return LifePrices(
            **own,
            deliveries_usd_per_y=deliveries_usd_per_y if site.gensets else 0.0,
            computers_usd=sum(pool.nodes * pool.gpus_per_node * self.gpu_usd.get(pool.gpu, 0.0) for pool in site.pools),
            fuel_usd_per_l=known.diesel_usd_per_l if fuel is None else fuel,
            start_usd=known.genset_start_usd if start is None else start,
            unserved_usd_per_kwh=known.critical_unserved_usd_per_kwh if unserved is None else unserved,
        )


class Deliveries(Section):
    """How fuel comes."""

    every_days: Positive = 30.0
    """The tank is filled at least this often."""
    usd_each: NonNegative = 0.0
    """Price of a trip, besides the litres."""
    litres_each: Positive | None = None
    """Most that a trip brings; absent = as much as the tank takes."""
    closed_months: tuple[Annotated[int, Field(ge=1, le=12)], ...] = ()
    """Months in which no fuel comes: a road under snow or water."""

    @property
    def trips_per_y(self) -> float:
        """Trips in a mean year."""
        return 365.0 / self.every_days * (1.0 - len(set(self.closed_months)) / 12.0)


class Limits(Section):
    """What a design must hold to be allowed; a field left out is no limit."""

    loss_of_load_frac: Fraction | None = 0.001
    """Energy that cannot wait and is not served, over energy wanted."""
    late_work_frac: Fraction | None = 0.02
    """Work not done at the year's end or shed, over work arrived."""
    fuel_l_per_y: NonNegative | None = None
    capex_usd: Positive | None = None
    pv_area_m2: Positive | None = None
    noise_h_per_y: NonNegative | None = None
    """Genset hours at night (22 to 7 h local time)."""
    m2_per_kwp: Positive = 10.0
    """Ground a kWp takes, rows apart."""


class Search(Section):
    """How designs are chosen."""

    method: Literal["grid", "search"] = "grid"
    simulations: int = Field(default=1000, ge=10, le=100000)
    """Most simulations of each variant when searching."""


class Reliability(Section):
    """Chance of failures."""

    draws: int = Field(default=20, ge=0, le=1000)
    """Monte Carlo draws of the finalists."""
    start_failure_frac: Fraction = 0.0094
    mttf_h: Positive = 1100.0
    repair_h: Positive = 48.0


class Finalists(Section):
    """Which designs are looked at closely."""

    count: int = Field(default=3, ge=1, le=20)
    """Designs: the winner and the best of other strategies and cap policies; the base case comes besides."""
    planner_windows: int = Field(default=0, ge=0, le=24)
    """Four-day windows in which the finalists are run with the real planner; 0 = not."""


class Study(Section):
    """A what-if study."""

    version: Literal[1]
    name: Name
    description: str = ""
    base: str
    """Site file, relative to the study, or the name of an example."""
    vary: Vary = Field(default=Vary())
    places: tuple[Place, ...] = ()
    """Places to put the site; absent = the base site's own."""
    step_minutes: Literal[5, 10, 15, 30, 60] = 60
    weather: WeatherYears = Field(default=WeatherYears())
    prices: Prices = Field(default=Prices())
    deliveries: Deliveries = Field(default=Deliveries())
    limits: Limits = Field(default=Limits())
    search: Search = Field(default=Search())
    reliability: Reliability = Field(default=Reliability())
    finalists: Finalists = Field(default=Finalists())

    def cross_faults(self, source: str, site: Site) -> Iterator[InputFault]:
        """Yield faults that need the whole study or the base site."""
        count = self.grid_count()
        if self.search.method == "grid" and count > MOST_GRID:
            yield InputFault(
                source=source,
                field="vary",
                found=f"{count:.3g} designs",
                mend=f"widen the steps to at most {MOST_GRID:,} designs or set search.method: search",
            )
        asked = [axis_count(getattr(self.vary, name)) for name in QUESTION_AXES]
        if max(asked) > 1 and self.search.method != "grid":
            mend = "set search.method: grid; a search looks for the best design at one price and one limit only"
            yield InputFault(source=source, field="vary", found=", ".join(QUESTION_AXES), mend=mend)
        if asked[0] * asked[1] > MOST_QUESTIONS:
            mend = f"ask for at most {MOST_QUESTIONS} pairs of fuel price and tolerance"
            yield InputFault(source=source, field="vary", found=f"{asked[0] * asked[1]:,} pairs", mend=mend)
        pools = {pool.name for pool in site.pools}
        for field, names in (("nodes", self.vary.nodes), ("gpu", self.vary.gpu)):
            for name in names:
                if name not in pools:
                    mend = f"name one of: {', '.join(sorted(pools))}"
                    yield InputFault(source=source, field=f"vary.{field}", found=shorten(name), mend=mend)
        named = [place.name for place in self.places]
        for name in sorted({name for name in named if named.count(name) > 1}):
            mend = "give each place its own name"
            yield InputFault(source=source, field="places", found=shorten(name), mend=mend)
        if site.pv is None and self.vary.pv_kwp is not None:
            mend = "describe pv arrays in the base site: their tilt and losses are used"
            yield InputFault(source=source, field="vary.pv_kwp", found="a site without pv", mend=mend)
        if site.battery is None:
            yield InputFault(source=source, field="base", found="no battery", mend="the model needs a battery")

    def sizes(self, site: Site) -> dict[str, tuple[float, ...]]:
        """Return the values of each size axis, the base site's own where nothing varies."""
        gensets, battery = site.gensets, site.battery
        own = {
            "pv_kwp": sum(array.kwp for array in site.pv.arrays) if site.pv else 0.0,
            "battery_kwh": battery.capacity_kwh if battery else 0.0,
            "genset_kw": max((genset.rating_kw for genset in gensets), default=0.0),
            "genset_count": float(max(len(gensets), 1)),
            "cooling_kw": site.cooling.capacity_kw,
            "tank_l": site.tank.capacity_l if site.tank else 0.0,
        }
        found = {}
        for name in SIZE_AXES:
            axis = getattr(self.vary, name)
            found[name] = (own[name],) if axis is None else axis_values(axis)
        return found

    def variant_count(self) -> int:
        """Return the number of site variants, places included."""
        vary = self.vary
        parts = [len(vary.tilt_deg), len(vary.chemistry), len(vary.strategy), len(vary.cap_policy), len(self.places)]
        parts += [len(values) for values in (*vary.nodes.values(), *vary.gpu.values())]
        return int(np.prod([max(part, 1) for part in parts], dtype=np.float64))

    def grid_count(self) -> float:
        """Return the number of designs of the full grid."""
        counts = [axis_count(getattr(self.vary, name)) for name in SIZE_AXES]
        return float(np.prod(counts, dtype=np.float64)) * self.variant_count()


def load_study(path: Path | str) -> tuple[Study, Site, Path]:
    """Read and check a study file; return it with its base site and the base site's file.

    Raises:
        InputError: with all faults of the study at once.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError.single(source=str(path), field="", found="no such file", mend="give a study file (YAML)")
    document = parse_yaml(file.read_text(encoding="utf-8"), source=file.name)
    try:
        study = Study.model_validate(document)
    except ValidationError as error:
        raise InputError(validation_faults(error, source=file.name)) from error
    beside = file.parent / study.base
    base = find_site(beside if beside.is_file() else study.base)
    site = load_site(base)
    faults = list(study.cross_faults(file.name, site))
    if faults:
        raise InputError(faults)
    return study, site, base
