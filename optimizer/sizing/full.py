"""The full model: surroundings into a step table, designs into blocks, sums out.

The surroundings of a place are the same for all designs of a pass: load, sun, temperature, what cooling costs at that
temperature, what cold bars, when fuel comes, and the dice of a Monte Carlo draw. Dice are drawn from a counter-based
generator keyed by (seed, draw), so every draw is the same on any number of cores; the same dice for all designs make
designs comparable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from optimizer.rules.deferral import DeferralParams
from optimizer.rules.dispatch import RuleParams
from optimizer.sizing import full_columns as kernel
from optimizer.sizing.full_kernel import run_block
from optimizer.sizing.full_params import FullParams
from optimizer.sizing.inputs import Floats
from sites.errors import InputError
from sites.plant import genset as gen
from sites.plant import thermal
from sites.plant.battery import BatteryParams
from sites.plant.genset import GensetParams, GensetState
from sites.plant.thermal import ClimateParams

START_FAILURE_FRAC = 0.0094
"""Failures to start over demands: emergency diesel generators, IEEE 493 and the review of Marqusee & Jenket 2020."""
MTTF_H = 1100.0
"""Mean running time to failure of a well-kept emergency diesel (Marqusee & Jenket, Applied Energy 268, 2020)."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """Batch work of one kind."""

    kw: Floats
    """Arrival rate in kW of full-power work, shape (steps,)."""
    wait_h: float
    """How long it may wait; 0 = it is done as it comes."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Load, weather and supply of a place, arrays over steps."""

    house_kw: Floats
    """Load that is not computing and never waits."""
    service_kw: Floats
    """Computing that never waits, for a service scale of 1."""
    works: tuple[Work, ...]
    """Batch work that may wait."""
    pv_kw_per_kwp: Floats
    outdoor_c: Floats
    step_h: float
    delivery_l: Floats | None = None
    """Fuel delivered at the end of a step [L]; None = never."""
    quiet: Floats | None = None
    """1 in the hours in which noise counts."""

    def __post_init__(self) -> None:
        rows = {name: getattr(self, name) for name in ("house_kw", "service_kw", "pv_kw_per_kwp", "outdoor_c")}
        rows.update({f"works[{index}].kw": work.kw for index, work in enumerate(self.works)})
        for name, values in rows.items():
            if values.shape != self.house_kw.shape or not np.isfinite(values).all():
                raise InputError.single(
                    source="weather and load",
                    field=name,
                    found=f"{np.count_nonzero(~np.isfinite(values))} missing of {values.shape}",
                    mend=f"give {self.house_kw.size} finite values; missing is never read as zero",
                )

    @property
    def hours(self) -> float:
        """Length of the series."""
        return self.house_kw.size * self.step_h

    @property
    def work_kw(self) -> Floats:
        """Arrival rate of all batch work, shape (steps,)."""
        return np.asarray(sum((work.kw for work in self.works), np.zeros(self.house_kw.size)), dtype=np.float64)

    def finer(self, parts: int) -> Surroundings:
        """Return the same surroundings with each step cut into ``parts``; sun and temperature stay steps."""
        delivery = None
        if self.delivery_l is not None:
            delivery = np.zeros(self.house_kw.size * parts)
            delivery[parts - 1 :: parts] = self.delivery_l
        return Surroundings(
            house_kw=np.repeat(self.house_kw, parts),
            service_kw=np.repeat(self.service_kw, parts),
            works=tuple(Work(kw=np.repeat(work.kw, parts), wait_h=work.wait_h) for work in self.works),
            pv_kw_per_kwp=np.repeat(self.pv_kw_per_kwp, parts),
            outdoor_c=np.repeat(self.outdoor_c, parts),
            step_h=self.step_h / parts,
            delivery_l=delivery,
            quiet=None if self.quiet is None else np.repeat(self.quiet, parts),
        )


@dataclass(frozen=True, kw_only=True)
class Equipment:
    """What all designs of a pass share. Battery per kWh of capacity, engine per kW of rating."""

    battery: BatteryParams
    engine: GensetParams
    climate: ClimateParams
    rule: RuleParams = field(default=RuleParams())
    deferral: DeferralParams = field(default=DeferralParams())
    shared: FullParams = field(default=FullParams())
    battery_indoors: bool = True
    soc_initial_frac: float = 0.6


@dataclass(frozen=True, kw_only=True)
class Designs:
    """Designs of a pass, arrays of equal shape (designs,)."""

    genset_kw: Floats
    """Rating of one unit; 0 = none."""
    genset_count: Floats
    battery_kwh: Floats
    pv_kw: Floats
    batch_kw: Floats
    """Wall power of the batch pool at full power."""
    cooling_kw: Floats
    """Heat that cooling moves at 35 C."""
    service_scale: Floats
    tank_l: Floats

    @property
    def count(self) -> int:
        """Number of designs."""
        return int(self.genset_kw.size)


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Sums over the series, name to array over designs (``full_columns.SUM_NAMES``)."""

    sums: Mapping[str, Floats]
    backlog_kwh: Floats
    """Work left undone at the end."""
    soc_end_frac: Floats
    hours: float

    def __getitem__(self, name: str) -> Floats:
        """Return the sum ``name``."""
        return self.sums[name]


def step_table(
    around: Surroundings,
    kit: Equipment,
    *,
    seed: int = 0,
    draw: int | None = None,
    start_failure_frac: float = START_FAILURE_FRAC,
) -> Floats:
    """Return the step table, shape (steps, STEP_ROWS). ``draw`` None means that nothing fails by chance."""
    count = around.house_kw.size
    table = np.zeros((count, kernel.STEP_ROWS))
    engine = kit.engine
    outdoor = around.outdoor_c
    kept_c = engine.block_target_c if engine.block_heater_kw > 0.0 else -99.0
    derate = np.empty(count)
    barred = np.empty(count)
    for step in range(count):
        here_c = float(outdoor[step])
        derate[step] = gen.rated_now_kw(engine, here_c) / engine.rating_kw
        block = GensetState(block_c=max(here_c, kept_c))
        barred[step] = gen.start_barred(engine, block, here_c, 1.0)
        table[step, kernel.T_COOL] = thermal.cooling_kw_per_heat_kw(kit.climate, here_c)
        table[step, kernel.T_CAPACITY] = thermal.capacity_factor(here_c)
        table[step, kernel.T_WALLS] = thermal.wall_heat_kw(kit.climate, here_c)
    heater_kw = np.minimum(
        engine.block_heater_kw, np.maximum(0.0, engine.block_ua_kw_per_k * (engine.block_target_c - outdoor))
    )
    table[:, kernel.T_HOUSE] = around.house_kw + heater_kw
    table[:, kernel.T_SERVICE] = around.service_kw
    table[:, kernel.T_ARRIVE] = around.work_kw
    table[:, kernel.T_DUE] = due_kwh(around)
    table[:, kernel.T_SUN] = around.pv_kw_per_kwp
    table[:, kernel.T_ENV_C] = kit.climate.cool_to_c if kit.battery_indoors else outdoor
    table[:, kernel.T_DERATE] = derate
    table[:, kernel.T_BARRED] = barred
    table[:, kernel.T_CHANCE] = 1.0
    if around.delivery_l is not None:
        table[:, kernel.T_DELIVERY] = around.delivery_l
    if around.quiet is not None:
        table[:, kernel.T_QUIET] = around.quiet
    if draw is not None:
        dice = np.random.Generator(np.random.Philox(key=[seed, draw])).random((2, count))
        table[:, kernel.T_FAILS] = dice[0] < start_failure_frac
        table[:, kernel.T_CHANCE] = dice[1]
    return table


def due_kwh(around: Surroundings) -> Floats:
    """Return the batch work due by the end of each step since the begin [kWh of full-power work]."""
    ends_h = np.arange(0.0, around.house_kw.size + 1.0) * around.step_h
    due = np.zeros(around.house_kw.size)
    for work in around.works:
        arrived = np.concatenate(([0.0], np.cumsum(work.kw) * around.step_h))
        due += np.interp(ends_h[1:] - work.wait_h, ends_h, arrived, left=0.0)
    return due


def fresh_memory(designs: Designs, kit: Equipment) -> Floats:
    """Return the blocks of designs at the begin of a year, shape (blocks, columns, lanes)."""
    lanes, count = kernel.LANES, designs.count
    blocks = -(-count // lanes)
    memory = np.zeros((blocks, kernel.COLUMNS, lanes))
    columns = {
        kernel.GENSET_KW: designs.genset_kw,
        kernel.GENSET_COUNT: designs.genset_count,
        kernel.BATTERY_KWH: designs.battery_kwh,
        kernel.PV_KW: designs.pv_kw,
        kernel.BATCH_KW: designs.batch_kw,
        kernel.COOLING_KW: designs.cooling_kw,
        kernel.TANK_L: designs.tank_l,
        kernel.SERVICE_SCALE: designs.service_scale,
        kernel.TANK_NOW_L: designs.tank_l,
        kernel.PER_KWH: 1.0 / designs.battery_kwh,
        kernel.PER_UNIT_KW: 1.0 / np.maximum(designs.genset_kw, 1e-9),
    }
    for offset, values in columns.items():
        padded = np.resize(values, blocks * lanes)
        padded[count:] = values[-1]
        memory[:, offset // lanes, :] = padded.reshape(blocks, lanes)
    constants = {
        kernel.SOC: kit.soc_initial_frac,
        kernel.TURN_SOC: kit.soc_initial_frac,
        kernel.CELL_C: 20.0,
        kernel.IN_STATE_H: 1e3,
    }
    for offset, value in constants.items():
        memory[:, offset // lanes, :] = value
    return memory


def simulate(table: Floats, step_h: float, designs: Designs, kit: Equipment) -> Totals:
    """Return the sums of all designs over the step table."""
    lanes, count = kernel.LANES, designs.count
    memory = fresh_memory(designs, kit)
    for block in range(memory.shape[0]):
        _run(table, step_h, kit, memory[block].reshape(-1))

    def column(offset: int) -> Floats:
        return np.asarray(memory[:, offset // lanes, :].reshape(-1)[:count].copy(), dtype=np.float64)

    sums = {name: column((kernel.SUMS_FROM + index) * lanes) for index, name in enumerate(kernel.SUM_NAMES)}
    return Totals(
        sums=sums,
        backlog_kwh=column(kernel.BACKLOG_KWH),
        soc_end_frac=column(kernel.SOC),
        hours=table.shape[0] * step_h,
    )


def _run(table: Floats, step_h: float, kit: Equipment, memory: Floats) -> None:
    run_block(table, step_h, kit.shared, kit.battery, kit.engine, kit.rule, kit.deferral, memory)


def trace(table: Floats, step_h: float, designs: Designs, kit: Equipment) -> dict[str, Floats]:
    """Return the course of the first design, a name to an array of shape (steps,).

    Keys: every sum as its change in a step, and the states at the end of each step ``soc_frac``, ``cell_c``,
    ``running``, ``tank_l`` and ``backlog_kwh``. The very kernel of ``simulate``, called step by step.
    """
    memory = fresh_memory(designs, kit)[0].reshape(-1)
    states = {
        "soc_frac": kernel.SOC,
        "cell_c": kernel.CELL_C,
        "running": kernel.RUNNING,
        "tank_l": kernel.TANK_NOW_L,
        "backlog_kwh": kernel.BACKLOG_KWH,
    }
    sums_at = np.array([(kernel.SUMS_FROM + index) * kernel.LANES for index in range(len(kernel.SUM_NAMES))])
    states_at = np.array(list(states.values()))
    count = table.shape[0]
    sums, found = np.zeros((count + 1, sums_at.size)), np.zeros((count, states_at.size))
    for step in range(count):
        _run(table[step : step + 1], step_h, kit, memory)
        sums[step + 1] = memory[sums_at]
        found[step] = memory[states_at]
    course = dict(zip(kernel.SUM_NAMES, np.diff(sums, axis=0).T.copy(), strict=True))
    course.update(zip(states, found.T.copy(), strict=True))
    return course
