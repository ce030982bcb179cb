"""Where the site is, its weather source, its room and its cooling."""

from __future__ import annotations

from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from sites.schema.base import Celsius, Name, NonNegative, Positive, Section


class Location(Section):
    """The place."""

    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    altitude_m: float = Field(default=0.0, ge=-500, le=6000)
    time_zone: str
    """IANA name, e.g. America/New_York."""

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError("not an IANA time zone; write one such as America/New_York") from error
        return value


class Weather(Section):
    """Where the site's weather comes from when it is simulated, and its prior when it is real."""

    source: Literal["tmy3", "epw", "csv", "clear-sky"] = "tmy3"
    file: str = ""
    """A path relative to the site file, or ``pvlib:NAME`` for a file inside the pvlib package."""


class Cooling(Section):
    """Cooling of the room and the temperatures that the equipment bears."""

    climate_class: Literal["standard", "rugged"] = "standard"
    """Standard equipment takes 10..35 C at its inlet, rugged -20..60 C."""
    free_below_c: Celsius = 18.0
    """Outdoor temperature below which fans alone do it."""
    fan_frac: float = Field(default=0.04, ge=0, le=1)
    """Fan power per kW of heat."""
    cop_points: tuple[tuple[float, float], ...] = ((15.0, 5.2), (25.0, 4.0), (35.0, 3.0), (45.0, 2.2))
    """Points (outdoor C, coefficient of performance) of the compressor."""
    capacity_kw: Positive
    """Heat that it can move."""
    setpoint_c: Celsius = 25.0
    """Inlet temperature held."""
    thermal_mass_kwh_per_k: Positive = 1.0
    """Heat capacity of the room."""
    loss_kw_per_k: NonNegative = 0.1
    """Heat through the walls per kelvin."""
    heater_kw: NonNegative = 0.0
    """Room heater for cold start and idle nights."""


class Tier(Section):
    """Electric load that is not planned work, from the most to the least important."""

    name: Name
    kw: NonNegative
    shed_usd_per_kwh: NonNegative = 20.0
    critical: bool = False


class Prices(Section):
    """What things cost and what is worth how much."""

    diesel_usd_per_l: NonNegative = 1.60
    """Delivered."""
    battery_wear_usd_per_kwh: NonNegative = 0.04
    """For each kWh discharged."""
    genset_start_usd: NonNegative = 2.0
    genset_run_usd_per_h: NonNegative = 0.0
    """Service and overhaul per running hour."""
    critical_unserved_usd_per_kwh: NonNegative = 20.0
    reserve_breach_usd_per_kwh: NonNegative = 1.0
    plan_change_usd: NonNegative = 0.05
    """Price of each change of a plan already shown."""


class Planning(Section):
    """How the site is planned and reviewed."""

    policy: Literal["planner", "rules", "fifo", "cycle_charging"] = "planner"
    horizon_h: float = Field(default=48.0, ge=1, le=168)
    interval_minutes: float = Field(default=60.0, ge=5, le=240)
    """How often a new plan is made."""
    solve_seconds: Positive = 4.0
    reserve_load_frac: float = Field(default=0.10, ge=0, le=1)
    reserve_pv_frac: float = Field(default=0.25, ge=0, le=1)
    review: Literal["auto", "review", "review-if"] = "auto"


class Store(Section):
    """Where records go."""

    url: str = "sqlite:///var/mdc.sqlite"
    """SQLAlchemy address."""
    telemetry_every_s: Positive = 10.0


class Devices(Section):
    """How the equipment is reached."""

    driver: Literal["simulated"] = "simulated"
    """``simulated`` needs no hardware."""
    seed: int = 0
    perturbed: bool = True
    """Whether the simulated plant differs from its data sheet (capacity -8 %, GPU draw +10 %, sensor lag and noise)."""
