"""From the base site and a study's choices to what the year kernel takes: equipment, load, work and prices.

Load that never waits: tiers, hosts, idle GPUs and UPS float ("house"), and services, each hour of the week at
the mode that holds its rate with the least power. Batch work is counted in kWh of full-power work: GPU-hours
times what a busy GPU draws beyond idling, at the wall. The economical power limit is the level of the GPU's own
curve that does most work per watt beyond idling. Battery and engine are per kWh and per kW, so that designs of
any size share them; inverter and charging power grow with the battery as in the base site.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from controller.capability import capability
from controller.design.place import YEAR
from controller.design.study import Deliveries, Study
from forecasting.demand.shape import shape_rate_rps
from optimizer.problem import PoolProblem
from optimizer.rules.deferral import DeferralParams
from optimizer.rules.dispatch import CYCLE_CHARGING, LOAD_FOLLOWING, RuleParams
from optimizer.sizing.full import Equipment, Surroundings, Work
from optimizer.sizing.full_params import FullParams
from optimizer.sizing.inputs import Floats
from optimizer.sizing.lifecycle import LifePrices
from optimizer.workload import Rung, extra_mode_w, idle_kw, useful_rungs
from sites.compute.hardware import LlmSpec, model_spec
from sites.compute.records import ServingMode
from sites.plant.battery import BatteryParams
from sites.plant.genset import GensetParams
from sites.plant.params import battery_params, climate_params, genset_params
from sites.schema.energy import Genset
from sites.schema.site import Site
from sites.schema.workload import BatchStream, Service

WEEK_H = 168
FILLS_ANY_TANK_L = 1e9
NIGHT = (22, 7)
"""Local hours in which a genset's noise counts."""


@dataclass(frozen=True, kw_only=True)
class Loads:
    """A week of load and work of a site variant, hour by hour from Monday 00:00 local time."""

    house_kw: float
    service_kw: Floats
    """Services, shape (168,)."""
    streams: tuple[tuple[str, Floats, float], ...]
    """Name, arrival [kW of full-power work] by hour of the week, and patience [h] of each batch stream."""
    batch_kw: float
    """Wall power of the GPUs that batch work has, beyond idling."""
    gpu_h_per_kwh: float
    """Batch GPU-hours in a kWh of full-power work."""
    tokens_per_week: float
    """Output tokens of the language services."""
    eco: DeferralParams
    """Economical power limit, weighted over the batch work."""


def loads(site: Site) -> Loads:
    """Return load and work of a site variant."""
    able = capability(site)
    pools = {pool.name: pool for pool in able.pools}
    service_kw = np.zeros(WEEK_H)
    held = dict.fromkeys(pools, 0.0)
    tokens = 0.0
    for service in site.services:
        rates = week_rates(service, site.location.time_zone)
        kw, gpus = _service_week(rates, menu_of(able.menus[service.name]), pools)
        service_kw += kw
        for name, count in gpus.items():
            held[name] += count
        tokens += float(rates.sum()) * 3600.0 * _tokens(service)
    streams, eco_power, eco_speed, weight, gpu_h, kwh = [], 0.0, 0.0, 0.0, 0.0, 0.0
    for stream in site.batch:
        pool = pools[stream.pools[0].pool]
        rungs = useful_rungs(pool, stream.profile)
        watts = (rungs[-1].power_w - pool.idle_w) * pool.wall_factor
        hours = stream.work_gpu_h / stream.pools[0].speed
        daily_kwh = stream.per_day * hours * watts / 1000.0
        best = _best(rungs, pool.idle_w)
        eco_power += daily_kwh * (best.power_w - pool.idle_w) / (rungs[-1].power_w - pool.idle_w)
        eco_speed += daily_kwh * best.speed
        weight, gpu_h, kwh = weight + daily_kwh, gpu_h + stream.per_day * hours, kwh + daily_kwh
        streams.append((stream.name, _arrival_week(stream, daily_kwh), stream.deadline_h))
    used = {share.pool for stream in site.batch for share in stream.pools}
    free_kw = sum(
        max(pool.gpus - held[name], 0.0) * (_top_w(pool) - pool.idle_w) * pool.wall_factor / 1000.0
        for name, pool in pools.items()
        if name in used
    )
    ups_kw = site.ups.standby_kw / site.ups.efficiency_frac if site.ups else 0.0
    return Loads(
        house_kw=sum(tier.kw for tier in site.tiers) + sum(idle_kw(pool) for pool in pools.values()) + ups_kw,
        service_kw=service_kw,
        streams=tuple(streams),
        batch_kw=free_kw,
        gpu_h_per_kwh=gpu_h / kwh if kwh else 0.0,
        tokens_per_week=tokens,
        eco=DeferralParams(
            eco_power_frac=eco_power / weight if weight else 1.0,
            eco_speed_frac=eco_speed / weight if weight else 1.0,
        ),
    )


def week_rates(service: Service, zone: str) -> Floats:
    """Return the expected request rate of each hour of a local week [1/s], shape (168,)."""
    monday = datetime(YEAR, 1, 6, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    starts = tuple(monday + timedelta(hours=hour) for hour in range(WEEK_H))
    return np.asarray(shape_rate_rps(service.demand, starts, (1.0,) * WEEK_H, zone=zone), dtype=np.float64)


def menu_of(modes: tuple[ServingMode, ...]) -> tuple[ServingMode, ...]:
    """Return the modes with GPUs, least capable first."""
    return tuple(sorted((mode for mode in modes if mode.gpus > 0), key=lambda mode: mode.rate_rps))


def _service_week(
    rates: Floats, modes: tuple[ServingMode, ...], pools: dict[str, PoolProblem]
) -> tuple[Floats, dict[str, float]]:
    """Return wall power beyond idling by hour [kW], and the mean GPUs held by pool."""
    kw = np.zeros(WEEK_H)
    gpus: dict[str, float] = {}
    for hour, rate in enumerate(rates.tolist()):
        enough = [mode for mode in modes if mode.rate_rps >= rate] or list(modes[-1:])
        if not enough:
            continue
        mode = min(enough, key=lambda mode: (mode.power_w(rate), mode.gpus, mode.name))
        pool = pools[mode.pool]
        kw[hour] = extra_mode_w(mode, rate, pool) * pool.wall_factor / 1000.0
        gpus[mode.pool] = gpus.get(mode.pool, 0.0) + mode.gpus / WEEK_H
    return kw, gpus


def _tokens(service: Service) -> float:
    return service.request.output_tokens if isinstance(model_spec(service.model), LlmSpec) else 0.0


def _best(rungs: tuple[Rung, ...], idle_w: float) -> Rung:
    return max(rungs, key=lambda rung: rung.speed / max(rung.power_w - idle_w, 1e-9))


def _top_w(pool: PoolProblem) -> float:
    return max((level.power_w for each in pool.levels for level in each.levels), default=pool.idle_w)


def _arrival_week(stream: BatchStream, daily_kwh: float) -> Floats:
    """Return arrivals [kW] by hour of the week: at the stream's hours, or evenly."""
    if stream.arrival != "daily":
        return np.full(WEEK_H, daily_kwh / 24.0)
    day = np.zeros(24)
    for text in stream.at_local:
        day[int(text.partition(":")[0])] += daily_kwh / len(stream.at_local)
    return np.tile(day, 7)


def over_year(week: Floats, step_h: float) -> Floats:
    """Return a year of 365 days from 1 January of a week's hours; the year begins on a Wednesday."""
    first = datetime(YEAR, 1, 1, tzinfo=UTC).weekday() * 24
    hours = (np.arange(8760) + first) % WEEK_H
    return np.repeat(week[hours], round(1.0 / step_h))


def surroundings(
    loads_: Loads, sun: Floats, outdoor_c: Floats, step_h: float, cap_policy: str, deliveries: Deliveries
) -> Surroundings:
    """Return a year's surroundings of a variant; with ``at-once`` no work waits."""
    hour = np.arange(sun.size) * step_h % 24.0
    quiet = ((hour >= NIGHT[0]) | (hour < NIGHT[1])).astype(np.float64)
    patient = cap_policy != "at-once"
    return Surroundings(
        house_kw=np.full(sun.size, loads_.house_kw),
        service_kw=over_year(loads_.service_kw, step_h),
        works=tuple(
            Work(kw=over_year(week, step_h), wait_h=wait_h if patient else 0.0) for _, week, wait_h in loads_.streams
        ),
        pv_kw_per_kwp=sun,
        outdoor_c=outdoor_c,
        step_h=step_h,
        delivery_l=delivered_l(deliveries, sun.size, step_h),
        quiet=quiet,
    )


def delivered_l(deliveries: Deliveries, steps: int, step_h: float) -> Floats:
    """Return the fuel that comes at the end of each step of a year from 1 January [L], shape (steps,)."""
    end_day = (np.arange(steps) + 1.0) * step_h / 24.0
    every = deliveries.every_days
    due = np.floor(end_day / every) > np.floor((end_day - step_h / 24.0) / every)
    month_begins = np.cumsum([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30])
    month = np.searchsorted(month_begins, np.arange(steps) * step_h / 24.0, side="right")
    open_road = ~np.isin(month, deliveries.closed_months)
    return np.where(due & open_road, deliveries.litres_each or FILLS_ANY_TANK_L, 0.0)


def equipment(site: Site, loads_: Loads, study: Study, *, strategy: str, cap_policy: str) -> Equipment:
    """Return the equipment that all sizes of a variant share.

    The battery gives to work that can wait above what gensets charge it to: above the set point when cycle charging.
    """
    battery = site.battery
    if battery is None:
        raise ValueError("the study check lets no site without battery through")
    reserve = max(battery.soc_min_frac, battery.soc_reserve_frac)
    cycle = strategy == "cycle-charging"
    eco = loads_.eco if cap_policy == "wait-and-cap" else DeferralParams()
    high = min(0.8, battery.soc_max_frac)
    return Equipment(
        battery=per_kwh(battery_params(battery), battery.capacity_kwh),
        engine=per_kw(site),
        climate=climate_params(site.cooling),
        rule=RuleParams(
            strategy=CYCLE_CHARGING if cycle else LOAD_FOLLOWING,
            battery_first=False,
            start_soc_frac=reserve,
            stop_soc_frac=high if cycle else min(reserve + 0.1, battery.soc_max_frac),
        ),
        deferral=eco._replace(
            soc_low_frac=high if cycle else min(reserve + 0.2, high - 0.1),
            soc_high_frac=battery.soc_max_frac if cycle else high,
        ),
        shared=FullParams(
            reserve_load_frac=site.planning.reserve_load_frac,
            reserve_pv_frac=site.planning.reserve_pv_frac,
            inverter_per_kwh=site.bus.inverter_kw / battery.capacity_kwh,
            repair_h=study.reliability.repair_h,
            health_frac=0.5 * (1.0 + study.prices.battery_end_frac),
        ),
        battery_indoors=battery.indoors,
        soc_initial_frac=battery.soc_initial_frac,
    )


def per_kwh(params: BatteryParams, capacity_kwh: float) -> BatteryParams:
    """Return one kWh of a battery."""
    return params._replace(
        usable_kwh=1.0,
        charge_max_kw=params.charge_max_kw / capacity_kwh,
        discharge_max_kw=params.discharge_max_kw / capacity_kwh,
        self_use_kw=params.self_use_kw / capacity_kwh,
        heat_capacity_kwh_per_k=params.heat_capacity_kwh_per_k / capacity_kwh,
        ua_kw_per_k=params.ua_kw_per_k / capacity_kwh,
        heater_max_kw=params.heater_max_kw / capacity_kwh,
    )


def per_kw(site: Site) -> GensetParams:
    """Return one kW of the site's first genset; of a usual one where the site has none."""
    genset = site.gensets[0] if site.gensets else Genset(name="none", rating_kw=1.0)
    gels_c = site.tank.fuel_gels_below_c if site.tank else -20.0
    params = genset_params(genset, altitude_m=site.location.altitude_m, fuel_gels_below_c=gels_c)
    rating = params.rating_kw
    return params._replace(
        rating_kw=1.0,
        fuel_0_l_per_h=params.fuel_0_l_per_h / rating,
        fuel_25_l_per_h=params.fuel_25_l_per_h / rating,
        fuel_50_l_per_h=params.fuel_50_l_per_h / rating,
        fuel_75_l_per_h=params.fuel_75_l_per_h / rating,
        fuel_100_l_per_h=params.fuel_100_l_per_h / rating,
    )


def variant_prices(study: Study, site: Site) -> LifePrices:
    """Return the prices of a variant."""
    return study.prices.life_prices(site, study.deliveries.trips_per_y * study.deliveries.usd_each)
