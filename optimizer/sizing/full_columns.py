"""Where things stand in the memory of a block of designs: ``LANES`` values a column, one flat array.

Offsets are whole numbers known when the kernel is compiled, so that the compiler can prove that columns do not
overlap and use vector instructions; a block stays in the first-level cache.
"""

from __future__ import annotations

LANES = 32
"""Designs a block."""

# what the design is
GENSET_KW, GENSET_COUNT, BATTERY_KWH, PV_KW = (n * LANES for n in range(4))
BATCH_KW, COOLING_KW, TANK_L, SERVICE_SCALE = (n * LANES for n in range(4, 8))
PER_KWH, PER_UNIT_KW = (n * LANES for n in range(9, 11))
"""Reciprocals of battery capacity and unit rating."""
# its state
SOC, CELL_C, RUNNING, IN_STATE_H, DOWN_H = (n * LANES for n in range(11, 16))
TANK_NOW_L, BACKLOG_KWH, DONE_KWH, CHARGING, TURN_SOC = (n * LANES for n in range(16, 21))
# what a step hands on from pass to pass
N_WORK, N_BATCH, N_LOAD, N_NET, N_HEATER = (n * LANES for n in range(21, 26))
N_CHARGE, N_DISCHARGE, N_SAFE, N_READY = (n * LANES for n in range(26, 30))
N_LEAST, N_MOST, N_CARRY_H, N_UNITS_KW, N_TURNS_H = (n * LANES for n in range(30, 35))
N_INTO, N_OUT, N_UNSERVED, N_SHED, N_SPILLED, N_GENSET, N_HOT = (n * LANES for n in range(35, 42))
N_ASKED_H, N_STOP_H, N_RUN = (n * LANES for n in range(42, 45))
# sums over the year
SUMS_FROM = 45
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
    "depth_sum",
    "depth_square_sum",
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
    S_DEPTH,
    S_DEPTH2,
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
