"""From the site file to the plant's named tuples.

The only module of this package that knows the schema. Curves of the site file become the few numbers that the
scalar functions use: tapers become at most two straight cuts, cold becomes three points, fuel becomes five. A
curve that does not fit is refused with an ``InputError`` that names the field; nothing is silently
simplified, save the fuel curve, which is read at 0, 25, 50, 75 and 100 % of the rating by straight lines
between the points given.
"""

from __future__ import annotations

from itertools import pairwise

from sites.errors import InputError
from sites.plant.battery import BatteryParams
from sites.plant.genset import GensetParams
from sites.plant.inverter import InverterParams
from sites.plant.node import NodeParams
from sites.plant.site import PlantParams, PlantState, initial_state
from sites.plant.thermal import (
    RUGGED_INLET_MAX_C,
    RUGGED_INLET_MIN_C,
    STANDARD_INLET_MAX_C,
    STANDARD_INLET_MIN_C,
    ClimateParams,
)
from sites.plant.ups import UpsParams
from sites.schema.energy import Battery, Bus, Genset, Ups
from sites.schema.place import Cooling
from sites.schema.site import Site
from sites.schema.workload import Pool

Curve = tuple[tuple[float, float], ...]


def line_through(points: Curve, at: float) -> float:
    """Return the value of a piecewise-linear curve, its first and last segments extended."""
    left, right = points[0], points[1]
    for index in range(1, len(points)):
        left, right = points[index - 1], points[index]
        if at <= right[0]:
            break
    return left[1] + (at - left[0]) * (right[1] - left[1]) / (right[0] - left[0])


def taper_cuts(points: Curve, field: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return a concave curve of shares as two lines ``(offset, slope)``, share = offset + slope * SoC.

    Raises ``InputError`` when the curve is not concave or needs more than two lines below 1.
    """
    lines: list[tuple[float, float]] = []
    slopes: list[float] = []
    for left, right in pairwise(points):
        slope = (right[1] - left[1]) / (right[0] - left[0])
        slopes.append(slope)
        if slope != 0.0 or left[1] < 1.0:
            lines.append((left[1] - slope * left[0], slope))
    if any(later > earlier + 1e-9 for earlier, later in pairwise(slopes)):
        raise InputError.single(
            source="site", field=field, found=points, mend="give a curve that bends down only (concave)"
        )
    if len(lines) > 2:
        raise InputError.single(
            source="site", field=field, found=points, mend="use at most two sloped segments below 1"
        )
    while len(lines) < 2:
        lines.append((1.0, 0.0))
    return lines[0], lines[1]


def cold_points(points: Curve, field: str) -> Curve:
    """Return a curve of shares over temperature as exactly three points."""
    if len(points) > 3:
        raise InputError.single(source="site", field=field, found=points, mend="give two or three points")
    return points if len(points) == 3 else (points[0], points[1], (points[1][0] + 1.0, points[1][1]))


def battery_params(battery: Battery | None) -> BatteryParams:
    """Return the battery of a site; one without capacity when the site has none."""
    if battery is None:
        return BatteryParams(usable_kwh=0.0, charge_max_kw=0.0, discharge_max_kw=0.0)
    charge_a, charge_b = taper_cuts(battery.charge_taper, "battery.charge_taper")
    discharge_a, discharge_b = taper_cuts(battery.discharge_taper, "battery.discharge_taper")
    cold_a, cold_b, cold_c = cold_points(battery.cold_charge_taper, "battery.cold_charge_taper")
    return BatteryParams(
        usable_kwh=battery.capacity_kwh,
        charge_max_kw=battery.charge_kw,
        discharge_max_kw=battery.discharge_kw,
        charge_eff_frac=battery.charge_efficiency_frac,
        discharge_eff_frac=battery.discharge_efficiency_frac,
        self_use_kw=battery.standby_kw,
        soc_min_frac=battery.soc_min_frac,
        soc_max_frac=battery.soc_max_frac,
        charge_offset_a=charge_a[0],
        charge_slope_a=-charge_a[1],
        charge_offset_b=charge_b[0],
        charge_slope_b=-charge_b[1],
        discharge_offset_a=discharge_a[0],
        discharge_slope_a=discharge_a[1],
        discharge_offset_b=discharge_b[0],
        discharge_slope_b=discharge_b[1],
        cold_a_c=cold_a[0],
        cold_a_frac=cold_a[1],
        cold_b_c=cold_b[0],
        cold_b_frac=cold_b[1],
        cold_c_c=cold_c[0],
        cold_c_frac=cold_c[1],
        heat_capacity_kwh_per_k=battery.thermal_mass_kwh_per_k,
        ua_kw_per_k=battery.loss_kw_per_k,
        heater_max_kw=battery.heater_kw,
        heater_target_c=battery.heater_on_below_c,
    )


def genset_params(genset: Genset, *, altitude_m: float, fuel_gels_below_c: float) -> GensetParams:
    """Return a genset of a site."""
    flows = [
        max(0.0, line_through(genset.fuel_l_per_h, share)) * genset.rating_kw for share in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    return GensetParams(
        rating_kw=genset.rating_kw,
        fuel_0_l_per_h=flows[0],
        fuel_25_l_per_h=flows[1],
        fuel_50_l_per_h=flows[2],
        fuel_75_l_per_h=flows[3],
        fuel_100_l_per_h=flows[4],
        min_load_frac=genset.min_load_frac,
        crank_s=genset.start_s,
        warm_up_s=genset.warmup_s,
        cool_down_s=genset.cooldown_s,
        min_run_s=genset.min_run_minutes * 60.0,
        min_down_s=genset.min_down_minutes * 60.0,
        attempts_max=float(genset.start_attempts),
        load_step_frac=genset.load_step_frac,
        altitude_m=altitude_m,
        derate_above_m=genset.derate_above_m,
        derate_per_100m_frac=genset.altitude_derate_per_km / 10.0,
        derate_above_c=genset.derate_above_c,
        derate_per_k_frac=genset.heat_derate_per_10k / 10.0,
        start_min_c=genset.cold_start_limit_c,
        fuel_gel_c=fuel_gels_below_c,
        block_heater_kw=genset.block_heater_kw,
        block_target_c=genset.block_heater_below_c,
        service_every_h=genset.service_hours,
    )


def ups_params(ups: Ups | None) -> UpsParams:
    """Return the UPS of a site; one without energy when the site has none."""
    if ups is None:
        return UpsParams()
    return UpsParams(
        usable_kwh=ups.kw * ups.minutes / 60.0 / ups.efficiency_frac,
        power_max_kw=ups.kw,
        charge_kw=ups.recharge_kw,
        charge_eff_frac=ups.efficiency_frac,
        discharge_eff_frac=ups.efficiency_frac,
        standby_kw=ups.standby_kw,
    )


def inverter_params(bus: Bus) -> InverterParams:
    """Return the battery inverter of a site, its overload curve read at four points."""
    points = sorted(bus.overload, key=lambda point: point[0])
    if len(points) > 4 or any(b[1] >= a[1] for a, b in pairwise(points)):
        raise InputError.single(
            source="site",
            field="bus.overload",
            found=bus.overload,
            mend="give two to four points, each higher multiple borne for a shorter time",
        )
    while len(points) < 4:
        first = points[0]
        points.insert(0, (first[0], first[1] * 2.0 + 1.0))
    d, c, b, a = points
    return InverterParams(bus.inverter_kw, a[0], a[1], b[0], b[1], c[0], c[1], d[0], d[1])


def climate_params(cooling: Cooling) -> ClimateParams:
    """Return the room and its cooling; fewer than four COP points are held flat, more are refused."""
    points = sorted(cooling.cop_points)
    if not points or len(points) > 4:
        raise InputError.single(
            source="site", field="cooling.cop_points", found=cooling.cop_points, mend="give one to four points"
        )
    while len(points) < 4:
        points.append((points[-1][0] + 1.0, points[-1][1]))
    rugged = cooling.climate_class == "rugged"
    return ClimateParams(
        cooling_max_kw=cooling.capacity_kw,
        cop_t1_c=points[0][0],
        cop_1=points[0][1],
        cop_t2_c=points[1][0],
        cop_2=points[1][1],
        cop_t3_c=points[2][0],
        cop_3=points[2][1],
        cop_t4_c=points[3][0],
        cop_4=points[3][1],
        fan_frac=cooling.fan_frac,
        free_below_c=cooling.free_below_c,
        cool_to_c=cooling.setpoint_c,
        heat_to_c=(RUGGED_INLET_MIN_C if rugged else STANDARD_INLET_MIN_C) + 2.0,
        heater_max_kw=cooling.heater_kw,
        heat_capacity_kwh_per_k=cooling.thermal_mass_kwh_per_k,
        ua_kw_per_k=cooling.loss_kw_per_k,
        inlet_min_c=RUGGED_INLET_MIN_C if rugged else STANDARD_INLET_MIN_C,
        inlet_max_c=RUGGED_INLET_MAX_C if rugged else STANDARD_INLET_MAX_C,
    )


def node_params(pool: Pool) -> NodeParams:
    """Return one host of a pool; it draws as much while it boots as when idle, and 2 % of that when off (its BMC)."""
    return NodeParams(idle_w=pool.host_w, boot_w=pool.host_w, off_w=0.02 * pool.host_w, boot_s=pool.boot_minutes * 60.0)


def plant_params(site: Site) -> PlantParams:
    """Return the plant of a site as its data sheets promise it; raises ``InputError`` where a curve does not fit."""
    gels_c = site.tank.fuel_gels_below_c if site.tank else -20.0
    return PlantParams(
        battery=battery_params(site.battery),
        gensets=tuple(
            genset_params(genset, altitude_m=site.location.altitude_m, fuel_gels_below_c=gels_c)
            for genset in site.gensets
        ),
        ups=ups_params(site.ups),
        inverter=inverter_params(site.bus),
        climate=climate_params(site.cooling),
        genset_forms=site.bus.forming == "genset",
        battery_indoors=site.battery.indoors if site.battery else True,
        tank_capacity_l=site.tank.capacity_l if site.tank else 0.0,
    )


def plant_start(site: Site, params: PlantParams, *, room_c: float = 20.0) -> PlantState:
    """Return the plant's state as the site file gives it."""
    return initial_state(
        params,
        site.battery.soc_initial_frac if site.battery else 0.0,
        site.tank.level_l if site.tank else 0.0,
        room_c,
    )
