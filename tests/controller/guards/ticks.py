"""Building ticks: a site, snapshots and setpoints with only what a test is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from controller.guards.chain import apply_guards
from controller.guards.records import GuardMemory, GuardResult
from controller.setpoints import GensetCommand, JobCommand, ServiceCommand, Setpoints
from controller.snapshot import BatteryReading, GensetPhase, GensetReading, JobReading, Snapshot
from optimizer.problem import JobProblem, PoolSpeed
from sites.compute.records import ServingMode
from sites.load import load_site
from sites.schema.site import Site

START = datetime(2026, 1, 10, 12, tzinfo=UTC)
SITE = load_site("container")


def site_with(**changes: Mapping[str, Any]) -> Site:
    """Return the container with some fields of its sections changed; ``gensets`` changes every genset."""
    update: dict[str, Any] = {}
    for section, fields in changes.items():
        if section == "gensets":
            update[section] = tuple(each.model_copy(update=dict(fields)) for each in SITE.gensets)
        else:
            update[section] = getattr(SITE, section).model_copy(update=dict(fields))
    return SITE.model_copy(update=update)


def genset(
    name: str = "diesel-1", phase: GensetPhase | None = GensetPhase.OFF, phase_s: float = 1e6, **fields: Any
) -> GensetReading:
    """Return a genset's reading, at rest since long ago unless told."""
    return GensetReading(**{"name": name, "phase": phase, "power_kw": 0.0, "phase_s": phase_s, **fields})


def snapshot(at_s: float = 0.0, *, soc: float | None = 0.6, power_kw: float | None = 20.0, **fields: Any) -> Snapshot:
    """Return a quiet snapshot ``at_s`` seconds after the start."""
    cell_c = fields.pop("cell_c", 25.0)
    contactor = fields.pop("contactor_closed", True)
    charge_limit_kw = fields.pop("charge_limit_kw", None)
    voltage_v = fields.pop("voltage_v", None)
    usual: dict[str, Any] = {
        "at_utc": START + timedelta(seconds=at_s),
        "battery": BatteryReading(
            soc_frac=soc,
            power_kw=power_kw,
            temperature_c=cell_c,
            contactor_closed=contactor,
            charge_limit_kw=charge_limit_kw,
            voltage_v=voltage_v,
        ),
        "gensets": (genset("diesel-1"), genset("diesel-2")),
        "pv_kw": 0.0,
        "pv_available_kw": 0.0,
        "tank_l": 3000.0,
        "load_kw": 60.0,
        "inlet_c": 24.0,
    }
    return Snapshot(**{**usual, **fields})


def mode(gpus: int = 8, pool: str = "h100") -> ServingMode:
    """Return a serving mode."""
    return ServingMode(
        name=f"{pool} x{gpus}",
        pool=pool,
        profile="decode",
        precision="fp8",
        replicas=1,
        gpus=gpus,
        limit_w=250,
        slots=8,
        service_s=1,
        service_scv=1,
        rate_rps=10,
        idle_w=900,
        busy_w=2000,
        p99_s=1,
    )


def job(name: str, *, priority: int = 0, value_usd: float = 50.0, preemptible: bool = True) -> JobProblem:
    """Return what is known of a job."""
    return JobProblem(
        name=name,
        profile="training",
        pools=(PoolSpeed(pool="h100", speed=1.0),),
        work_gpu_h=50,
        gpus_max=8,
        release_utc=START,
        deadline_utc=START + timedelta(hours=10),
        value_usd=value_usd,
        priority=priority,
        preemptible=preemptible,
    )


JOBS = {each.name: each for each in (job("cheap", value_usd=10), job("dear", value_usd=90), job("urgent", priority=5))}


def setpoints(
    *, run: Iterable[str] = (), kw: float = 40.0, jobs: Iterable[str] = ("cheap", "dear", "urgent"), **fields: Any
) -> Setpoints:
    """Return setpoints with gensets, three jobs and two services."""
    running = set(run)
    usual: dict[str, Any] = {
        "at_utc": START,
        "expires_utc": START + timedelta(minutes=5),
        "gensets": tuple(
            GensetCommand(name=each.name, run=each.name in running, kw=kw if each.name in running else 0.0)
            for each in SITE.gensets
        ),
        "jobs": tuple(JobCommand(name=name, pool="h100", gpus=8, limit_w=300) for name in jobs),
        "services": (
            ServiceCommand(name="voice-agent", mode=mode(8, "l40s")),
            ServiceCommand(name="document-chat", mode=mode(8)),
        ),
    }
    return Setpoints(**{**usual, **fields})


def play(
    ticks: Iterable[Snapshot],
    asked: Setpoints | None = None,
    *,
    site: Site = SITE,
    memory: GuardMemory | None = None,
    without: tuple[str, ...] = (),
) -> list[GuardResult]:
    """Run the chain over ticks and return what it let through at each."""
    kept = memory or GuardMemory()
    results = []
    for tick in ticks:
        result = apply_guards(tick, asked or setpoints(), site, kept, jobs=JOBS, without=without)
        kept = result.memory
        results.append(result)
    return results


def runs(result: GuardResult, name: str = "diesel-1") -> bool:
    """Return whether a genset is told to run."""
    return next(each.run for each in result.setpoints.gensets if each.name == name)


def any_runs(result: GuardResult) -> bool:
    """Return whether any genset is told to run."""
    return any(each.run for each in result.setpoints.gensets)


def job_names(result: GuardResult) -> list[str]:
    """Return the names of the jobs that are let run."""
    return [each.name for each in result.setpoints.jobs]


def codes(result: GuardResult) -> set[str]:
    """Return the reason codes in force."""
    return {reason.reason_code for reason in result.reasons}


def reading_job(name: str, state: str) -> JobReading:
    """Return a job's reading."""
    return JobReading(name=name, state=state)
