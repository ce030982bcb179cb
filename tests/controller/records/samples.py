"""Small records to fill a store with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from controller.records.entries import DecisionEntry, NowEntry, PlanEntry, TelemetryEntry
from controller.records.recorder import Recorder
from controller.records.store import upgrade
from controller.records.views import ServicePoint, TelemetryPoint
from controller.snapshot import BatteryReading, Snapshot
from forecasting.records import Forecast
from optimizer.plan import Level
from optimizer.problem import JobProblem, PoolSpeed, Problem
from optimizer.rules.roll import rules_plan
from sites.load import load_site
from sites.ports import ManualClock

START = datetime(2026, 6, 1, 6, tzinfo=UTC)
SITE = load_site("container")


def fresh_url(folder: Path) -> str:
    """Return the address of a new store at the newest migration."""
    url = f"sqlite:///{folder / 'mdc.sqlite'}"
    upgrade(url)
    return url


def open_recorder(url: str, folder: Path) -> Recorder:
    """Return a recorder that has been started."""
    recorder = Recorder(url, SITE, clock=ManualClock(START), journal=folder / "guards.journal")
    recorder.start()
    return recorder


def forecast() -> Forecast:
    """Return a forecast of four hours."""
    return Forecast(
        issued_utc=START,
        rung="history",
        source="test",
        start_utc=START,
        hours=(1.0,) * 4,
        quantile_levels=(0.5,),
        pv_available_kw=(10.0, 20.0, 30.0, 20.0),
        pv_quantiles_kw=((9.0, 19.0, 29.0, 19.0),),
        outdoor_c=(15.0,) * 4,
    )


def plan_entry(identity: str = "p" * 32, made: datetime = START, review: Any = "auto") -> PlanEntry:
    """Return a plan made by rules for an empty problem."""
    problem = Problem(site=SITE.name, start_utc=made, hours=(1.0,) * 4, pv_available_kw=(10.0, 20.0, 30.0, 20.0))
    return PlanEntry(
        id=identity,
        made_utc=made,
        expires_utc=made + timedelta(hours=2),
        review=review,
        forecast=forecast(),
        problem=problem,
        plan=rules_plan(problem),
    )


def decision(subject: str = "genset diesel-1", seq: int = 1, order: str = "run", **fields: Any) -> DecisionEntry:
    """Return a decision."""
    usual: dict[str, Any] = {
        "id": f"{abs(hash((subject, seq))):032x}"[:32],
        "subject": subject,
        "seq": seq,
        "order_text": order,
        "origin": "plan",
        "reason_code": "PLAN",
        "text": "as planned",
        "plan_id": None,
        "at_utc": START,
        "expires_utc": START + timedelta(minutes=5),
    }
    return DecisionEntry(**{**usual, **fields})


def telemetry(at_s: float = 0.0, soc: float | None = 0.5, **fields: Any) -> TelemetryEntry:
    """Return one telemetry row with one service."""
    at = START + timedelta(seconds=at_s)
    return TelemetryEntry(
        point=TelemetryPoint(at_utc=at, soc_frac=soc, **fields),
        services=(ServicePoint(at_utc=at, service="voice-agent", rate_rps=3.0, served_rps=3.0, mode="m"),),
    )


def now_entry(at_s: float = 0.0, **fields: Any) -> NowEntry:
    """Return the present."""
    at = START + timedelta(seconds=at_s)
    usual: dict[str, Any] = {
        "at_utc": at,
        "level": Level.RULES,
        "plan_id": None,
        "speed": 1.0,
        "snapshot": Snapshot(at_utc=at, battery=BatteryReading(soc_frac=0.5, power_kw=1.0, temperature_c=20.0)),
        "setpoints": None,
    }
    return NowEntry(**{**usual, **fields})


def job(name: str = "tune-1", **fields: Any) -> JobProblem:
    """Return a job."""
    usual: dict[str, Any] = {
        "name": name,
        "profile": "training",
        "pools": (PoolSpeed(pool="h100", speed=1.0),),
        "work_gpu_h": 10.0,
        "gpus_max": 8.0,
        "release_utc": START,
        "deadline_utc": START + timedelta(hours=9),
        "value_usd": 20.0,
    }
    return JobProblem(**{**usual, **fields})
