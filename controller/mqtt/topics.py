"""Topics and payloads of one site.

PREFIX/SITE/status        online or offline, retained; the broker says offline when we vanish (last will)
PREFIX/SITE/state         the present, one flat JSON object, retained
PREFIX/SITE/history       states that could not be sent at their time, in order, not retained
PREFIX/SITE/alarms        open alarms, a JSON list, retained
PREFIX/SITE/command/KIND  a command, JSON with "token" (see controller.mqtt.commanding)
PREFIX/SITE/answer        what became of a command, with its "id"
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

from controller.records.views import Alarm, SiteNow
from controller.snapshot import Snapshot

ONLINE, OFFLINE = "online", "offline"
Flat = dict[str, float | str | bool | None]


class Topics(NamedTuple):
    """Topics of a site."""

    root: str

    @classmethod
    def of(cls, prefix: str, site: str) -> Topics:
        """Return the topics under a prefix."""
        return cls(f"{prefix}/{site}")

    @property
    def status(self) -> str:
        """Whether we are there."""
        return f"{self.root}/status"

    @property
    def state(self) -> str:
        """The present."""
        return f"{self.root}/state"

    @property
    def history(self) -> str:
        """What could not be sent at its time."""
        return f"{self.root}/history"

    @property
    def alarms(self) -> str:
        """Open alarms."""
        return f"{self.root}/alarms"

    @property
    def commands(self) -> str:
        """All commands."""
        return f"{self.root}/command/+"

    @property
    def answer(self) -> str:
        """What became of commands."""
        return f"{self.root}/answer"


def flat_state(now: SiteNow) -> Flat:
    """Return the present of a site as one flat object; what is not known is null, never zero."""
    seen = now.snapshot
    battery = seen.battery
    state: Flat = {
        "at": now.at_utc.isoformat(),
        "level": now.level.value,
        "pv_kw": seen.pv_kw,
        "pv_available_kw": seen.pv_available_kw,
        "battery_kw": battery.power_kw if battery else None,
        "battery_soc_frac": battery.soc_frac if battery else None,
        "battery_c": battery.temperature_c if battery else None,
        "load_kw": seen.load_kw,
        "it_kw": seen.it_kw,
        "cooling_kw": seen.cooling_kw,
        "unserved_kw": seen.unserved_kw,
        "tank_l": seen.tank_l,
        "ups_soc_frac": seen.ups_soc_frac,
        "outdoor_c": seen.outdoor_c,
        "inlet_c": seen.inlet_c,
        "emergency_stop": seen.emergency_stop,
        "fire": seen.fire,
    }
    return {**state, **_gensets(seen), **_computers(seen)}


def _key(name: str) -> str:
    return name.replace("-", "_")


def _gensets(seen: Snapshot) -> Flat:
    state: Flat = {}
    for each in seen.gensets:
        state[f"genset_{_key(each.name)}_kw"] = each.power_kw
        state[f"genset_{_key(each.name)}_phase"] = each.phase.value if each.phase else None
    return state


def _computers(seen: Snapshot) -> Flat:
    state: Flat = {"jobs_running": sum(job.state == "running" for job in seen.jobs)}
    for pool in seen.pools:
        state[f"pool_{_key(pool.name)}_kw"] = pool.draw_kw
        state[f"pool_{_key(pool.name)}_gpus"] = pool.gpus_ok
    for service in seen.services:
        state[f"service_{_key(service.name)}_rps"] = service.served_rps
    return state


def alarm_list(alarms: Iterable[Alarm]) -> str:
    """Return open alarms as a JSON list."""
    return json.dumps([each.model_dump(mode="json") for each in alarms])
