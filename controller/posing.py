"""From site, snapshot and forecast to a planning problem: the one place where the two halves meet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate, pairwise
from statistics import NormalDist
from zoneinfo import ZoneInfo

from controller.overrides.applying import with_orders
from controller.overrides.orders import Standing
from controller.snapshot import GensetPhase, GensetReading, Snapshot
from forecasting.records import DemandForecast, Forecast
from optimizer.places import TaskPlaces
from optimizer.plan import Plan
from optimizer.problem import (
    BatteryProblem,
    ChainProblem,
    ChainStage,
    FuelDelivery,
    GensetProblem,
    JobProblem,
    LastPlan,
    LoadTier,
    PoolProblem,
    Problem,
    PvScenario,
    ReserveProblem,
    RoomProblem,
    ServiceProblem,
    SolveLimits,
    TankProblem,
)
from sites.compute.records import ServingMode
from sites.plant import battery as bat
from sites.plant import genset as gen
from sites.plant.params import plant_params
from sites.plant.site import PlantParams
from sites.plant.thermal import capacity_factor, cooling_kw_per_heat_kw
from sites.schema.energy import Genset
from sites.schema.site import Site
from sites.times import HOUR, TimeGrid

CHANGE_HORIZON = timedelta(hours=6)
"""How far ahead a change of the last plan has a price."""
END_VALUE_SHARE = 0.7
"""Worth of energy left at the end, as a share of what a kWh from a genset at full load costs: tomorrow's sun may come."""
CAUTIOUS_LEVEL = 0.3
"""Quantile of the sun that a cautious plan counts on."""
OVERDUE_FULL_H = 24.0
"""Time in which a battery is charged full that should have been already: long enough for a day's sun."""
ACTED_ON_H = 2.0
"""A later plan takes over what lies beyond."""


@dataclass(frozen=True, kw_only=True)
class Previous:
    """The plan in force and the problem it answered."""

    problem: Problem
    plan: Plan


def pose(
    site: Site,
    snapshot: Snapshot,
    forecast: Forecast,
    jobs: Sequence[JobProblem],
    *,
    pools: tuple[PoolProblem, ...],
    menus: Mapping[str, tuple[ServingMode, ...]],
    previous: Previous | None = None,
    limits: SolveLimits | None = None,
    deliveries: Sequence[FuelDelivery] = (),
    params: PlantParams | None = None,
    orders: Sequence[Standing] = (),
) -> Problem:
    """Return the problem of planning ``site`` from ``snapshot`` over the forecast's intervals.

    Args:
        site: the site.
        snapshot: the present; a missing state of charge is taken from the previous plan, else from the reserve.
        forecast: sun, temperature and demand; its grid is the problem's.
        jobs: what is left of every job that waits or runs.
        pools: GPUs that can be used, with their power-limit levels.
        menus: serving modes of each service.
        previous: the plan in force; leaving it has a small price.
        limits: when the solve may stop; from the site file if absent.
        deliveries: diesel that is on its way.
        params: the plant's figures; the site's data sheets if absent.
        orders: what people ordered above the plan.
    """
    plant = params or plant_params(site)
    grid = TimeGrid(start_utc=forecast.start_utc, hours=forecast.hours)
    problem = Problem(
        site=site.name,
        start_utc=forecast.start_utc,
        hours=forecast.hours,
        pv_available_kw=_counted_kw(site, forecast),
        scenarios=_scenarios(site, forecast),
        risk_weight=site.planning.risk_weight,
        outdoor_c=forecast.outdoor_c,
        tiers=_tiers(site, len(grid)),
        inverter_kw=site.bus.inverter_kw if site.battery else None,
        battery=_battery(site, snapshot, plant, forecast, previous),
        gensets=tuple(
            _genset(site, genset, plant.gensets[index], snapshot, forecast, grid)
            for index, genset in enumerate(site.gensets)
        ),
        tank=_tank(site, snapshot, deliveries),
        reserve=ReserveProblem(
            load_frac=site.planning.reserve_load_frac,
            pv_frac=site.planning.reserve_pv_frac,
            breach_usd_per_kwh=site.prices.reserve_breach_usd_per_kwh,
            ups_kw=site.ups.kw if site.ups else 0.0,
            ups_h=_ups_h(site, snapshot),
        ),
        cooling_kw_per_it_kw=tuple(cooling_kw_per_heat_kw(plant.climate, each) for each in forecast.outdoor_c),
        cooling_base_kw=tuple(_base_kw(site, plant, each) for each in forecast.outdoor_c),
        room=_room(site, plant, snapshot, forecast),
        pools=tuple(_measured_pool(pool, snapshot) for pool in pools),
        services=_services(site, snapshot, forecast, menus),
        chains=_chains(site),
        jobs=tuple(with_margin(job, forecast.start_utc) for job in jobs),
        offsite_usd_per_gpu_h=site.prices.offsite_usd_per_gpu_h,
        last_plan=_last_plan(previous, grid, site.prices.plan_change_usd),
        limits=limits or SolveLimits(seconds=site.planning.solve_seconds),
    )
    return with_orders(problem, orders)


def _counted_kw(site: Site, forecast: Forecast) -> tuple[float, ...]:
    """Return the sun that a plan counts on; never more than its mean."""
    if site.planning.uncertainty != "cautious" or not forecast.pv_quantiles_kw:
        return forecast.pv_available_kw
    rows = zip(*forecast.pv_quantiles_kw, forecast.pv_available_kw, strict=True)
    return tuple(min(_at_level(CAUTIOUS_LEVEL, forecast.quantile_levels, row[:-1]), row[-1]) for row in rows)


def _at_level(level: float, levels: Sequence[float], values: Sequence[float]) -> float:
    """Return the quantile at a level, straight between those that are known, the outermost beyond them."""
    if level <= levels[0]:
        return values[0]
    for (low, below), (high, above) in pairwise(zip(levels, values, strict=True)):
        if level <= high:
            return below + (above - below) * (level - low) / (high - low)
    return values[-1]


def _scenarios(site: Site, forecast: Forecast) -> tuple[PvScenario, ...]:
    if site.planning.uncertainty != "scenarios":
        return ()
    return tuple(PvScenario(weight=each.weight, pv_available_kw=each.pv_available_kw) for each in forecast.scenarios)


def _tiers(site: Site, count: int) -> tuple[LoadTier, ...]:
    critical_usd = site.prices.critical_unserved_usd_per_kwh
    return tuple(
        LoadTier(
            name=tier.name,
            kw=(tier.kw,) * count,
            shed_usd_per_kwh=max(tier.shed_usd_per_kwh, critical_usd) if tier.critical else tier.shed_usd_per_kwh,
            critical=tier.critical,
        )
        for tier in site.tiers
    )


def _battery(
    site: Site, snapshot: Snapshot, plant: PlantParams, forecast: Forecast, previous: Previous | None
) -> BatteryProblem | None:
    battery = site.battery
    if battery is None:
        return None
    return BatteryProblem(
        capacity_kwh=battery.capacity_kwh,
        soc_frac=_soc(site, snapshot, forecast.start_utc, previous),
        soc_min_frac=battery.soc_min_frac,
        soc_max_frac=battery.soc_max_frac,
        soc_reserve_frac=battery.soc_reserve_frac,
        charge_kw=min(battery.charge_kw, site.bus.inverter_kw),
        discharge_kw=min(battery.discharge_kw, site.bus.inverter_kw),
        charge_efficiency_frac=battery.charge_efficiency_frac,
        discharge_efficiency_frac=battery.discharge_efficiency_frac,
        charge_taper=battery.charge_taper,
        discharge_taper=battery.discharge_taper,
        charge_limit_frac=_cold_limits(site, plant, snapshot, forecast),
        standby_kw=battery.standby_kw,
        wear_usd_per_kwh=site.prices.battery_wear_usd_per_kwh,
        end_value_usd_per_kwh=END_VALUE_SHARE * stored_usd_per_kwh(site),
        reserve_breach_usd_per_kwh=site.prices.reserve_breach_usd_per_kwh,
        full_by_h=_full_by_h(snapshot, forecast.start_utc),
    )


def _full_by_h(snapshot: Snapshot, at: datetime) -> float | None:
    due_utc = snapshot.battery.full_due_utc if snapshot.battery else None
    if due_utc is None:
        return None
    left_h = (due_utc - at) / HOUR
    return left_h if left_h > 0.0 else OVERDUE_FULL_H


def stored_usd_per_kwh(site: Site) -> float:
    """Return what a kWh in the cells saves when it replaces diesel at full load, wear paid; 0 without gensets."""
    if not site.gensets or site.battery is None:
        return 0.0
    litres = min(genset.fuel_l_per_h[-1][1] / genset.fuel_l_per_h[-1][0] for genset in site.gensets)
    saved = litres * site.prices.diesel_usd_per_l - site.prices.battery_wear_usd_per_kwh
    return max(saved * site.battery.discharge_efficiency_frac, 0.0)


def _soc(site: Site, snapshot: Snapshot, at: datetime, previous: Previous | None) -> float:
    measured = snapshot.battery.soc_frac if snapshot.battery else None
    if measured is not None and math.isfinite(measured):
        return measured
    if previous is not None and previous.plan.intervals:
        return previous.plan.intervals[previous.plan.interval_at(at)].soc_end_frac
    return site.battery.soc_reserve_frac if site.battery else 0.0


def _cold_limits(site: Site, plant: PlantParams, snapshot: Snapshot, forecast: Forecast) -> tuple[float, ...]:
    """Return the share of the charge limit that cold leaves, cells drifting to their room and held by their heater."""
    battery = site.battery
    if battery is None or battery.indoors:
        return ()
    now_c = snapshot.battery.temperature_c if snapshot.battery else None
    cell_c = now_c if now_c is not None else battery.heater_on_below_c
    shares = []
    for hours, outdoor_c in zip(forecast.hours, forecast.outdoor_c, strict=True):
        lost = 1.0 - math.exp(-hours * battery.loss_kw_per_k / battery.thermal_mass_kwh_per_k)
        held_c = outdoor_c + battery.heater_kw / battery.loss_kw_per_k if battery.loss_kw_per_k else cell_c
        cell_c += (outdoor_c - cell_c) * lost
        cell_c = max(cell_c, min(battery.heater_on_below_c, held_c))
        shares.append(bat.charge_derating_frac(plant.battery, cell_c))
    return tuple(shares)


def _genset(
    site: Site, genset: Genset, machine: gen.GensetParams, snapshot: Snapshot, forecast: Forecast, grid: TimeGrid
) -> GensetProblem:
    reading = next((each for each in snapshot.gensets if each.name == genset.name), None)
    hottest_c = max(forecast.outdoor_c, default=25.0)
    max_kw = gen.rated_now_kw(machine, hottest_c)
    turning = reading is not None and reading.phase in {
        GensetPhase.CRANKING,
        GensetPhase.WARMUP,
        GensetPhase.RUNNING,
    }
    points = [(share * genset.rating_kw, litres * genset.rating_kw) for share, litres in genset.fuel_l_per_h]
    if points[0][0] > 0:
        points.insert(0, (0.0, gen.fuel_l_per_h(machine, 0.0)))
    return GensetProblem(
        name=genset.name,
        max_kw=max(max_kw, 1e-3),
        min_kw=min(genset.min_load_frac * genset.rating_kw, max_kw),
        fuel_points=tuple(points),
        run_usd_per_h=site.prices.genset_run_usd_per_h,
        start_usd=site.prices.genset_start_usd,
        min_run_h=genset.min_run_minutes / 60.0,
        min_down_h=genset.min_down_minutes / 60.0,
        step_kw=min(genset.load_step_frac * genset.rating_kw, max_kw),
        warmup_h=(genset.start_s + genset.warmup_s) / 3600.0,
        on=turning,
        hours_in_state=reading.phase_s / 3600.0 if reading else 1e3,
        available=_can_run(reading),
        must_run=_test_run(genset, reading, grid, site.location.time_zone),
        forbidden=_quiet(genset, grid, site.location.time_zone),
    )


def _test_run(genset: Genset, reading: GensetReading | None, grid: TimeGrid, zone_name: str) -> tuple[bool, ...]:
    """Return the intervals of the test run that the guards will ask for, out of quiet hours; none if none is due."""
    if reading is None or reading.test_due_utc is None or not _can_run(reading):
        return ()
    quiet = _quiet(genset, grid, zone_name) or (False,) * len(grid)
    starts = [start for start, silent in zip(grid.starts_utc, quiet, strict=True) if not silent]
    begin = next((start for start in starts if start >= reading.test_due_utc), None)
    if begin is None:
        return ()
    end = begin + timedelta(minutes=genset.test_run_minutes)
    pairs = zip(grid.starts_utc, quiet, strict=True)
    return tuple(begin <= start < end and not silent for start, silent in pairs)


def _can_run(reading: GensetReading | None) -> bool:
    if reading is None or reading.phase is None:
        return False
    return reading.remote_allowed and reading.phase is not GensetPhase.LOCKED_OUT


def _quiet(genset: Genset, grid: TimeGrid, zone_name: str) -> tuple[bool, ...]:
    """Return the intervals that start within the genset's quiet hours, local clock time."""
    if genset.quiet_hours is None:
        return ()
    begin, end = (int(text[:-3]) * 60 + int(text[-2:]) for text in genset.quiet_hours)
    zone = ZoneInfo(zone_name)
    quiet = []
    for start in grid.starts_utc:
        local = start.astimezone(zone)
        minute = local.hour * 60 + local.minute
        quiet.append(begin <= minute < end if begin <= end else minute >= begin or minute < end)
    return tuple(quiet)


def _tank(site: Site, snapshot: Snapshot, deliveries: Sequence[FuelDelivery]) -> TankProblem | None:
    if site.tank is None:
        return None
    level_l = snapshot.tank_l if snapshot.tank_l is not None else site.tank.reserve_l
    return TankProblem(
        level_l=min(max(level_l, 0.0), site.tank.capacity_l),
        capacity_l=site.tank.capacity_l,
        reserve_l=site.tank.reserve_l,
        usd_per_l=site.prices.diesel_usd_per_l,
        deliveries=tuple(deliveries),
    )


def _room(site: Site, plant: PlantParams, snapshot: Snapshot, forecast: Forecast) -> RoomProblem:
    """Return what the cooling can carry away; a measured inlet tells how warm the room is."""
    climate = plant.climate
    tiers_kw = sum(tier.kw for tier in site.tiers)
    removable = tuple(
        max(
            0.0,
            climate.cooling_max_kw * capacity_factor(each)
            - tiers_kw
            - climate.ua_kw_per_k * (each - climate.cool_to_c),
        )
        for each in forecast.outdoor_c
    )
    per_k = climate.heat_capacity_kwh_per_k
    warm_k = snapshot.inlet_c - climate.cool_to_c if snapshot.inlet_c is not None else 0.0
    return RoomProblem(
        removable_kw=removable,
        store_kwh=per_k * max(0.0, climate.inlet_max_c - climate.cool_to_c),
        heat_kwh=per_k * max(0.0, warm_k),
    )


def _base_kw(site: Site, plant: PlantParams, outdoor_c: float) -> float:
    """Return what runs in any case: cooling of the tiers' heat and of heat through the walls, UPS float, heaters."""
    through_walls_kw = (outdoor_c - plant.climate.cool_to_c) * plant.climate.ua_kw_per_k
    heat_kw = sum(tier.kw for tier in site.tiers) + through_walls_kw
    cooling_kw = heat_kw * cooling_kw_per_heat_kw(plant.climate, outdoor_c)
    float_kw = site.ups.standby_kw / site.ups.efficiency_frac if site.ups else 0.0
    blocks_kw = sum(
        min(machine.block_heater_kw, max(machine.block_target_c - outdoor_c, 0.0) * machine.block_ua_kw_per_k)
        for machine in plant.gensets
    )
    battery = site.battery
    cells_kw = 0.0
    if battery is not None and not battery.indoors:
        cells_kw = min(battery.heater_kw, max(battery.heater_on_below_c - outdoor_c, 0.0) * battery.loss_kw_per_k)
    return cooling_kw + float_kw + blocks_kw + cells_kw


def _ups_h(site: Site, snapshot: Snapshot) -> float:
    """Return how long the UPS carries its rating with the charge it has; full where nothing is read."""
    if site.ups is None:
        return 0.0
    charge = snapshot.ups_soc_frac
    return site.ups.minutes / 60.0 * (charge if charge is not None else 1.0)


def _measured_pool(pool: PoolProblem, snapshot: Snapshot) -> PoolProblem:
    """Return the pool with the GPUs that answer, the nodes that are powered, and the boot time that was learned.

    GPUs of nodes that are off do not answer, and are there all the same; so GPUs count as lost only while every node is on.
    """
    reading = next((each for each in snapshot.pools if each.name == pool.name), None)
    if reading is None:
        return pool
    if reading.boot_s is not None and pool.nodes:
        boot_h = reading.boot_s / 3600.0
        pool = pool.model_copy(update={"boot_h": boot_h, "boot_kwh": pool.host_kw / pool.nodes * boot_h})
    powered = min(reading.nodes_on, pool.nodes)
    if pool.can_power_off and powered < pool.nodes:
        return pool.model_copy(update={"nodes_on": powered})
    return pool.model_copy(update={"gpus": min(pool.gpus, float(reading.gpus_ok))})


def _services(
    site: Site, snapshot: Snapshot, forecast: Forecast, menus: Mapping[str, tuple[ServingMode, ...]]
) -> tuple[ServiceProblem, ...]:
    demand = {each.service: each for each in forecast.demand}
    modes_now = {reading.name: reading.mode for reading in snapshot.services}
    return tuple(
        ServiceProblem(
            name=service.name,
            modes=menus[service.name],
            rate_rps=demand[service.name].rate_rps
            if service.name in demand
            else (service.demand.mean_rps,) * len(forecast.hours),
            spread_log=spread_log(demand[service.name], forecast) if service.name in demand else (),
            value_usd_per_request=service.value_usd_per_1000 / 1000.0,
            unserved_usd_per_request=service.unserved_usd_per_1000 / 1000.0,
            switch_usd=service.switch_usd,
            current_mode=modes_now.get(service.name, ""),
            critical=service.critical,
        )
        for service in site.services
    )


def _chains(site: Site) -> tuple[ChainProblem, ...]:
    return tuple(
        ChainProblem(
            name=chain.name,
            p99_s=chain.p99_s,
            stages=tuple(ChainStage(service=each.service, first_frac=each.first_frac) for each in chain.stages),
        )
        for chain in site.chains
    )


def spread_log(demand: DemandForecast, forecast: Forecast) -> tuple[float, ...]:
    """Return the spread of the log of the rate that serving modes have to hold, by interval.

    Taken from the forecast's upper quantile. Beyond ``ACTED_ON_H`` it is that of the first interval: a later plan knows the
    level by then, what stays is how windows of minutes stray.
    """
    levels = forecast.quantile_levels
    if not demand.quantiles_rps or max(levels) <= 0.5:
        return ()
    upper = demand.quantiles_rps[levels.index(max(levels))]
    middle = demand.quantiles_rps[min(range(len(levels)), key=lambda i: abs(levels[i] - 0.5))]
    deviates = NormalDist().inv_cdf(max(levels))
    found = [
        math.log(high / low) / deviates if high > low > 0.0 else 0.0 for high, low in zip(upper, middle, strict=True)
    ]
    starts_h = accumulate(forecast.hours, initial=0.0)
    return tuple(spread if start_h < ACTED_ON_H else found[0] for start_h, spread in zip(starts_h, found, strict=False))


def with_margin(job: JobProblem, now: datetime) -> JobProblem:
    """Return the job with its deadline moved ahead by a margin for what may go wrong until then.

    A twelfth of the time left, a quarter of an hour at least and an hour at most; none when the deadline is so near that
    the margin would eat it, or past.
    """
    left = job.deadline_utc - max(now, job.release_utc)
    margin = min(max(left / 12, timedelta(minutes=15)), timedelta(hours=1))
    if left <= 2 * margin or job.deadline_utc - margin <= job.release_utc:
        return job
    return job.model_copy(update={"deadline_utc": job.deadline_utc - margin, "promised_utc": job.due_utc})


def _last_plan(previous: Previous | None, grid: TimeGrid, change_usd: float) -> LastPlan | None:
    """Return the last plan read on the new grid; intervals it does not reach keep its last value."""
    if previous is None or not previous.plan.intervals:
        return None
    plan = previous.plan
    at = [
        plan.interval_at(start + 0.5 * hours * HOUR) for start, hours in zip(grid.starts_utc, grid.hours, strict=True)
    ]
    names = [genset.name for genset in plan.intervals[0].gensets]
    return LastPlan(
        genset_on=tuple(tuple(plan.intervals[i].gensets[k].on for i in at) for k in range(len(names))),
        service_modes=tuple(tuple(service.modes[i] for i in at) for service in plan.services),
        change_usd=change_usd,
        placed=_placed(plan, grid.start_utc),
    )


def _placed(plan: Plan, at: datetime) -> tuple[TaskPlaces, ...]:
    """Return where a plan has its tasks at a moment; after its last span they are where that left them."""
    spans = [span for span in plan.placement if span.start_utc <= at]
    return spans[-1].tasks if spans else ()
