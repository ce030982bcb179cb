"""The immutable process image of one cycle: what was sensed, and nothing that was not.

A value that could not be read is ``None``, never zero.
"""

from __future__ import annotations

from enum import StrEnum

from sites.record import Record
from sites.times import Utc


class GensetPhase(StrEnum):
    """State of a genset as its controller reports it."""

    OFF = "off"
    CRANKING = "cranking"
    WARMUP = "warmup"
    RUNNING = "running"
    COOLDOWN = "cooldown"
    LOCKED_OUT = "locked_out"


class BatteryReading(Record):
    """The battery management system and inverter."""

    soc_frac: float | None
    power_kw: float | None
    """Positive = discharge into the bus."""
    temperature_c: float | None
    charge_limit_kw: float | None = None
    """Most that the BMS accepts now."""
    discharge_limit_kw: float | None = None
    contactor_closed: bool = True
    voltage_v: float | None = None
    """Of the bank."""
    full_due_utc: Utc | None = None
    """When it is to be charged full again, for balancing."""


class GensetReading(Record):
    """One genset."""

    name: str
    phase: GensetPhase | None
    power_kw: float | None
    phase_s: float = 0.0
    """Time in this phase."""
    run_h: float = 0.0
    """Service hours."""
    starts: int = 0
    failed_starts: int = 0
    """Since the last good start."""
    remote_allowed: bool = True
    """False in panel MANUAL or lock-out: nothing is started past it."""
    test_due_utc: Utc | None = None
    """When its next test run is due."""


class ServiceReading(Record):
    """One service since the last cycle."""

    name: str
    mode: str
    rate_rps: float | None
    served_rps: float | None = None


class JobReading(Record):
    """One job at its runner."""

    name: str
    state: str
    """One of ``queued running paused done failed cancelled``."""
    pool: str = ""
    gpus: float = 0.0
    limit_w: float = 0.0
    done_frac: float = 0.0


class PoolReading(Record):
    """GPUs of one pool."""

    name: str
    gpus_ok: int
    draw_kw: float | None
    """Draw of GPUs and hosts at the wall."""
    limit_w: float | None = None
    """Largest enforced limit in the pool."""
    nodes_on: int = 0
    boot_s: float | None = None
    """How long its hosts take to boot, as learned; None = as the site file says."""


class Snapshot(Record):
    """Everything sensed in one cycle."""

    at_utc: Utc
    battery: BatteryReading | None
    gensets: tuple[GensetReading, ...] = ()
    pv_kw: float | None = None
    """Metered PV."""
    pv_available_kw: float | None = None
    """Estimated PV that could be drawn: metered, or modelled while curtailed."""
    tank_l: float | None = None
    load_kw: float | None = None
    """All load on the bus."""
    it_kw: float | None = None
    cooling_kw: float | None = None
    unserved_kw: float = 0.0
    """Load that could not be met."""
    ups_soc_frac: float | None = None
    outdoor_c: float | None = None
    inlet_c: float | None = None
    services: tuple[ServiceReading, ...] = ()
    jobs: tuple[JobReading, ...] = ()
    pools: tuple[PoolReading, ...] = ()
    emergency_stop: bool = False
    fire: bool = False
