"""When gensets run in a step of the full model: what the rules aim at, and what minimum times, cold and chance leave of it.

A pass over a block of designs is a loop of its own (``full_kernel.py``). Flags are 0 or 1, so that all lanes take the
same path.
"""

from __future__ import annotations

import numpy as np

from optimizer.rules import dispatch as rules
from optimizer.rules.dispatch import CYCLE_CHARGING, RuleParams
from optimizer.sizing import full_columns as col
from optimizer.sizing.compiled import compiled, kernel_part
from optimizer.sizing.full_columns import LANES
from optimizer.sizing.full_params import FullParams
from optimizer.sizing.inputs import Floats
from sites.plant import battery as bat
from sites.plant import genset as gen
from sites.plant.battery import BatteryParams, BatteryState
from sites.plant.genset import GensetParams

NEVER_H = 1e9
HYSTERESIS_FRAC = 0.1
"""SoC between the start of a run for want of reserve and its end, where the rule leaves so much."""

_charge_derating_frac = compiled(bat.charge_derating_frac)
_discharge_derating_frac = compiled(bat.discharge_derating_frac)
_hours_to_soc = compiled(bat.hours_to_soc)
_start_delay_h = compiled(gen.start_delay_h)
_dispatch = compiled(rules.dispatch)
_genset_wanted = compiled(rules.genset_wanted)
_carried_kw = compiled(rules.carried_kw)
_run_span = compiled(rules.run_span)


@kernel_part
def aim(
    row: Floats,
    step_h: float,
    params: FullParams,
    battery: BatteryParams,
    engine: GensetParams,
    rule: RuleParams,
    mem: Floats,
) -> None:
    """Set when the rules want a run to begin and to end in a step, and its powers."""
    health_frac, cycles = params.health_frac, rule.strategy == CYCLE_CHARGING
    part_steps = params.part_steps > 0.0
    apart_frac = min(HYSTERESIS_FRAC, rule.stop_soc_frac - rule.start_soc_frac)
    kept_per_kw = params.ready_h / battery.discharge_eff_frac / health_frac
    derate = row[col.T_DERATE]
    per_derate = 1.0 / max(derate, 1e-9)
    for lane in range(LANES):
        kwh, per_kwh = mem[col.BATTERY_KWH + lane], mem[col.PER_KWH + lane]
        state = BatteryState(mem[col.SOC + lane], health_frac, mem[col.CELL_C + lane])
        net_kw, safe_kw, ready_kw = mem[col.N_NET + lane], mem[col.N_SAFE + lane], mem[col.N_READY + lane]
        unit_kw, count = mem[col.GENSET_KW + lane], mem[col.GENSET_COUNT + lane]
        running = mem[col.RUNNING + lane] > 0.0
        give = battery.discharge_max_kw * _discharge_derating_frac(battery, state.cell_c)
        give_kw = min(give, params.inverter_per_kwh) * kwh
        take = battery.charge_max_kw * _charge_derating_frac(battery, state.cell_c)
        take_kw = min(take, params.inverter_per_kwh) * kwh if cycles else mem[col.N_CHARGE + lane]

        wanted = _genset_wanted(rule, running, state.soc_frac, safe_kw, ready_kw)
        kept_frac = max(0.0, safe_kw) * kept_per_kw * per_kwh
        level_frac = max(rule.start_soc_frac, battery.soc_min_frac + kept_frac)
        enough_frac = max(rule.stop_soc_frac, level_frac + apart_frac)
        drain_kw = max(0.0, min(net_kw, give_kw)) * per_kwh
        low_h = _hours_to_soc(battery, state, drain_kw, level_frac)
        low_h = low_h if net_kw > 0.0 else NEVER_H

        carried_kw = _carried_kw(rule, safe_kw if rule.battery_first else net_kw, ready_kw) * per_derate
        units = min(count, max(1.0, np.ceil((carried_kw - 1e-9) * mem[col.PER_UNIT_KW + lane])))
        units_kw = (count if cycles else units) * unit_kw
        high_kw = units_kw * derate
        low_kw = min(high_kw, units_kw * engine.min_load_frac)
        run = _dispatch(rule, net_kw, take_kw, mem[col.N_DISCHARGE + lane], low_kw, high_kw)
        begin = BatteryState(state.soc_frac if (running | wanted) else level_frac, health_frac, state.cell_c)
        stop_h = _hours_to_soc(battery, begin, run.battery_kw * per_kwh, enough_frac)
        stop_h = 0.0 if begin.soc_frac >= enough_frac else stop_h
        stop_h = stop_h if safe_kw <= give_kw else NEVER_H
        asked_h = 0.0 if wanted else low_h
        if not part_steps:
            asked_h, stop_h = (0.0, NEVER_H) if wanted else (NEVER_H, 0.0)
        mem[col.N_ASKED_H + lane] = asked_h
        mem[col.N_STOP_H + lane] = stop_h
        mem[col.N_RUN + lane] = run.genset_kw
        mem[col.N_LEAST + lane] = low_kw
        mem[col.N_MOST + lane] = high_kw
        mem[col.N_UNITS_KW + lane] = units_kw


@kernel_part
def commit(row: Floats, step_h: float, params: FullParams, engine: GensetParams, mem: Floats) -> None:
    """Set when gensets carry load in a step, after minimum times, cold, tank and chance; flags are 0 or 1."""
    delay_h, per_step_h = _start_delay_h(engine), 1.0 / step_h
    warm_h, cool_h = engine.warm_up_s / 3600.0, engine.cool_down_s / 3600.0
    min_run_h, min_down_h = engine.min_run_s / 3600.0, engine.min_down_s / 3600.0
    fails = row[col.T_FAILS]
    starts = 1.0 - max(row[col.T_BARRED], fails)
    trips = 1.0 if row[col.T_CHANCE] < step_h / params.mttf_h else 0.0
    for lane in range(LANES):
        running, in_state_h, down_h = mem[col.RUNNING + lane], mem[col.IN_STATE_H + lane], mem[col.DOWN_H + lane]
        units_kw, per_unit_kw = mem[col.N_UNITS_KW + lane], mem[col.PER_UNIT_KW + lane]
        span = _run_span(
            running > 0.0,
            in_state_h,
            mem[col.N_ASKED_H + lane],
            mem[col.N_STOP_H + lane],
            delay_h,
            min_run_h,
            min_down_h,
        )
        in_time = 1.0 if span.begin_h < step_h else 0.0
        lasting = 1.0 if span.to_h > 0.0 else 0.0
        fuelled = 1.0 if mem[col.TANK_NOW_L + lane] >= engine.fuel_100_l_per_h * units_kw * step_h else 0.0
        sound = 1.0 if down_h <= 0.0 else 0.0
        there = 1.0 if units_kw > 0.0 else 0.0
        early = 1.0 if span.to_h < step_h else 0.0
        tripped = running * trips
        asked = in_time * lasting
        on = asked * fuelled * sound * there * (1.0 - tripped) * max(running, starts)
        started = on * (1.0 - running)
        ends = on * early
        stopped = max(ends, running * (1.0 - on))
        carry_h = on * max(0.0, min(step_h, span.to_h) - min(step_h, span.from_h))
        share = carry_h * per_step_h
        run_kw = mem[col.N_RUN + lane] * share
        low_kw = max(mem[col.N_LEAST + lane] * share, min(run_kw, mem[col.N_NET + lane] + mem[col.N_CHARGE + lane]))
        since_h = step_h - max(span.begin_h, 0.0)
        since_h = since_h if max(started, stopped) > 0.0 else in_state_h + step_h
        mem[col.N_LEAST + lane] = run_kw if ends > 0.0 else low_kw
        mem[col.N_MOST + lane] = mem[col.N_MOST + lane] * share
        mem[col.N_CARRY_H + lane] = carry_h
        mem[col.N_TURNS_H + lane] = started * warm_h + stopped * cool_h
        mem[col.RUNNING + lane] = on - ends
        mem[col.IN_STATE_H + lane] = step_h - span.to_h if ends > 0.0 else since_h
        mem[col.DOWN_H + lane] = max(tripped * params.repair_h, down_h - step_h)
        mem[col.S_STARTS + lane] += started * units_kw * per_unit_kw
        mem[col.S_FAILED + lane] += asked * (1.0 - running) * fails
        mem[col.S_TRIPS + lane] += tripped
