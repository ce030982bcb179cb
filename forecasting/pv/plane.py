"""Irradiance that a module plane can use: orientation, shading, transposition, reflection.

For each instant: the plane's tilt and azimuth (fixed, or a backtracking one-axis tracker: Anderson & Mikofski
2020, NREL/TP-5K00-76626); beam blocked when the sun stands below the shading horizon; sky diffuse reduced by
the horizon's share of the isotropic sky, ``mean(cos^2 elevation)``; fixed rows shade each other's beam (Anderson &
Jensen 2024, doi:10.1063/5.0202220, linear response) and hide sky and ground from each other (view factors of infinite
rows, Mikofski et al. 2019, doi:10.1109/PVSC40753.2019.8980572; the ground between them gets the light that they leave);
Perez (1990, doi:10.1016/0038-092X(90)90055-H) or Hay-Davies (1980) sky; incidence-angle modifier of coated glass
(De Soto) for beam and, averaged over the sky and the ground, for diffuse (Marion 2017,
doi:10.1016/j.solener.2017.03.027).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pvlib

from forecasting.pv.model import ArrayModel, Transposition
from forecasting.sun import Floats, SunPath


@dataclass(frozen=True, kw_only=True)
class Sky:
    """Irradiance [W/m2] at each instant, arrays of one length."""

    ghi_w_m2: Floats
    """On the horizontal."""
    dni_w_m2: Floats
    """On a plane facing the sun."""
    dhi_w_m2: Floats
    """Diffuse on the horizontal."""
    albedo_frac: Floats | None = None
    """Ground reflectance; the array's own where absent."""


def plane_irradiance(array: ArrayModel, sky: Sky, sun: SunPath, *, transposition: Transposition) -> Floats:
    """Return the irradiance [W/m2] that reaches the cells of ``array`` at each instant."""
    tilt_deg, azimuth_deg = orientation(array, sun)
    albedo = sky.albedo_frac if sky.albedo_frac is not None else array.albedo_frac
    up = sun.elevation_deg > 0.0
    open_to_sun = up & (sun.elevation_deg >= horizon_deg(array, sun.azimuth_deg))
    dni = np.where(open_to_sun, sky.dni_w_m2, 0.0)
    total = pvlib.irradiance.get_total_irradiance(
        tilt_deg,
        azimuth_deg,
        np.minimum(sun.zenith_deg, 90.0),
        sun.azimuth_deg,
        dni,
        sky.ghi_w_m2,
        sky.dhi_w_m2,
        dni_extra=sun.dni_extra_w_m2,
        airmass=pvlib.atmosphere.get_relative_airmass(np.minimum(sun.zenith_deg, 90.0)),
        model=transposition,
        albedo=albedo,
    )
    incidence_deg = pvlib.irradiance.aoi(tilt_deg, azimuth_deg, sun.zenith_deg, sun.azimuth_deg)
    passed = np.nan_to_num(pvlib.iam.physical(incidence_deg, n_ar=array.coating_index))
    beam = np.nan_to_num(np.asarray(total["poa_direct"])) * passed * (1.0 - row_shade_frac(array, sun))
    sky_iam, ground_iam = diffuse_iam(round(float(np.mean(tilt_deg)), 1), array.coating_index)
    sky_frac, ground_frac = row_view_frac(array)
    sky_iam, ground_iam = sky_iam * sky_frac, ground_iam * ground_frac
    sky_diffuse = np.nan_to_num(np.asarray(total["poa_sky_diffuse"])) * sky_iam * sky_view_frac(array.horizon)
    ground = np.nan_to_num(np.asarray(total["poa_ground_diffuse"])) * ground_iam
    usable: Floats = np.maximum(beam + sky_diffuse + ground, 0.0)
    return usable


def orientation(array: ArrayModel, sun: SunPath) -> tuple[Floats, Floats]:
    """Return tilt and azimuth [deg] of the plane at each instant."""
    if not array.tracker:
        ones = np.ones_like(sun.zenith_deg)
        return array.tilt_deg * ones, array.azimuth_deg * ones
    turned = pvlib.tracking.singleaxis(
        sun.zenith_deg,
        sun.azimuth_deg,
        axis_tilt=array.tilt_deg,
        axis_azimuth=array.azimuth_deg,
        max_angle=array.tracker_limit_deg,
        backtrack=array.ground_cover_frac > 0,
        gcr=max(array.ground_cover_frac, 0.01),
    )
    tilt = np.nan_to_num(np.asarray(turned["surface_tilt"], dtype=float), nan=0.0)
    azimuth = np.nan_to_num(np.asarray(turned["surface_azimuth"], dtype=float), nan=array.azimuth_deg)
    return tilt, azimuth


def horizon_deg(array: ArrayModel, azimuth_deg: Floats) -> Floats:
    """Return the elevation of the shading horizon at each azimuth; 0 where the site states none."""
    if not array.horizon:
        return np.zeros_like(azimuth_deg)
    points = np.array(sorted(array.horizon))
    return np.asarray(np.interp(azimuth_deg, points[:, 0], points[:, 1], period=360.0), dtype=float)


@lru_cache(maxsize=256)
def sky_view_frac(horizon: tuple[tuple[float, float], ...]) -> float:
    """Return the share of an isotropic sky that a horizon leaves open."""
    if not horizon:
        return 1.0
    points = np.array(sorted(horizon))
    elevation = np.interp(np.arange(360.0), points[:, 0], points[:, 1], period=360.0)
    return float(np.mean(np.cos(np.radians(np.maximum(elevation, 0.0))) ** 2))


@lru_cache(maxsize=256)
def diffuse_iam(tilt_deg: float, coating_index: float) -> tuple[float, float]:
    """Return the incidence-angle modifier of sky and of ground diffuse for a plane's tilt and its glass."""
    parts = pvlib.iam.marion_diffuse("physical", tilt_deg, n_ar=coating_index)
    return float(parts["sky"]), float(np.nan_to_num(parts["ground"], nan=1.0))


def row_view_frac(array: ArrayModel) -> tuple[float, float]:
    """Return the shares of sky diffuse and of ground diffuse that a fixed row gets among its neighbours."""
    if array.tracker or array.ground_cover_frac <= 0.0 or array.tilt_deg <= 0.0:
        return 1.0, 1.0
    return _view_of_rows_frac(array.tilt_deg, array.ground_cover_frac)


@lru_cache(maxsize=256)
def _view_of_rows_frac(tilt_deg: float, ground_cover_frac: float) -> tuple[float, float]:
    up = np.cos(np.radians(tilt_deg))
    sky = float(pvlib.bifacial.utils.vf_row_sky_2d_integ(tilt_deg, ground_cover_frac)) / (0.5 + 0.5 * up)
    ground = float(pvlib.bifacial.utils.vf_row_ground_2d_integ(tilt_deg, ground_cover_frac)) / (0.5 - 0.5 * up)
    return sky, ground * (1.0 - ground_cover_frac)


def row_shade_frac(array: ArrayModel, sun: SunPath) -> Floats:
    """Return the share of a fixed row that the row before it shades; trackers backtrack instead."""
    if array.tracker or array.ground_cover_frac <= 0.0 or array.tilt_deg <= 0.0:
        return np.zeros_like(sun.zenith_deg)
    shade = pvlib.shading.shaded_fraction1d(
        sun.zenith_deg,
        sun.azimuth_deg,
        axis_azimuth=array.azimuth_deg - 90.0,
        shaded_row_rotation=array.tilt_deg,
        collector_width=1.0,
        pitch=1.0 / array.ground_cover_frac,
    )
    return np.asarray(np.clip(np.nan_to_num(np.asarray(shade, dtype=float)), 0.0, 1.0), dtype=float)
