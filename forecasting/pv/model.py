"""What the PV chain needs to know of a plant: plain frozen records with stated defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from forecasting.sun import Floats

Transposition = Literal["perez", "haydavies"]


@dataclass(frozen=True, kw_only=True)
class ArrayModel:
    """A field of modules that all face one way (or follow the sun on one axis)."""

    name: str
    """Name in the site file."""
    dc_kw: float
    """DC power at 1000 W/m2 and 25 C cell temperature."""
    tilt_deg: float
    """From the horizontal; of a tracker the tilt of its axis."""
    azimuth_deg: float
    """Where the modules face, from north over east; of a tracker where its axis points."""
    tracker: bool = False
    """One-axis tracker with backtracking."""
    tracker_limit_deg: float = 60.0
    """Largest rotation of the tracker."""
    ground_cover_frac: float = 0.0
    """Module length over row distance; 0 is a single row that shades nothing."""
    gamma_per_c: float = -0.0037
    """Power change a degree of cell temperature; -0.37 %/K is PVWatts v8's standard module."""
    losses_frac: float = 0.14
    """DC losses without soiling and snow states (mismatch, wiring, light-induced, nameplate): PVWatts' 14 % as
    a rule.
    """
    u0_w_m2_k: float = 25.0
    """Faiman's constant heat loss (Faiman 2008, doi:10.1002/pip.813)."""
    u1_w_m2_k_per_m_s: float = 6.84
    """Faiman's wind-borne heat loss."""
    coating_index: float = 1.3
    """Refractive index of the glass' anti-reflective coating, as on PVWatts v8's standard module; 1.526 = none."""
    albedo_frac: float = 0.2
    """Ground reflectance where the weather gives none."""
    horizon: tuple[tuple[float, float], ...] = ()
    """Shading horizon: (azimuth_deg, elevation_deg) points, joined linearly around the compass."""


@dataclass(frozen=True, kw_only=True)
class InverterModel:
    """An inverter (or a group of equal ones) and the arrays on it."""

    name: str
    """Name in the site file."""
    ac_kw: float
    """Most AC power it gives."""
    efficiency_frac: float
    """Nominal efficiency; the part-load curve is PVWatts' (Dobos 2014, NREL/TP-6A20-62641)."""
    arrays: tuple[str, ...]
    """Names of its arrays."""


@dataclass(frozen=True, kw_only=True)
class PvModel:
    """All arrays and inverters of a site."""

    latitude_deg: float
    """North is positive."""
    longitude_deg: float
    """East is positive."""
    altitude_m: float
    """Height above the sea."""
    arrays: tuple[ArrayModel, ...]
    """Every array is on exactly one inverter."""
    inverters: tuple[InverterModel, ...]
    """Every inverter with its arrays."""
    transposition: Transposition = "perez"
    """Sky model for the tilted plane."""

    @property
    def ac_kw(self) -> float:
        """Sum of the inverters' AC limits."""
        return sum(inverter.ac_kw for inverter in self.inverters)


@dataclass(frozen=True, kw_only=True)
class ArrayState:
    """What lies on the modules, beyond what the losses already hold: one number, or one an interval."""

    soiling_frac: float | Floats = 0.0
    """Share of light lost to dirt."""
    snow_frac: float | Floats = 0.0
    """Share of the array's strings that snow keeps from working."""
