"""From the site file to the PV chain's records.

Thermal models by mounting: open rack u0 = 25, u1 = 6.84 (Faiman 2008, doi:10.1002/pip.813); close to a roof
with an air duct u0 = 20 and insulated at the back u0 = 15, both without a wind term (PVsyst documentation,
"Array thermal losses").
"""

from __future__ import annotations

from functools import lru_cache

from forecasting.pv.model import ArrayModel, ArrayState, InverterModel, PvModel
from sites.schema.energy import PvArray
from sites.schema.site import Site

HEAT_LOSS = {"open-rack": (25.0, 6.84), "close-roof": (20.0, 0.0), "insulated-back": (15.0, 0.0)}


@lru_cache(maxsize=64)
def pv_model(site: Site) -> PvModel | None:
    """Return the PV plant of a site; None when it has none."""
    if site.pv is None:
        return None
    return PvModel(
        latitude_deg=site.location.latitude,
        longitude_deg=site.location.longitude,
        altitude_m=site.location.altitude_m,
        arrays=tuple(_array(array) for array in site.pv.arrays),
        inverters=tuple(
            InverterModel(
                name=inverter.name,
                ac_kw=inverter.ac_kw,
                efficiency_frac=inverter.efficiency_frac,
                arrays=tuple(array.name for array in site.pv.arrays if array.inverter == inverter.name),
            )
            for inverter in site.pv.inverters
        ),
    )


def _array(array: PvArray) -> ArrayModel:
    u0, u1 = HEAT_LOSS[array.mounting_heat]
    tracker = array.mounting == "single-axis"
    count = len(array.horizon_deg)
    return ArrayModel(
        name=array.name,
        dc_kw=array.kwp,
        tilt_deg=0.0 if tracker else array.tilt_deg,
        azimuth_deg=array.azimuth_deg,
        tracker=tracker,
        tracker_limit_deg=array.tilt_deg if tracker else 60.0,
        ground_cover_frac=array.ground_cover_frac,
        gamma_per_c=array.temperature_coefficient_per_k,
        losses_frac=array.losses_frac,
        u0_w_m2_k=u0,
        u1_w_m2_k_per_m_s=u1,
        albedo_frac=array.albedo_frac,
        horizon=tuple((360.0 * i / count, elevation) for i, elevation in enumerate(array.horizon_deg)),
    )


def usual_states(site: Site) -> dict[str, ArrayState]:
    """Return the soiling that the site file states for each array, no snow."""
    arrays = site.pv.arrays if site.pv else ()
    return {array.name: ArrayState(soiling_frac=array.soiling_frac) for array in arrays}
