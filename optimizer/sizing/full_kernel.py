"""The full model's year, many designs a pass: one time step of one design is one row of scalar calls.

In each step, for each design (functions of the plant and the rules, compiled as they stand):

    1 work        batch work by due time, sun and battery                          rules/deferral.py
    2 load        house + computing + cooling(outdoor) + battery heater            plant/thermal.py, plant/battery.py
    3 limits      battery at its SoC and temperature                               plant/battery.py
    4 commitment  genset wanted, held by minimum run and down time, barred by      rules/dispatch.py, plant/genset.py
                  cold, empty tank, repair or a start that fails; tripped by chance
    5 flows       load following or cycle charging                                 rules/dispatch.py
    6 shed        batch first, then the rest
    7 state       SoC, cell temperature, tank, hours, work; sums for the report

A genset is committed when the battery could not carry the net load and the reserve for ``ready_h`` hours,
whatever the length of a step. Gensets are ``count`` equal units; as many run as the missing power needs. In the
step of a start they carry load for the share that cranking and warm-up leave (average power: the battery
carries the difference), and a run begins or ends within the step in which the SoC reaches its start level or,
cycle charging, its set point. Everything per kWh of battery where the battery is concerned, so that all designs
share its parameters.

Storage: one flat array holds all columns of a block of designs, ``LANES`` values a column, so that the compiler
can prove that columns do not overlap and use vector instructions.
"""

from __future__ import annotations

import math

import numba

from optimizer.rules import deferral
from optimizer.rules import dispatch as rules
from optimizer.rules.deferral import DeferralParams
from optimizer.rules.dispatch import CYCLE_CHARGING, RuleParams
from optimizer.sizing.compiled import FAST_MATH, compiled
from optimizer.sizing.full_params import FullParams
from optimizer.sizing.inputs import Floats
from sites.plant import battery as bat
from sites.plant import genset as gen
from sites.plant.battery import BatteryParams, BatteryState
from sites.plant.genset import GensetParams

LANES = 64
"""Designs a block."""

# columns of a block: what the design is
GENSET_KW, GENSET_COUNT, BATTERY_KWH, PV_KW = 0 * LANES, 1 * LANES, 2 * LANES, 3 * LANES
BATCH_KW, COOLING_KW, TANK_L, HEALTH = 4 * LANES, 5 * LANES, 6 * LANES, 7 * LANES
SERVICE_SCALE = 8 * LANES
# its state
SOC, CELL_C, RUNNING, IN_STATE_H, DOWN_H, TANK_NOW_L, BACKLOG_KWH, DONE_KWH = (n * LANES for n in range(9, 17))
CHARGING, TURN_SOC = 17 * LANES, 18 * LANES
# reciprocals, so that the steps multiply
PER_KWH, PER_UNIT_KW = 19 * LANES, 20 * LANES
# sums
SUMS_FROM = 21
SUM_NAMES = (
    "fuel_l",
    "genset_h",
    "genset_kwh",
    "starts",
    "failed_starts",
    "trips",
    "load_kwh",
    "unserved_kwh",
    "batch_shed_kwh",
    "work_kwh",
    "late_kwh_h",
    "heat_lost_kwh",
    "charge_kwh",
    "discharge_kwh",
    "spilled_kwh",
    "loss_of_load_h",
    "soc_sum_h",
    "cell_sum_h",
    "half_cycles",
    "depth_sum",
    "depth_square_sum",
    "heater_kwh",
    "cooling_kwh",
    "noise_h",
)
(
    S_FUEL,
    S_GEN_H,
    S_GEN_KWH,
    S_STARTS,
    S_FAILED,
    S_TRIPS,
    S_LOAD,
    S_UNSERVED,
    S_BATCH_SHED,
    S_WORK,
    S_LATE,
    S_HEAT_LOST,
    S_CHARGE,
    S_DISCHARGE,
    S_SPILLED,
    S_LOLH,
    S_SOC,
    S_CELL,
    S_HALF,
    S_DEPTH,
    S_DEPTH2,
    S_HEATER,
    S_COOLING,
    S_NOISE,
) = (n * LANES for n in range(SUMS_FROM, SUMS_FROM + len(SUM_NAMES)))
COLUMNS = SUMS_FROM + len(SUM_NAMES)

# rows of the step table: the surroundings, the same for all designs
(
    T_HOUSE,
    T_SERVICE,
    T_ARRIVE,
    T_DUE,
    T_SUN,
    T_ENV_C,
    T_COOL,
    T_CAPACITY,
    T_DERATE,
    T_BARRED,
    T_DELIVERY,
    T_FAILS,
    T_CHANCE,
    T_QUIET,
    T_WALLS,
) = range(15)
STEP_ROWS = 15

_charge_limit_kw = compiled(bat.charge_limit_kw)
_discharge_limit_kw = compiled(bat.discharge_limit_kw)
_battery_step = compiled(bat.step)
_hours_to_soc = compiled(bat.hours_to_soc)
_heater_demand_kw = compiled(bat.heater_demand_kw)
_fuel_l_per_h = compiled(gen.fuel_l_per_h)
_start_share = compiled(gen.start_share)
_dispatch = compiled(rules.dispatch)
_genset_wanted = compiled(rules.genset_wanted)
_held = compiled(rules.held)
_work_kw = compiled(deferral.work_kw)
_power_for_work_kw = compiled(deferral.power_for_work_kw)


@numba.njit(fastmath=FAST_MATH, error_model="numpy", nogil=True, boundscheck=False)
def run_block(
    table: Floats,
    step_h: float,
    params: FullParams,
    battery: BatteryParams,
    engine: GensetParams,
    rule: RuleParams,
    deferral_rule: DeferralParams,
    mem: Floats,
) -> None:
    """Run one block of ``LANES`` designs through the step table, shape (steps, STEP_ROWS); ``mem`` is changed."""
    cycles = rule.strategy == CYCLE_CHARGING
    as_long = params.ready_h == step_h
    part_steps = params.part_steps > 0.0
    first_share = _start_share(engine, step_h * 3600.0)
    trip_chance = step_h / params.mttf_h
    warm_h = engine.warm_up_s / 3600.0
    cool_h = engine.cool_down_s / 3600.0
    min_run_h = engine.min_run_s / 3600.0
    min_down_h = engine.min_down_s / 3600.0
    for step in range(table.shape[0]):
        house_kw = table[step, T_HOUSE]
        service = table[step, T_SERVICE]
        arrive_kwh = table[step, T_ARRIVE] * step_h
        due_kwh = table[step, T_DUE]
        sun = table[step, T_SUN]
        env_c = table[step, T_ENV_C]
        cool = table[step, T_COOL]
        capacity = table[step, T_CAPACITY]
        derate = table[step, T_DERATE]
        barred = table[step, T_BARRED] > 0.0
        fails = table[step, T_FAILS] > 0.0
        chance = table[step, T_CHANCE]
        delivery_l = table[step, T_DELIVERY]
        quiet = table[step, T_QUIET]
        walls_kw = table[step, T_WALLS]
        for lane in range(LANES):
            kwh, per_kwh = mem[BATTERY_KWH + lane], mem[PER_KWH + lane]
            state = BatteryState(mem[SOC + lane], mem[HEALTH + lane], mem[CELL_C + lane])
            pv_kw = sun * mem[PV_KW + lane]
            service_kw = service * mem[SERVICE_SCALE + lane]
            full_kw = mem[BATCH_KW + lane]

            # 1 work
            backlog_kwh = mem[BACKLOG_KWH + lane] + arrive_kwh
            heat_room_kw = mem[COOLING_KW + lane] * capacity + walls_kw - service_kw - house_kw
            fixed_kw = (house_kw + service_kw) * (1.0 + cool)
            late_kwh = max(0.0, due_kwh - mem[DONE_KWH + lane])
            drift = 0.5 * step_h * (pv_kw - fixed_kw) * per_kwh
            middle_frac = max(battery.soc_min_frac, min(battery.soc_max_frac, state.soc_frac + drift))
            wanted_work_kw = _work_kw(
                deferral_rule,
                middle_frac,
                (pv_kw - fixed_kw) / (1.0 + cool),
                full_kw,
                heat_room_kw,
                backlog_kwh / step_h,
                late_kwh / step_h,
            )
            batch_kw = _power_for_work_kw(deferral_rule, wanted_work_kw, full_kw)
            hot_kw = max(0.0, -heat_room_kw)
            service_kw = max(0.0, service_kw - hot_kw)

            # 2 load
            heat_kw = house_kw + service_kw + batch_kw
            cooling_kw = heat_kw * cool
            heater_kw = _heater_demand_kw(battery, state, env_c, step_h) * kwh
            load_kw = heat_kw + cooling_kw + heater_kw
            net_kw = load_kw - pv_kw

            # 3 limits
            charge_kw = min(_charge_limit_kw(battery, state, step_h), params.inverter_per_kwh) * kwh
            discharge_kw = min(_discharge_limit_kw(battery, state, step_h), params.inverter_per_kwh) * kwh

            # 4 commitment
            unit_kw = mem[GENSET_KW + lane]
            count = mem[GENSET_COUNT + lane]
            running = mem[RUNNING + lane] > 0.0
            in_state_h = mem[IN_STATE_H + lane]
            down_h = mem[DOWN_H + lane]
            safe_net_kw = net_kw + params.reserve_load_frac * load_kw + params.reserve_pv_frac * pv_kw
            if as_long:
                ready_kw = discharge_kw
            else:
                ready_kw = min(_discharge_limit_kw(battery, state, params.ready_h), params.inverter_per_kwh) * kwh
            wanted = _genset_wanted(rule, running, state.soc_frac, safe_net_kw, ready_kw)
            drain_kw = max(0.0, min(net_kw, discharge_kw))
            kept_frac = max(0.0, safe_net_kw) * params.ready_h / battery.discharge_eff_frac * per_kwh
            level_frac = max(rule.start_soc_frac, battery.soc_min_frac + kept_frac / state.health_frac)
            low_h = _hours_to_soc(battery, state, drain_kw * per_kwh, level_frac)
            late = part_steps and not running and not wanted and net_kw > 0.0 and low_h < step_h
            asked = running if _held(running, in_state_h, min_run_h, min_down_h) else (wanted or late)
            missing_kw = safe_net_kw - min(discharge_kw, ready_kw)
            units = min(count, max(1.0, math.ceil((missing_kw - 1e-9) * mem[PER_UNIT_KW + lane])))
            units = count if cycles else units
            tank_l = mem[TANK_NOW_L + lane]
            dry = tank_l < engine.fuel_100_l_per_h * unit_kw * units * step_h
            tripped = running and chance < trip_chance
            refused = dry or down_h > 0.0 or (not running and (barred or fails))
            on = asked and not refused and not tripped and unit_kw > 0.0
            started = on and not running
            stopped = running and not on
            share = max(0.0, first_share - (low_h / step_h if late else 0.0)) if started else 1.0
            if cycles:
                held_h = max(0.0, min_run_h - (0.0 if started else in_state_h))
                full_kw_left = min(charge_kw, units * unit_kw * derate - net_kw)
                set_point_h = _hours_to_soc(battery, state, -max(full_kw_left, 0.0) * per_kwh, rule.stop_soc_frac)
                enough = safe_net_kw <= ready_kw and state.soc_frac < rule.stop_soc_frac
                ends = on and enough and not late and max(set_point_h, held_h) < step_h
                share = min(share, max(set_point_h, held_h) / step_h) if ends else share
            else:
                ends = False
            share = share if on else 0.0
            stopped = stopped or ends
            high_kw = units * unit_kw * derate * share
            low_kw = min(high_kw, units * unit_kw * engine.min_load_frac * share)

            # 5 flows
            flows = _dispatch(rule, net_kw, charge_kw, discharge_kw, low_kw, high_kw)

            # 6 shed
            batch_load_kw = batch_kw * (1.0 + cool)
            batch_shed_kw = min(flows.unserved_kw, batch_load_kw)
            unserved_kw = flows.unserved_kw - batch_shed_kw
            done_kwh = wanted_work_kw * step_h * (1.0 - batch_shed_kw / max(batch_load_kw, 1e-9))

            # 7 state and sums
            after, _, _ = _battery_step(battery, state, flows.battery_kw * per_kwh, env_c, step_h, heater_kw * per_kwh)
            carried = flows.genset_kw / max(units * unit_kw * share, 1e-9)
            burnt_l = units * unit_kw * _fuel_l_per_h(engine, carried) * share * step_h if on else 0.0
            idle_l = units * unit_kw * engine.fuel_0_l_per_h
            burnt_l = burnt_l + (idle_l * warm_h if started else 0.0) + (idle_l * cool_h if stopped else 0.0)
            charging = flows.battery_kw < 0.0
            moved = flows.battery_kw < 0.0 or flows.battery_kw > 0.0
            turned = moved and charging != (mem[CHARGING + lane] > 0.0)
            depth = abs(state.soc_frac - mem[TURN_SOC + lane]) if turned else 0.0
            mem[TURN_SOC + lane] = state.soc_frac if turned else mem[TURN_SOC + lane]
            was_charging = mem[CHARGING + lane]
            mem[CHARGING + lane] = (1.0 if charging else 0.0) if moved else was_charging
            mem[SOC + lane] = after.soc_frac
            mem[CELL_C + lane] = after.cell_c
            mem[RUNNING + lane] = 1.0 if (on and not ends) else 0.0
            since_h = step_h if (started or stopped) else in_state_h + step_h
            mem[IN_STATE_H + lane] = (1.0 - share) * step_h if ends else since_h
            repair_h = params.repair_h if tripped else max(0.0, down_h - step_h)
            mem[DOWN_H + lane] = repair_h
            mem[TANK_NOW_L + lane] = min(mem[TANK_L + lane], max(0.0, tank_l - burnt_l) + delivery_l)
            mem[BACKLOG_KWH + lane] = backlog_kwh - done_kwh
            mem[DONE_KWH + lane] += done_kwh
            mem[S_FUEL + lane] += burnt_l
            mem[S_GEN_H + lane] += units * step_h * (share if (ends or late) else 1.0) if on else 0.0
            mem[S_GEN_KWH + lane] += flows.genset_kw * step_h
            mem[S_STARTS + lane] += units if started else 0.0
            mem[S_FAILED + lane] += 1.0 if (asked and not running and fails) else 0.0
            mem[S_TRIPS + lane] += 1.0 if tripped else 0.0
            mem[S_LOAD + lane] += load_kw * step_h
            mem[S_UNSERVED + lane] += unserved_kw * step_h
            mem[S_BATCH_SHED + lane] += batch_shed_kw * step_h
            mem[S_WORK + lane] += done_kwh
            mem[S_LATE + lane] += max(0.0, late_kwh - done_kwh) * step_h
            mem[S_HEAT_LOST + lane] += hot_kw * step_h
            mem[S_CHARGE + lane] += max(0.0, -flows.battery_kw) * step_h
            mem[S_DISCHARGE + lane] += max(0.0, flows.battery_kw) * step_h
            mem[S_SPILLED + lane] += flows.spilled_kw * step_h
            mem[S_LOLH + lane] += step_h if unserved_kw > 1e-6 else 0.0
            mem[S_SOC + lane] += state.soc_frac * step_h
            mem[S_CELL + lane] += state.cell_c * step_h
            mem[S_HALF + lane] += 1.0 if turned else 0.0
            mem[S_DEPTH + lane] += depth
            mem[S_DEPTH2 + lane] += depth * depth
            mem[S_HEATER + lane] += heater_kw * step_h
            mem[S_COOLING + lane] += cooling_kw * step_h
            mem[S_NOISE + lane] += quiet * step_h if on else 0.0
