"""Energy equipment: PV, battery, gensets, tank, UPS, bus."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from pydantic import Field, field_validator, model_validator

from sites.schema.base import Celsius, Fraction, Name, NonNegative, Points, Positive, Section, clock_times


def ascending(points: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    """Return ``points`` if their first numbers ascend."""
    if any(right[0] <= left[0] for left, right in pairwise(points)):
        raise ValueError("points must ascend in their first number")
    return points


class PvArray(Section):
    """Modules of one orientation on one inverter."""

    name: Name
    """Name of the array."""
    kwp: Positive
    """DC rating at standard test conditions."""
    inverter: Name
    """Name of the inverter it feeds."""
    mounting: Literal["fixed", "single-axis"] = "fixed"
    """Whether it stands still or follows the sun about one axis."""
    tilt_deg: float = Field(default=30.0, ge=0, le=90)
    """Tilt from horizontal; the largest rotation for a tracker."""
    azimuth_deg: float = Field(default=180.0, ge=0, lt=360)
    """Direction it faces, clockwise from north; the axis for a tracker."""
    ground_cover_frac: Fraction = 0.4
    """Row width over row spacing, for self-shading; 0 = single row."""
    temperature_coefficient_per_k: float = Field(default=-0.0035, ge=-0.01, le=0)
    """Change of DC power per kelvin."""
    mounting_heat: Literal["open-rack", "close-roof", "insulated-back"] = "open-rack"
    """Which thermal model of the module applies."""
    losses_frac: Fraction = 0.10
    """Wiring, mismatch, nameplate, availability; soiling and snow come on top."""
    soiling_frac: Fraction = 0.02
    """Loss by dirt as a long-term mean."""
    horizon_deg: tuple[float, ...] = ()
    """Elevation of the far horizon in equal azimuth steps from north; empty = flat."""
    albedo_frac: Fraction = 0.2
    """Share of light that the ground throws back."""


class PvInverter(Section):
    """A PV inverter."""

    name: Name
    """Name that arrays refer to."""
    ac_kw: Positive
    """AC limit."""
    efficiency_frac: float = Field(default=0.97, gt=0, le=1)
    """Efficiency at rating."""


class Pv(Section):
    """The PV plant."""

    arrays: tuple[PvArray, ...] = Field(min_length=1)
    inverters: tuple[PvInverter, ...] = Field(min_length=1)
    curtailment: Literal["setpoint", "frequency-shift"] = "setpoint"
    """How PV is throttled."""


class Battery(Section):
    """A battery bank with its inverter's DC side."""

    chemistry: Literal["lfp", "nmc"] = "lfp"
    """Which ageing models apply, and how cold it may be charged."""
    capacity_kwh: Positive
    """Usable capacity at the current health."""
    charge_kw: Positive
    """Most that it takes, at the bus."""
    discharge_kw: Positive
    """Most that it gives, at the bus."""
    charge_efficiency_frac: float = Field(default=0.96, gt=0, le=1)
    """From the AC bus into the cells."""
    discharge_efficiency_frac: float = Field(default=0.96, gt=0, le=1)
    """From the cells to the AC bus."""
    soc_initial_frac: Fraction = 0.6
    """State of charge when a simulation begins."""
    soc_min_frac: Fraction = 0.10
    """Hard lower limit."""
    soc_max_frac: Fraction = 1.0
    """Hard upper limit."""
    soc_reserve_frac: Fraction = 0.20
    """Kept for surprises; below it a genset is asked for."""
    charge_taper: Points = ((0.0, 1.0), (0.9, 1.0), (1.0, 0.1))
    """Points (SoC, share of charge_kw)."""
    discharge_taper: Points = ((0.0, 0.2), (0.1, 1.0), (1.0, 1.0))
    """Points (SoC, share of discharge_kw)."""
    cold_charge_taper: Points = ((0.0, 0.0), (10.0, 0.5), (20.0, 1.0))
    """Points (cell temperature in C, share of charge_kw); LFP takes no charge below 0 C."""
    voltage_limits_v: tuple[Positive, Positive] | None = None
    """Lowest and highest voltage of the bank, inside the BMS's own limits; none = it is not guarded."""
    standby_kw: NonNegative = 0.0
    """Self-consumption of BMS and inverter."""
    heater_kw: NonNegative = 0.0
    """Heater that keeps the cells above ``heater_on_below_c``."""
    heater_on_below_c: Celsius = 5.0
    """Cell temperature that the heater holds."""
    thermal_mass_kwh_per_k: Positive = 0.5
    """Heat capacity of the bank."""
    loss_kw_per_k: NonNegative = 0.05
    """Heat lost to its room per kelvin."""
    indoors: bool = True
    """Whether it stands in the container (else outdoors in its own cabinet)."""
    full_charge_days: Positive | None = 14.0
    """A full charge for balancing at least this often."""

    _ascending = field_validator("charge_taper", "discharge_taper", "cold_charge_taper")(ascending)

    @model_validator(mode="after")
    def _limits_in_order(self) -> Battery:
        if not self.soc_min_frac <= self.soc_reserve_frac <= self.soc_max_frac:
            raise ValueError("needs soc_min_frac <= soc_reserve_frac <= soc_max_frac")
        if not self.soc_min_frac <= self.soc_initial_frac <= self.soc_max_frac:
            raise ValueError("needs soc_min_frac <= soc_initial_frac <= soc_max_frac")
        if self.voltage_limits_v is not None and self.voltage_limits_v[0] >= self.voltage_limits_v[1]:
            raise ValueError("voltage_limits_v needs the lowest before the highest")
        return self


class Genset(Section):
    """A diesel generating set."""

    name: Name
    """Name in plans, orders and reports."""
    rating_kw: Positive
    """Prime rating at reference conditions (ISO 8528-1: 25 C, 100 kPa)."""
    min_load_frac: Fraction = 0.30
    """Longer running below it wets the stack."""
    fuel_l_per_h: Points = Field(default=((0.25, 0.100), (0.5, 0.160), (0.75, 0.217), (1.0, 0.279)))
    """Points (load fraction, litres per hour per kW of rating)."""
    start_s: NonNegative = 15.0
    """Cranking until it runs."""
    warmup_s: NonNegative = 120.0
    """Idle before it takes load."""
    cooldown_s: NonNegative = 180.0
    """Idle before it stops."""
    min_run_minutes: NonNegative = 60.0
    """Shortest run once started."""
    min_down_minutes: NonNegative = 15.0
    """Shortest pause between two runs."""
    start_attempts: int = Field(default=3, ge=1, le=10)
    """Failed starts before lock-out."""
    altitude_derate_per_km: Fraction = 0.10
    """Share of rating lost for each 1,000 m above ``derate_above_m``."""
    derate_above_m: NonNegative = 1000.0
    """Altitude up to which it gives its full rating."""
    heat_derate_per_10k: Fraction = 0.03
    """Share of rating lost for each 10 K above ``derate_above_c``."""
    derate_above_c: Celsius = 40.0
    """Air temperature up to which it gives its full rating."""
    block_heater_kw: NonNegative = 0.0
    """Drawn below ``block_heater_below_c`` while it stands."""
    block_heater_below_c: Celsius = 5.0
    """Outdoor temperature below which the block heater runs."""
    cold_start_limit_c: Celsius = -25.0
    """Without a working block heater it does not start below this."""
    service_hours: Positive = 250.0
    """Hours between services."""
    test_run_days: Positive | None = 14.0
    """A loaded test run at least this often."""
    test_run_minutes: Positive = 30.0
    """Length of a test run."""
    test_run_skip_minutes: NonNegative | None = None
    """Loaded minutes since the last test that make one unnecessary; ``test_run_minutes`` if absent."""
    test_run_until_full: bool = False
    """Whether a test run lasts until the battery is full instead of its minutes."""
    autostart: bool = True
    """Whether the controller may start it by itself; an operator's order still does."""
    on_lost_soc: Literal["start", "keep", "stop"] = "start"
    """What it does when the battery's state of charge has not been read for five minutes."""
    on_lost_link: Literal["start", "keep", "stop"] = "start"
    """What it does when the controller has gone and its last orders have expired."""
    call_delay_s: NonNegative = 0.0
    """How long it has to be called for before it is started."""
    release_delay_s: NonNegative = 0.0
    """How long no call has to stand before it is stopped."""
    quiet_soc_frac: Fraction | None = None
    """State of charge below which quiet hours are broken; 5 % above the hard limit if absent."""
    quiet_hours: tuple[str, str] | None = None
    """Local times between which it is not started, e.g. ["22:00", "06:00"]."""
    load_step_frac: Fraction = 0.6
    """Largest share of its rating that it takes in one step (ISO 8528-5)."""

    _ascending = field_validator("fuel_l_per_h")(ascending)

    _clock_times = field_validator("quiet_hours")(clock_times)


class Tank(Section):
    """The diesel tank that feeds all gensets."""

    capacity_l: Positive
    """Litres that it holds."""
    level_l: NonNegative
    """Level when the site file was written; measured later."""
    reserve_l: NonNegative = 0.0
    """Litres that plans leave in it if they can."""
    fuel_gels_below_c: Celsius = -20.0
    """Cloud point of the fuel in use."""

    @model_validator(mode="after")
    def _fits(self) -> Tank:
        if self.level_l > self.capacity_l:
            raise ValueError(f"level_l {self.level_l:g} exceeds capacity_l {self.capacity_l:g}")
        if self.reserve_l > self.capacity_l:
            raise ValueError(f"reserve_l {self.reserve_l:g} exceeds capacity_l {self.capacity_l:g}")
        return self


class Ups(Section):
    """The UPS that carries the IT load until a genset does."""

    kw: Positive
    """Power that it carries."""
    minutes: Positive
    """How long it carries ``kw``."""
    recharge_kw: Positive = 5.0
    """Most that it draws to recharge."""
    efficiency_frac: float = Field(default=0.95, gt=0, le=1)
    """Through the UPS while it carries."""
    standby_kw: NonNegative = 0.0
    """Lost while it floats."""


class Bus(Section):
    """The island's AC bus and the battery inverter that forms it."""

    forming: Literal["battery", "genset"] = "battery"
    """Grid-forming source while a genset runs; without one it is always the battery."""
    inverter_kw: Positive
    """Continuous rating of the battery inverter."""
    overload: Points = ((1.0, 3600.0), (1.25, 60.0), (1.5, 10.0), (2.0, 0.5))
    """Points (multiple of inverter_kw, seconds it is borne)."""

    _ascending = field_validator("overload")(ascending)
