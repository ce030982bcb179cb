"""Where the site is, its weather source, its room and its cooling."""

from __future__ import annotations

from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from sites.schema.base import Celsius, Name, NonNegative, Positive, Section, clock_times
from sites.schema.computing import Computing
from sites.schema.equipment import Equipment, Node


class Location(Section):
    """The place."""

    latitude: float = Field(ge=-90, le=90)
    """Degrees, north is positive."""
    longitude: float = Field(ge=-180, le=180)
    """Degrees, east is positive."""
    altitude_m: float = Field(default=0.0, ge=-500, le=6000)
    """Above the sea: thin air derates gensets and clears the sky."""
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


class Prediction(Section):
    """A source of weather predictions: a service on the net, or a folder into which somebody drops files."""

    name: Name
    """Name in forecasts, scores and alarms."""
    kind: Literal["open-meteo", "folder"]
    """``open-meteo`` or anything that speaks like it; ``folder`` with CSV or GRIB files."""
    address: str = Field(default="https://api.open-meteo.com/v1/forecast", pattern="^https?://")
    """Of the service."""
    folder: str = ""
    """Relative to the site file."""
    every_minutes: float = Field(default=180.0, ge=15, le=1440)
    """How often it is asked; after a failure at most a quarter of an hour passes."""
    deadline_s: float = Field(default=10.0, gt=0, le=30)
    """Longest wait for a whole answer."""

    @model_validator(mode="after")
    def _folder_named(self) -> Prediction:
        if (self.kind == "folder") != bool(self.folder):
            raise ValueError("a source of kind folder names its folder, and only such a one")
        return self


class Weather(Section):
    """Where the site's weather comes from when it is simulated, its prior when it is real, and who predicts it."""

    source: Literal["tmy3", "epw", "csv", "clear-sky"] = "tmy3"
    """Kind of record; ``clear-sky`` needs none."""
    file: str = ""
    """A path relative to the site file, or ``pvlib:NAME`` for a file inside the pvlib package."""
    predictions: tuple[Prediction, ...] = ()
    """Sources of predictions; without any, forecasts come from the site's own past."""


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
    """Name in plans, orders and reports."""
    kw: NonNegative
    """Its steady draw."""
    shed_usd_per_kwh: NonNegative = 20.0
    """Price of leaving it unserved."""
    critical: bool = False
    """Whether it goes last, after every other load."""


class Prices(Section):
    """What things cost and what is worth how much."""

    diesel_usd_per_l: NonNegative = 1.60
    """Delivered."""
    battery_wear_usd_per_kwh: NonNegative = 0.04
    """For each kWh discharged, where no price of the battery is given."""
    battery_usd_per_kwh: NonNegative | None = None
    """Price of a new battery, a kWh; plans then count for each kWh discharged what the ageing models say it wears."""
    genset_start_usd: NonNegative = 2.0
    """Wear and fuel of a start."""
    genset_run_usd_per_h: NonNegative = 0.0
    """Service and overhaul per running hour."""
    critical_unserved_usd_per_kwh: NonNegative = 20.0
    """Least price of critical load left unserved."""
    offsite_usd_per_gpu_h: NonNegative | None = None
    """Price of a GPU-hour elsewhere; plans then tell what jobs that are not sovereign would cost there. Absent = nowhere."""
    reserve_breach_usd_per_kwh: NonNegative = 1.0
    """Price of operating reserve, or of charge below its reserve, that is missing for an hour."""
    plan_change_usd: NonNegative = 0.05
    """Price of each change of a plan already shown."""


class ReviewIf(Section):
    """Plans that a person has to see with ``review: review-if``."""

    gives_up: bool = True
    """What was asked for cannot be met, and something is given up."""
    night_start: bool = True
    """A genset starts at night for the first time: the plan in force has it rest that night."""
    night_hours: tuple[str, str] = ("22:00", "06:00")
    """Local clock time that counts as night."""
    shed_above_tier: str = ""
    """A tier that is more important than this one is shed; empty = any tier."""
    cost_jump_frac: float = Field(default=0.5, ge=0)
    """The day costs more than this share beyond the plan in force, and more than ``cost_jump_usd``."""
    cost_jump_usd: NonNegative = 20.0
    """A jump in cost below this is never worth a person's time."""

    _clock_times = field_validator("night_hours")(clock_times)


class Planning(Section):
    """How the site is planned and reviewed."""

    policy: Literal["planner", "rules", "fifo", "cycle_charging"] = "planner"
    """Who plans; the rules stand in for the planner whenever it has no answer."""
    horizon_h: float = Field(default=48.0, ge=1, le=168)
    """How far a plan reaches."""
    interval_minutes: float = Field(default=60.0, ge=5, le=240)
    """How often a new plan is made."""
    solve_seconds: Positive = 4.0
    """Deadline of a solve; then the best plan found is used with its gap."""
    uncertainty: Literal["expected", "cautious", "scenarios"] = "expected"
    """Sun that a plan counts on: its mean, its 30 % quantile, or gensets and work for all of the forecast's scenarios at once."""
    risk_weight: float = Field(default=0.0, ge=0, le=1)
    """With scenarios: weight on the darkest fifth of them beside the mean of all; 0 = the mean alone, 1 = the darkest alone."""
    reserve_load_frac: float = Field(default=0.10, ge=0, le=1)
    """Share of the load held in operating reserve."""
    reserve_pv_frac: float = Field(default=0.25, ge=0, le=1)
    """Share of the used PV held in operating reserve."""
    review: Literal["auto", "review", "review-if"] = "auto"
    """``auto``: every plan is followed; ``review``: each waits for a person; ``review-if``: those that ``review_if`` names."""
    review_if: ReviewIf = Field(default=ReviewIf())
    answer_minutes: float = Field(default=15.0, gt=0, le=1440)
    """How long a plan waits for an answer."""
    unanswered: Literal["reject", "approve"] = "reject"
    """What is done when nobody answers: go on with the plan before and then by rules, or follow the plan."""


class Store(Section):
    """Where records go."""

    url: str = "sqlite:///var/mdc.sqlite"
    """SQLAlchemy address."""
    telemetry_every_s: Positive = 10.0
    """Time between two stored rows of telemetry."""


ReportForm = Literal["html", "pdf", "txt", "csv", "parquet", "ndjson", "json"]


class Reports(Section):
    """Reports that are written by night, once a local day, week or month is over."""

    folder: str = "var/reports"
    """Where they go, relative to where the daemon runs."""
    forms: tuple[ReportForm, ...] = ("html", "txt", "parquet")
    """Forms in which each is written; none = the day is only accounted for in the store."""
    at_local: str = "00:20"
    """Local time at which the night's work begins."""

    @field_validator("at_local")
    @classmethod
    def _clock_time(cls, value: str) -> str:
        hour, _, minute = value.partition(":")
        if not (hour.isdigit() and minute.isdigit() and int(hour) < 24 and int(minute) < 60):
            raise ValueError(f"{value!r} is not a clock time; write it quoted, as in '00:20'")
        return value


class Devices(Section):
    """How the equipment is reached."""

    driver: Literal["simulated", "real"] = "simulated"
    """``simulated`` needs no hardware; ``real`` is what ``equipment`` lists."""
    equipment: tuple[Equipment, ...] = ()
    """Power equipment and how it is reached."""
    nodes: tuple[Node, ...] = ()
    """Hosts that can be powered off and on; those of a pool are listed all or none."""
    compute: Computing = Field(default=Computing())
    """How the computers are reached; what it does not name is simulated."""
    bench: str = Field(default="", pattern=r"^(tcp://[^/:]+:\d+)?$")
    """``tcp://HOST:PORT`` of a plant server whose simulated plant stands behind the equipment; empty on a real site."""
    seed: int = 0
    """Seed of the simulated plant and of what happens to it."""
    perturbed: bool = True
    """Whether the simulated plant differs from its data sheet (capacity -8 %, GPU draw +10 %, sensor lag and noise)."""
