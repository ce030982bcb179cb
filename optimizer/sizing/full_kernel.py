"""The full model's year, many designs a pass: a step of a design is a row of the plant's and the rules' functions.

In each step, for each design of a block (functions compiled as they stand):

    demand   batch work by due time, sun and battery; load with cooling and battery heater;     rules/deferral.py
             battery limits at its SoC and temperature                       plant/thermal.py, plant/battery.py
    aim      gensets wanted: from when to when, at which powers                   rules/dispatch.py, plant/battery.py
    commit   held by minimum run and down time, barred by cold, empty tank, repair or a start that fails; tripped
             by chance                                                       rules/dispatch.py, plant/genset.py
    flow     load following or cycle charging; batch work shed first, then the rest;            rules/dispatch.py
             SoC, cell temperature, fuel, tank, work                         plant/battery.py, plant/genset.py
    count    sums for the report

A genset is committed when the battery could not carry the net load and the reserve for ``ready_h`` hours, or at
its start level. Runs begin and end *within* a step, when the SoC reaches these levels, and the delay of a start
may lie across steps (``rules.run_span``): the length of a step matters little. Powers are means over a step, but
what the battery takes during a run and gives after it are counted apart, so that conversion losses stay. Gensets
are ``count`` equal units. Everything per kWh of battery where the battery is concerned, so that all designs share
its parameters. Each pass is a short loop of its own: more of it is in flight in the processor at a time.
"""

from __future__ import annotations

from optimizer.rules import deferral
from optimizer.rules import dispatch as rules
from optimizer.rules.deferral import DeferralParams
from optimizer.rules.dispatch import RuleParams
from optimizer.sizing import full_columns as col
from optimizer.sizing.compiled import compiled, kernel, kernel_part
from optimizer.sizing.full_columns import LANES
from optimizer.sizing.full_commit import aim, commit
from optimizer.sizing.full_params import FullParams
from optimizer.sizing.inputs import Floats
from sites.plant import battery as bat
from sites.plant import genset as gen
from sites.plant.battery import BatteryParams, BatteryState
from sites.plant.genset import GensetParams

SUPPORT = RuleParams()
"""How a genset supports a battery: with what it must give, more only when the battery cannot carry the rest."""

_charge_limit_kw = compiled(bat.charge_limit_kw)
_discharge_limit_kw = compiled(bat.discharge_limit_kw)
_hold = compiled(bat.hold)
_heater_demand_kw = compiled(bat.heater_demand_kw)
_fuel_l_per_h = compiled(gen.fuel_l_per_h)
_dispatch = compiled(rules.dispatch)
_battery_share = compiled(deferral.battery_share)
_work_kw = compiled(deferral.work_kw)
_work_for_power_kw = compiled(deferral.work_for_power_kw)
_power_for_work_kw = compiled(deferral.power_for_work_kw)


@kernel_part
def _demand(
    row: Floats, step_h: float, params: FullParams, battery: BatteryParams, rule: DeferralParams, mem: Floats
) -> None:
    """Set work, load, net load and battery limits of a step."""
    house_kw, service, sun, cool = row[col.T_HOUSE], row[col.T_SERVICE], row[col.T_SUN], row[col.T_COOL]
    capacity, walls_kw, env_c = row[col.T_CAPACITY], row[col.T_WALLS], row[col.T_ENV_C]
    arrive_kwh, due_kwh = row[col.T_ARRIVE] * step_h, row[col.T_DUE]
    health_frac = params.health_frac
    as_long = params.ready_h == step_h
    per_step_h = 1.0 / step_h
    per_heat = 1.0 / (1.0 + cool)
    half_step_h = 0.5 * step_h * (1.0 + cool) / health_frac
    for lane in range(LANES):
        kwh = mem[col.BATTERY_KWH + lane]
        state = BatteryState(mem[col.SOC + lane], health_frac, mem[col.CELL_C + lane])
        pv_kw = sun * mem[col.PV_KW + lane]
        service_kw = service * mem[col.SERVICE_SCALE + lane]
        full_kw = mem[col.BATCH_KW + lane]
        backlog_kwh = mem[col.BACKLOG_KWH + lane] + arrive_kwh
        heat_room_kw = mem[col.COOLING_KW + lane] * capacity + walls_kw - service_kw - house_kw
        late_kwh = max(0.0, due_kwh - mem[col.DONE_KWH + lane])
        surplus_kw = pv_kw * per_heat - (house_kw + service_kw)
        soc_per_kw = half_step_h * mem[col.PER_KWH + lane]
        share = _battery_share(rule, state.soc_frac, soc_per_kw, surplus_kw, full_kw)
        battery_kw = (1.0 - mem[col.RUNNING + lane]) * share * full_kw
        work_kw = _work_kw(
            rule, battery_kw, surplus_kw, full_kw, heat_room_kw, backlog_kwh * per_step_h, late_kwh * per_step_h
        )
        batch_kw = _power_for_work_kw(rule, work_kw, full_kw)
        hot_kw = max(0.0, -heat_room_kw)
        heater_kw = _heater_demand_kw(battery, state, env_c, step_h) * kwh
        load_kw = (house_kw + max(0.0, service_kw - hot_kw) + batch_kw) * (1.0 + cool) + heater_kw
        charge_kw = min(_charge_limit_kw(battery, state, step_h), params.inverter_per_kwh) * kwh
        discharge_kw = min(_discharge_limit_kw(battery, state, step_h), params.inverter_per_kwh) * kwh
        if as_long:
            ready_kw = discharge_kw
        else:
            ready_kw = min(_discharge_limit_kw(battery, state, params.ready_h), params.inverter_per_kwh) * kwh
        mem[col.BACKLOG_KWH + lane] = backlog_kwh
        mem[col.N_WORK + lane] = work_kw
        mem[col.N_BATCH + lane] = batch_kw
        mem[col.N_HOT + lane] = hot_kw
        mem[col.N_HEATER + lane] = heater_kw
        mem[col.N_LOAD + lane] = load_kw
        mem[col.N_NET + lane] = load_kw - pv_kw
        mem[col.N_SAFE + lane] = (1.0 + params.reserve_load_frac) * load_kw - (1.0 - params.reserve_pv_frac) * pv_kw
        mem[col.N_CHARGE + lane] = charge_kw
        mem[col.N_DISCHARGE + lane] = discharge_kw
        mem[col.N_READY + lane] = ready_kw


@kernel_part
def _flow(
    row: Floats,
    step_h: float,
    params: FullParams,
    battery: BatteryParams,
    engine: GensetParams,
    cool_share: float,
    mem: Floats,
) -> None:
    """Set the flows of a step, and move battery and tank."""
    health_frac, per_step_h = params.health_frac, 1.0 / step_h
    env_c, delivery_l = row[col.T_ENV_C], row[col.T_DELIVERY]
    for lane in range(LANES):
        per_kwh, units_kw = mem[col.PER_KWH + lane], mem[col.N_UNITS_KW + lane]
        state = BatteryState(mem[col.SOC + lane], health_frac, mem[col.CELL_C + lane])
        net_kw, charge_kw, discharge_kw = mem[col.N_NET + lane], mem[col.N_CHARGE + lane], mem[col.N_DISCHARGE + lane]
        carry_h = mem[col.N_CARRY_H + lane]
        share = carry_h * per_step_h
        flows = _dispatch(SUPPORT, net_kw, charge_kw, discharge_kw, mem[col.N_LEAST + lane], mem[col.N_MOST + lane])
        first_kw = max(-charge_kw, min(net_kw * share - flows.genset_kw, discharge_kw))
        rest_kw = flows.battery_kw - first_kw
        into_kw = max(-first_kw, 0.0) + max(-rest_kw, 0.0)
        out_kw = max(first_kw, 0.0) + max(rest_kw, 0.0)
        after, _ = _hold(
            battery, state, into_kw * per_kwh, out_kw * per_kwh, env_c, step_h, mem[col.N_HEATER + lane] * per_kwh
        )
        carried = flows.genset_kw / max(units_kw * share, 1e-9)
        burnt_l = units_kw * (
            _fuel_l_per_h(engine, carried) * carry_h + engine.fuel_0_l_per_h * mem[col.N_TURNS_H + lane]
        )
        tank_l = mem[col.TANK_NOW_L + lane]
        mem[col.TANK_NOW_L + lane] = min(mem[col.TANK_L + lane], max(0.0, tank_l - burnt_l) + delivery_l)
        mem[col.S_FUEL + lane] += burnt_l
        mem[col.S_SOC + lane] += state.soc_frac * step_h
        mem[col.S_CELL + lane] += state.cell_c * step_h
        charging = 1.0 if flows.battery_kw < 0.0 else 0.0
        moved = max(charging, 1.0 if flows.battery_kw > 0.0 else 0.0)
        was_charging, turn_soc_frac = mem[col.CHARGING + lane], mem[col.TURN_SOC + lane]
        turned = moved * abs(charging - was_charging)
        depth = turned * abs(state.soc_frac - turn_soc_frac)
        mem[col.TURN_SOC + lane] = turned * state.soc_frac + (1.0 - turned) * turn_soc_frac
        mem[col.CHARGING + lane] = moved * charging + (1.0 - moved) * was_charging
        mem[col.S_DEPTH + lane] += depth
        mem[col.S_DEPTH2 + lane] += depth * depth
        mem[col.SOC + lane] = after.soc_frac
        mem[col.CELL_C + lane] = after.cell_c
        mem[col.N_INTO + lane] = into_kw
        mem[col.N_OUT + lane] = out_kw
        shed_kw = min(flows.unserved_kw, mem[col.N_BATCH + lane] * cool_share)
        mem[col.N_SHED + lane] = shed_kw
        mem[col.N_UNSERVED + lane] = flows.unserved_kw - shed_kw
        mem[col.N_SPILLED + lane] = flows.spilled_kw
        mem[col.N_GENSET + lane] = flows.genset_kw


@kernel_part
def _count(row: Floats, step_h: float, rule: DeferralParams, cool_share: float, mem: Floats) -> None:
    """Move the work and add up the year."""
    per_share = 1.0 / cool_share
    quiet, due_kwh = row[col.T_QUIET], row[col.T_DUE]
    for lane in range(LANES):
        shed_kw, unserved_kw = mem[col.N_SHED + lane], mem[col.N_UNSERVED + lane]
        left_kw = _work_for_power_kw(rule, mem[col.N_BATCH + lane] - shed_kw * per_share, mem[col.BATCH_KW + lane])
        done_kwh = min(left_kw, mem[col.N_WORK + lane]) * step_h
        carry_h = mem[col.N_CARRY_H + lane]
        units = mem[col.N_UNITS_KW + lane] * mem[col.PER_UNIT_KW + lane]
        late_kwh = max(0.0, due_kwh - mem[col.DONE_KWH + lane])
        mem[col.BACKLOG_KWH + lane] -= done_kwh
        mem[col.DONE_KWH + lane] += done_kwh
        mem[col.S_GEN_H + lane] += units * (carry_h + mem[col.N_TURNS_H + lane])
        mem[col.S_GEN_KWH + lane] += mem[col.N_GENSET + lane] * step_h
        mem[col.S_LOAD + lane] += mem[col.N_LOAD + lane] * step_h
        mem[col.S_UNSERVED + lane] += unserved_kw * step_h
        mem[col.S_BATCH_SHED + lane] += shed_kw * step_h
        mem[col.S_WORK + lane] += done_kwh
        mem[col.S_LATE + lane] += max(0.0, late_kwh - done_kwh) * step_h
        mem[col.S_HEAT_LOST + lane] += mem[col.N_HOT + lane] * step_h
        mem[col.S_CHARGE + lane] += mem[col.N_INTO + lane] * step_h
        mem[col.S_DISCHARGE + lane] += mem[col.N_OUT + lane] * step_h
        mem[col.S_SPILLED + lane] += mem[col.N_SPILLED + lane] * step_h
        mem[col.S_LOLH + lane] += step_h if unserved_kw > 1e-6 else 0.0
        mem[col.S_NOISE + lane] += quiet * carry_h


@kernel
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
    for step in range(table.shape[0]):
        row = table[step]
        cool_share = 1.0 + row[col.T_COOL]
        _demand(row, step_h, params, battery, deferral_rule, mem)
        aim(row, step_h, params, battery, engine, rule, mem)
        commit(row, step_h, params, engine, mem)
        _flow(row, step_h, params, battery, engine, cool_share, mem)
        _count(row, step_h, deferral_rule, cool_share, mem)
