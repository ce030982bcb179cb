"""A planning problem as a document.

The controller turns site, state and forecast into a :class:`Problem`; every policy turns a problem into a
:class:`~optimizer.plan.Plan`. Both are stored, exchanged as JSON and solvable again. This module imports no solver.

Signs: power into the site bus is positive (PV, genset, battery discharge). Named quantities are non-negative.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from typing import Literal

from pydantic import Field, model_validator

from optimizer.places import TaskPlaces
from sites.compute.records import CapLevel, PowerProfile, ServingMode
from sites.record import Record
from sites.times import TimeGrid, Utc


class LoadTier(Record):
    """Electric load that is not planned work; shed from the last tier of the list to the first."""

    name: str
    """Name in the plan."""
    kw: tuple[float, ...]
    """Mean power in each interval."""
    shed_usd_per_kwh: float = Field(ge=0)
    """Price of leaving it unserved."""
    critical: bool = False
    """Whether it goes last."""


class BatteryProblem(Record):
    """The battery as the plan sees it. SoC is a fraction of usable capacity at the current health."""

    capacity_kwh: float = Field(ge=0)
    """Usable capacity at the present health."""
    soc_frac: float
    """Measured now; a hair outside its limits is accepted."""
    soc_min_frac: float = Field(default=0.0, ge=0, le=1)
    """Hard lower limit."""
    soc_max_frac: float = Field(default=1.0, ge=0, le=1)
    """Hard upper limit."""
    soc_reserve_frac: float = Field(default=0.0, ge=0, le=1)
    """Soft lower limit kept for surprises."""
    charge_kw: float = Field(ge=0)
    """Most that it takes, at the bus."""
    discharge_kw: float = Field(ge=0)
    """Most that it gives, at the bus."""
    charge_efficiency_frac: float = Field(default=1.0, gt=0, le=1)
    """From the bus into the cells."""
    discharge_efficiency_frac: float = Field(default=1.0, gt=0, le=1)
    """From the cells to the bus."""
    charge_taper: tuple[tuple[float, float], ...] = ((0.0, 1.0), (1.0, 1.0))
    """Points (SoC, share of ``charge_kw``), concave, ascending in SoC."""
    discharge_taper: tuple[tuple[float, float], ...] = ((0.0, 1.0), (1.0, 1.0))
    """Points (SoC, share of ``discharge_kw``), concave, ascending in SoC."""
    charge_limit_frac: tuple[float, ...] = ()
    """Share of ``charge_kw`` that cold leaves in each interval; empty = 1."""
    standby_kw: float = Field(default=0.0, ge=0)
    """Self-consumption drawn from the cells."""
    wear_usd_per_kwh: float = Field(default=0.0, ge=0)
    """Price of a kWh discharged."""
    end_value_usd_per_kwh: float = Field(default=0.0, ge=0)
    """Worth of a kWh left in the cells at the end of the horizon."""
    reserve_breach_usd_per_kwh: float = Field(default=1.0, ge=0)
    """Price of a kWh below ``soc_reserve_frac``, per hour."""
    soc_floor_frac: tuple[float, ...] = ()
    """What a person wants kept at the end of each interval, soft and priced as the reserve; empty = nothing beyond it."""
    full_by_h: float | None = Field(default=None, ge=0)
    """Hours until a full charge is due for balancing the cells; none = not within reach of this plan."""
    full_missing_usd_per_kwh: float = Field(default=0.5, ge=0)
    """Price of each kWh that the full charge misses."""


class GensetProblem(Record):
    """One genset, its past included."""

    name: str
    """Name in the plan."""
    max_kw: float = Field(gt=0)
    """Rating after derating."""
    min_kw: float = Field(default=0.0, ge=0)
    """Minimum load while it runs."""
    fuel_points: tuple[tuple[float, float], ...] = ((0.0, 0.0), (1.0, 0.0))
    """Points (kW, L/h) while running, ascending in kW."""
    energy_usd_per_kwh: float = Field(default=0.0, ge=0)
    """Price of a kWh besides its fuel."""
    run_usd_per_h: float = Field(default=0.0, ge=0)
    """Price of a running hour besides its fuel (service)."""
    start_usd: float = Field(default=0.0, ge=0)
    """Price of a start."""
    min_run_h: float = Field(default=0.0, ge=0)
    """Shortest run once started."""
    min_down_h: float = Field(default=0.0, ge=0)
    """Shortest pause between two runs."""
    warmup_h: float = Field(default=0.0, ge=0)
    """Time from the start order until it carries load."""
    step_kw: float | None = Field(default=None, ge=0)
    """Most load that it takes at once, where no battery forms the grid; none = no limit."""
    on: bool = False
    """Whether it runs now."""
    hours_in_state: float = Field(default=1e3, ge=0)
    """How long it has been on or off."""
    available: bool = True
    """False while locked out, in service or in panel MANUAL."""
    must_run: tuple[bool, ...] = ()
    """Intervals in which it has to run (test run, override); empty = none."""
    forbidden: tuple[bool, ...] = ()
    """Intervals in which it must not run (quiet hours, override); empty = none."""

    @model_validator(mode="after")
    def _limits_agree(self) -> GensetProblem:
        if self.min_kw > self.max_kw:
            raise ValueError(f"min_kw {self.min_kw} exceeds max_kw {self.max_kw}")
        return self


class FuelDelivery(Record):
    """Diesel that arrives."""

    at_utc: Utc
    """When it arrives."""
    litres: float = Field(gt=0)
    """How much."""


class TankProblem(Record):
    """One tank that feeds all gensets."""

    level_l: float = Field(ge=0)
    """Litres in it now."""
    capacity_l: float = Field(gt=0)
    """Litres that it holds."""
    reserve_l: float = Field(default=0.0, ge=0)
    """Litres that the plan leaves in the tank if it can."""
    usd_per_l: float = Field(ge=0)
    """Price of a litre."""
    deliveries: tuple[FuelDelivery, ...] = ()


class ReserveProblem(Record):
    """Operating reserve: what the site can take up at once if a forecast fails."""

    load_frac: float = Field(default=0.0, ge=0)
    """Share of the load held in reserve."""
    pv_frac: float = Field(default=0.0, ge=0)
    """Share of the used PV held in reserve."""
    hold_h: float = Field(default=0.25, gt=0)
    """How long the battery must be able to give its share."""
    breach_usd_per_kwh: float = Field(default=1.0, ge=0)
    """Price of missing reserve; infinite is not allowed, hard reserve is ``hard``."""
    hard: bool = False
    """Whether a plan without the reserve counts as infeasible as posed."""
    ups_kw: float = Field(default=0.0, ge=0)
    """Power that the UPS carries until a spare genset has taken the load."""
    ups_h: float = Field(default=0.0, ge=0)
    """How long it does; gensets that are off count as reserve where they carry load within this time."""


class RoomProblem(Record):
    """Heat of the room that the computers stand in."""

    removable_kw: tuple[float, ...]
    """Heat of computers that the cooling can carry away in each interval."""
    store_kwh: float = Field(default=0.0, ge=0)
    """Heat that the room takes between its set point and what the computers bear at their inlets."""
    heat_kwh: float = Field(default=0.0, ge=0)
    """Heat above the set point now."""


class ProfileLevels(Record):
    """Power-limit levels that a pool offers to batch work of one power profile."""

    profile: PowerProfile
    """How the work uses a GPU."""
    levels: tuple[CapLevel, ...]


class PoolProblem(Record):
    """GPUs of one kind that are interchangeable."""

    name: str
    """Name that jobs and modes refer to."""
    gpus: float = Field(ge=0)
    """GPUs that can be used."""
    idle_w: float = Field(default=0.0, ge=0)
    """Draw of one GPU without work."""
    host_kw: float = Field(default=0.0, ge=0)
    """Draw of the powered hosts without their GPUs."""
    wall_factor: float = Field(default=1.0, ge=1)
    """Watts at the wall for a watt at the GPU: power supplies and fans."""
    levels: tuple[ProfileLevels, ...] = ()
    nodes: int = Field(default=0, ge=0)
    """Nodes that the GPUs sit in; 0 = nodes are not planned."""
    can_power_off: bool = False
    """Whether nodes may be powered off."""
    nodes_on: int | None = Field(default=None, ge=0)
    """Nodes powered now; none = all."""
    node_off_kw: float = Field(default=0.0, ge=0)
    """Draw of a node that is powered off: its management controller."""
    boot_h: float = Field(default=0.0, ge=0)
    """Time from power-on until a node takes work."""
    boot_kwh: float = Field(default=0.0, ge=0)
    """Energy of a boot beyond the draw of an idle node."""
    node_gpus: int = Field(default=0, ge=0)
    """GPUs built into each node; 0 = nothing is placed on nodes."""
    island_gpus: int = Field(default=1, ge=1)
    """GPUs of a node that talk over NVLink: all, pairs, or 1 = none do."""
    mig_parts: int = Field(default=1, ge=1)
    """Parts that each GPU is cut into, which share its power limit; 1 = GPUs are whole. A part then counts as a GPU everywhere
    here: in ``gpus``, ``node_gpus``, modes and jobs, with its share of the GPU's draw and limit."""
    memory_gb: float = Field(default=0.0, ge=0)
    """Memory of one GPU; 0 = not known."""

    @model_validator(mode="after")
    def _parts_of_whole_gpus(self) -> PoolProblem:
        if self.mig_parts > 1 and (self.island_gpus > 1 or self.node_gpus % self.mig_parts):
            mend = f"give island_gpus 1, and node_gpus as a multiple of mig_parts {self.mig_parts}"
            raise ValueError(f"pool {self.name}: parts of GPUs have no NVLink and fill their nodes; {mend}")
        return self


class ServiceProblem(Record):
    """A service that takes requests all the time."""

    name: str
    """Name in the plan."""
    modes: tuple[ServingMode, ...]
    """The menu; one mode is chosen in each interval. A mode without GPUs serves nothing."""
    rate_rps: tuple[float, ...]
    """Expected request rate in each interval."""
    spread_log: tuple[float, ...] = ()
    """Standard deviation of the logarithm of the rate that windows of some minutes see in each interval; empty = 0. What a
    mode is expected to turn away follows from it."""
    value_usd_per_request: float = Field(default=0.0, ge=0)
    """What an answer in time is worth."""
    unserved_usd_per_request: float = Field(default=0.0, ge=0)
    """Price of a request that is not served, besides the value lost."""
    switch_usd: float = Field(default=0.0, ge=0)
    """Price of changing the mode."""
    current_mode: str = ""
    """Name of the mode in force; empty = unknown."""
    critical: bool = False
    """Whether it goes last in a shortage."""


class ChainStage(Record):
    """A service as a stage of a chain."""

    service: str
    """Name of the service."""
    first_frac: float = Field(default=1.0, gt=0, le=1)
    """Share of its response time until the first output that the next stage can use; 1 = the next one waits for all of it."""


class ChainProblem(Record):
    """Services that answer one after the other under one budget, each streaming into the next as far as ``first_frac`` says."""

    name: str
    """Name in the plan."""
    p99_s: float = Field(gt=0)
    """Budget until the last stage's first output. Stages promise their P99 at levels that share out the late requests."""
    stages: tuple[ChainStage, ...] = Field(min_length=1)


class PoolSpeed(Record):
    """A pool that a job may run on."""

    pool: str
    """Name of the pool."""
    speed: float = Field(gt=0)
    """Work done by one GPU-hour of this pool at its highest limit."""


class JobProblem(Record):
    """A batch job or what is left of it.

    A deadline after the end of the horizon: work that is left at the end keeps its value as far as it still fits between
    the end and the deadline at ``gpus_max``; so a plan may put it off, but not beyond what can still be done.
    """

    name: str
    """Name in the plan."""
    profile: PowerProfile
    """How the work uses a GPU."""
    pools: tuple[PoolSpeed, ...]
    work_gpu_h: float = Field(gt=0)
    """Work left, in GPU-hours at speed 1 and the highest limit."""
    gpus_max: float = Field(gt=0)
    """Most GPUs at once."""
    gpus_min: float = Field(default=0.0, ge=0)
    """GPUs below which it makes no progress; equal to ``gpus_max`` for a rigid gang."""
    release_utc: Utc
    """When it may start."""
    deadline_utc: Utc
    """When it should be done."""
    promised_utc: Utc | None = None
    """The deadline that was promised, where ``deadline_utc`` lies before it by a planning margin; none = the same."""
    hard: bool = False
    """Whether it is worth nothing after its deadline."""
    value_usd: float = Field(ge=0)
    """What the whole work is worth."""
    late_usd_per_h: float = Field(default=0.0, ge=0)
    """Price of finishing late, per hour; the value falls no lower than zero."""
    preemptible: bool = True
    """Whether it may be paused once it runs."""
    checkpoint_h: float = Field(default=0.0, ge=0)
    """Time without progress each time it starts again after a pause."""
    running: bool = False
    """Whether it runs now; a running job that is not preemptible goes on."""
    surplus_only: bool = False
    """Runs on sun that would be curtailed or with the battery above its reserve, never on diesel."""
    priority: int = 0
    """Higher goes first where value alone does not decide."""
    group_gpus: int = Field(default=1, ge=1)
    """GPUs that have to be in one NVLink island; more than one only for a rigid gang of whole groups."""
    memory_gb: float = Field(default=0.0, ge=0)
    """Memory that it needs on each GPU; 0 = not known."""
    windows_utc: tuple[tuple[Utc, Utc], ...] = ()
    """From and until when it may run, ascending; empty = at any time. A running job that may not be interrupted runs on."""
    sovereign: bool = False
    """Whether its data may never leave the site; then it is never told to be done elsewhere."""

    @property
    def due_utc(self) -> datetime:
        """After this it is late in the eyes of whoever waits for it."""
        return self.promised_utc or self.deadline_utc

    @model_validator(mode="after")
    def _order(self) -> JobProblem:
        if self.deadline_utc <= self.release_utc:
            raise ValueError(f"job {self.name}: deadline_utc is not after release_utc")
        if self.gpus_min > self.gpus_max:
            raise ValueError(f"job {self.name}: gpus_min exceeds gpus_max")
        bounds = [bound for window in self.windows_utc for bound in window]
        if any(later <= earlier for earlier, later in pairwise(bounds)):
            raise ValueError(
                f"job {self.name}: windows_utc do not ascend; give from and until of each, one after another"
            )
        if self.group_gpus > 1 and (self.gpus_min != self.gpus_max or self.gpus_max % self.group_gpus):
            mend = f"give gpus_min and gpus_max one value, a multiple of group_gpus {self.group_gpus}"
            raise ValueError(f"job {self.name}: groups on NVLink need a rigid gang; {mend}")
        return self


class PvScenario(Record):
    """One possible course of the sun."""

    weight: float = Field(gt=0, le=1)
    """Its probability."""
    pv_available_kw: tuple[float, ...]
    """Available AC power in each interval."""


class LastPlan(Record):
    """What the last plan said about the same time, on this problem's grid; leaving it has a small price."""

    genset_on: tuple[tuple[bool, ...], ...] = ()
    """One row a genset."""
    service_modes: tuple[tuple[str, ...], ...] = ()
    """One row a service."""
    change_usd: float = Field(default=0.0, ge=0)
    """Price of each change within the next six hours."""
    placed: tuple[TaskPlaces, ...] = ()
    """Where its tasks are at the start of this problem; what goes on there is not moved without need."""


class SolveLimits(Record):
    """When the solve may stop."""

    seconds: float = Field(default=4.0, gt=0)
    """Deadline; then the best plan found is used with its gap."""
    gap_frac: float = Field(default=0.005, ge=0)
    """Gap to stop at: (bound - plan) / |net value|."""
    seed: int = 0
    """Seed of the solver."""


class Problem(Record):
    """Everything a plan needs, and nothing else."""

    version: Literal[1] = 1
    """Version of this document."""
    site: str
    """Name of the site."""
    start_utc: Utc
    """Start of the first interval."""
    hours: tuple[float, ...] = Field(min_length=1)
    """Lengths of the intervals."""
    pv_available_kw: tuple[float, ...]
    """Expected available AC power in each interval."""
    scenarios: tuple[PvScenario, ...] = ()
    risk_weight: float = Field(default=0.0, ge=0, le=1)
    """Weight on the darkest scenarios beside the mean of all; 0 = the mean alone."""
    outdoor_c: tuple[float, ...] = ()
    """Outdoor temperature in each interval; empty = unknown."""
    tiers: tuple[LoadTier, ...] = ()
    inverter_kw: float | None = None
    """Most that the battery inverter carries; none = no limit."""
    battery: BatteryProblem | None = None
    gensets: tuple[GensetProblem, ...] = ()
    tank: TankProblem | None = None
    reserve: ReserveProblem = ReserveProblem()
    cooling_kw_per_it_kw: tuple[float, ...] = ()
    """Cooling power for each kW of IT heat in each interval; empty = 0."""
    cooling_base_kw: tuple[float, ...] = ()
    """What runs in any case besides tiers and IT: walls, UPS float, heaters; negative where walls cool; empty = 0."""
    room: RoomProblem | None = None
    pools: tuple[PoolProblem, ...] = ()
    services: tuple[ServiceProblem, ...] = ()
    chains: tuple[ChainProblem, ...] = ()
    """Services under one budget."""
    jobs: tuple[JobProblem, ...] = ()
    offsite_usd_per_gpu_h: float | None = Field(default=None, ge=0)
    """Price of a GPU-hour elsewhere, at speed 1, for jobs that are not sovereign; none = nothing is done elsewhere."""
    last_plan: LastPlan | None = None
    limits: SolveLimits = SolveLimits()

    @property
    def grid(self) -> TimeGrid:
        """The intervals."""
        return TimeGrid(start_utc=self.start_utc, hours=self.hours)

    @model_validator(mode="after")
    def _lengths_agree(self) -> Problem:
        count = len(self.hours)
        if min(self.hours) <= 0:
            raise ValueError("hours: every interval needs a positive length")
        for field, row in self._series():
            if len(row) != count:
                raise ValueError(f"{field}: {len(row)} values where {count} intervals need one each")
        for field, names in self._names():
            if len(set(names)) != len(names):
                raise ValueError(f"{field}: names repeat")
        known = {service.name for service in self.services}
        for chain in self.chains:
            for stage in chain.stages:
                if stage.service not in known:
                    raise ValueError(f"chains.{chain.name}: no service {stage.service}")
        return self

    def _series(self) -> Iterator[tuple[str, tuple[object, ...]]]:
        yield "pv_available_kw", self.pv_available_kw
        optional = [
            ("outdoor_c", self.outdoor_c),
            ("cooling_kw_per_it_kw", self.cooling_kw_per_it_kw),
            ("cooling_base_kw", self.cooling_base_kw),
            *((f"gensets.{genset.name}.must_run", genset.must_run) for genset in self.gensets),
            *((f"gensets.{genset.name}.forbidden", genset.forbidden) for genset in self.gensets),
        ]
        if self.battery is not None:
            optional.append(("battery.charge_limit_frac", self.battery.charge_limit_frac))
            optional.append(("battery.soc_floor_frac", self.battery.soc_floor_frac))
        if self.room is not None:
            yield "room.removable_kw", self.room.removable_kw
        yield from ((field, row) for field, row in optional if row)
        yield from ((f"scenarios[{i}].pv_available_kw", s.pv_available_kw) for i, s in enumerate(self.scenarios))
        yield from ((f"tiers.{tier.name}.kw", tier.kw) for tier in self.tiers)
        yield from ((f"services.{service.name}.rate_rps", service.rate_rps) for service in self.services)
        yield from ((f"services.{each.name}.spread_log", each.spread_log) for each in self.services if each.spread_log)

    def _names(self) -> Iterator[tuple[str, list[str]]]:
        yield "tiers", [tier.name for tier in self.tiers]
        yield "gensets", [genset.name for genset in self.gensets]
        yield "pools", [pool.name for pool in self.pools]
        yield "services", [service.name for service in self.services]
        yield "chains", [chain.name for chain in self.chains]
        yield "jobs", [job.name for job in self.jobs]
