"""What guards are given, remember and give back.

A guard is a pure function ``(GuardInput) -> Narrowed``. It has one task, it only narrows what is asked (less
load, less charging, a genset called to help), and it says why. What it has to remember from cycle to cycle is
in :class:`GuardMemory`, which is handed on, never changed in place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from controller.setpoints import Setpoints
from controller.snapshot import GensetPhase, Snapshot
from optimizer.problem import JobProblem
from sites.schema.site import Site
from sites.times import Utc

NO_JOBS: Mapping[str, JobProblem] = MappingProxyType({})


class Reason(NamedTuple):
    """That a guard acts, on what and why."""

    guard: str
    reason_code: str
    subject: str
    text: str


class GensetMemory(NamedTuple):
    """What is remembered of one genset."""

    last_run_utc: Utc | None = None
    """When it last carried load."""
    loaded_s: float = 0.0
    """Loaded time since it was last tested."""
    call_since_utc: Utc | None = None
    """Since when it has been asked to run while it stands."""
    release_since_utc: Utc | None = None
    """Since when it has been asked to stop while it runs."""
    test_until_utc: Utc | None = None
    """End of the test run that is under way."""
    tested_utc: Utc | None = None
    """When it was last tested or ran loaded for as long as that takes, or when it was first seen."""
    phase: GensetPhase | None = None
    """Phase in which it was last seen."""
    phase_s: float = 0.0
    """How long it has been seen in that phase."""
    failed_starts: int = 0
    """Cranks seen to fail since it last ran or a person was at its panel."""
    remote_allowed: bool = True
    """Whether its panel allowed a remote start when it was last seen."""
    overload_used_frac: float = 0.0
    """Share used of the hour that it may run above its rating."""


NO_GENSETS: Mapping[str, GensetMemory] = {}
NO_HOSTS: Mapping[str, tuple[int, int]] = {}


class GuardMemory(NamedTuple):
    """What guards remember from one cycle to the next."""

    last_utc: Utc | None = None
    soc_frac: float | None = None
    """State of charge believed: the reading while it is plausible, else counted on from the power."""
    soc_doubted_s: float = 0.0
    """How long the reading has been doubted or missing."""
    soc_reading_frac: float | None = None
    """The last reading, believed or not."""
    soc_drift_frac: float = 0.0
    """How far the count has moved since the reading last changed."""
    soc_lost_s: float = 0.0
    """How long no reading came."""
    unbalanced_s: float = 0.0
    """How long sources and load have not agreed."""
    reserve_run: bool = False
    """Whether a genset runs to bring the battery back above its reserve."""
    soc_low: int = 0
    """0, or how far the load is cut for a nearly empty battery: 1 batch and soft tiers, 2 all but critical."""
    full_utc: Utc | None = None
    """When the battery was last full, or first seen."""
    ups_soc_frac: float | None = None
    """Charge of the UPS in the last cycle."""
    overload_used_frac: float = 0.0
    """Share of the inverter's overload budget that is used."""
    cut_step: int = 0
    """How many things the shortage guard has switched off, in its order."""
    cut_quiet_s: float = 0.0
    """How long there has been no shortage."""
    short_run: bool = False
    """Whether gensets run because of a shortage."""
    fuel_saved: bool = False
    """Whether preemptible jobs are paused for the last of the fuel."""
    admit_wait_s: float = 0.0
    """How long the first that is held back because of the load step has been so."""
    services_let: tuple[str, ...] | None = None
    """Services that the load step has let in; none before the first cycle."""
    hosts_let: Mapping[str, tuple[int, int]] = NO_HOSTS
    """Hosts of each pool that were on, and that the load step has let on."""
    jobs_let: tuple[str, ...] = ()
    """Jobs that the load step has let in and that do not run yet."""
    hosts_up: float | None = None
    """Hosts that are let on after an orderly shutdown; none = all."""
    volts_high_s: float = 0.0
    """How long the battery's voltage has been at its upper limit."""
    volts_low_s: float = 0.0
    """How long it has been at its lower limit."""
    inlet_hot: int = 0
    inlet_cold: bool = False
    gensets: Mapping[str, GensetMemory] = NO_GENSETS
    active: frozenset[tuple[str, str]] = frozenset()
    """(guard, subject) of the reasons in force, to tell when one begins and ceases."""


class GuardInput(NamedTuple):
    """What a guard looks at."""

    snapshot: Snapshot
    """With the state of charge that is believed."""
    setpoints: Setpoints
    """What is asked so far."""
    site: Site
    memory: GuardMemory
    dt_s: float
    """Time since the last cycle; 0 in the first."""
    jobs: Mapping[str, JobProblem]
    """What is known of jobs, for the order in which they are paused."""


class Narrowed(NamedTuple):
    """What is left of the setpoints after a guard."""

    setpoints: Setpoints
    memory: GuardMemory
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, kw_only=True)
class GuardResult:
    """What the chain of guards lets through."""

    setpoints: Setpoints
    memory: GuardMemory
    reasons: tuple[Reason, ...]
    """Every reason in force in this cycle."""
    began: tuple[Reason, ...]
    """Reasons that were not in force in the last cycle."""
    ceased: tuple[tuple[str, str], ...]
    """(guard, subject) that are in force no more."""
    snapshot: Snapshot
    """The snapshot with the state of charge that is believed."""
